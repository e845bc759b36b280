// The keyboard: in the list, and from anywhere on the page.

import { byId } from "../common/dom.js";

// `actions`: open, trash, rename, loadAll. Keys as in the file manager of a desktop.
export function useKeyboard(grid, view, selection, actions) {
  const move = (index, event) => {
    const last = view.entries.length - 1;
    const to = Math.min(Math.max(index, 0), last);
    selection.select(to, { extend: event.shiftKey });
    view.reveal(to);
  };
  const keys = {
    ArrowDown: (event) => move(selection.active + (selection.size > 0 ? 1 : 0), event),
    ArrowUp: (event) => move(selection.active - 1, event),
    PageDown: (event) => move(selection.active + view.rowsPerPage, event),
    PageUp: (event) => move(selection.active - view.rowsPerPage, event),
    Home: (event) => move(0, event),
    End: async (event) => {
      const { shiftKey } = event;
      await actions.loadAll();
      move(view.entries.length - 1, { shiftKey });
    },
    Enter: () => actions.open(view.entries[selection.active]),
    " ": () => selection.toggle(selection.active),
    Delete: () => actions.trash(),
    F2: () => actions.rename(),
    Escape: () => selection.clear(),
  };
  grid.addEventListener("keydown", async (event) => {
    if (event.altKey || view.entries.length === 0) return;
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "a") {
      event.preventDefault();
      await actions.loadAll();
      selection.all();
      return;
    }
    const action = event.ctrlKey || event.metaKey ? null : keys[event.key];
    if (!action) return;
    event.preventDefault();
    await action(event);
  });
  document.addEventListener("keydown", (event) => {
    const isTyping = event.target.matches?.("input, textarea, select");
    const isCommand = event.ctrlKey || event.altKey || event.metaKey;
    if (event.key !== "/" || isCommand || isTyping || document.querySelector("dialog[open]")) return;
    event.preventDefault();
    byId("search").focus();
  });
}
