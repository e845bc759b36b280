// Chooses a folder: for a move, or for a copy.

import { make, nameOf } from "../common/dom.js";
import { all, call } from "./api.js";
import { button, openDialog } from "./dialogs.js";
import { icon } from "./icons.js";
import { sentenceOf } from "./messages.js";

// Resolves with `{id}` of the chosen folder (null: the top), or null. `excluded` are ids of folders
// that cannot be gone into.
export async function chooseFolder(title, label, startId, excluded = new Set()) {
  let here = startId;
  const path = make("ol", { className: "path" });
  const list = make("ul", { className: "folders" });
  const status = make("p", { role: "status" });
  const choose = button(label, () => opened.close({ id: here }), { className: "primary" });
  const opened = openDialog(title, [
    make("nav", { "aria-label": "Path in this dialog" }, path), list, status,
    make("p", { className: "buttons" }, choose, button("Cancel", () => opened.close())),
  ], { className: "tall" });

  async function show(id) {
    here = id;
    status.textContent = "Loading…";
    try {
      const [folders, folder] = await Promise.all([
        all("/folders", { parent_id: id ?? "root" }),
        id === null ? { path: [] } : call("GET", `/folders/${id}`),
      ]);
      if (here !== id) return;
      path.replaceChildren(...[{ id: null, name: "Files" }, ...folder.path].map((step) =>
        make("li", {}, button(nameOf(step.name), () => show(step.id), { className: "link" }))));
      const inside = folders.filter((each) => !excluded.has(each.id));
      list.replaceChildren(...inside.map((each) =>
        make("li", {}, button(nameOf(each.name), () => show(each.id), { className: "link" }))));
      for (const item of list.children) item.firstChild.prepend(icon("folder"));
      status.textContent = inside.length === 0 ? "No folders in here." : "";
    } catch (error) {
      status.textContent = sentenceOf(error);
    }
  }
  show(startId);
  return opened.closed;
}
