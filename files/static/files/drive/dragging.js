// Dragging: entries onto a folder move there, files of the disk are uploaded.

import { dropped } from "./uploads/chosen.js";

const OURS = "application/x-remote-drive";

// `targetOf` returns the place `{id, element, isPlace}` that an event is over, null where nothing can be put.
export function useDragging(grid, { view, selection, targetOf, moveTo, upload }) {
  let over = null;

  const mark = (element) => {
    if (over === element) return;
    over?.classList.remove("over");
    over = element;
    over?.classList.add("over");
  };

  grid.addEventListener("dragstart", (event) => {
    const index = view.indexOf(event);
    const entry = view.entries[index];
    if (!entry || entry.deleted_at) {
      event.preventDefault();
      return;
    }
    if (!selection.has(entry.key)) selection.select(index);
    event.dataTransfer.setData(OURS, "entries");
    event.dataTransfer.effectAllowed = "move";
  });
  for (const name of ["dragenter", "dragover"]) {
    // On the whole page: a file dropped beside the list must not replace the page.
    document.addEventListener(name, (event) => {
      event.preventDefault();
      const target = allowed(event);
      event.dataTransfer.dropEffect = target ? (isOurs(event) ? "move" : "copy") : "none";
      mark(target?.element ?? null);
    });
  }
  document.addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) mark(null);
  });
  document.addEventListener("dragend", () => mark(null));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    mark(null);
    const target = allowed(event);
    if (!target) return;
    if (isOurs(event)) moveTo(selection.selected, target.id);
    else upload(dropped(event.dataTransfer), target.id);
  });

  const isOurs = (event) => event.dataTransfer.types.includes(OURS);

  function allowed(event) {
    const target = targetOf(event);
    if (!target) return null;
    if (!isOurs(event)) return event.dataTransfer.types.includes("Files") ? target : null;
    // What is dragged goes into another folder than itself, and not to where it is.
    return target.isPlace || selection.has(`folder:${target.id}`) ? null : target;
  }
}
