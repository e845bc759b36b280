// The buttons above the list: those that fit what is selected.

import { make } from "../common/dom.js";
import { button } from "./dialogs.js";
import { picked } from "./uploads/chosen.js";

// `when` gets `{section, selected, files, folders}`, the last three as numbers.
const one = ({ selected }) => selected === 1;
const oneFile = ({ files, selected }) => files === 1 && selected === 1;
const inDrive = ({ section }) => section !== "trash";
const makes = ({ section, selected }) => section === "folder" && selected === 0;
const inTrash = ({ section }) => section === "trash";

export class Toolbar {
  #tools;

  constructor(element, drive, actions) {
    const upload = (label, properties) => {
      const input = make("input", { type: "file", className: "unseen", multiple: true, ...properties });
      input.addEventListener("change", () => {
        if (input.files.length > 0) drive.upload(picked(input.files));
        input.value = "";
      });
      return make("label", { className: "button" }, label, input);
    };
    this.#tools = [
      [upload("Upload files", {}), makes],
      [upload("Upload a folder", { webkitdirectory: "" }), makes],
      [button("New folder", actions.newFolder), makes],
      [button("Open", () => actions.open(drive.selection.selected[0])), (state) => inDrive(state) && one(state)],
      [button("Download", actions.download), (state) => inDrive(state) && state.files > 0 && state.folders === 0],
      [button("Share", actions.share), (state) => inDrive(state) && oneFile(state)],
      [button("Versions", actions.versions), (state) => inDrive(state) && oneFile(state)],
      [button("Rename", actions.rename), (state) => inDrive(state) && one(state)],
      [button("Move", actions.move), (state) => inDrive(state) && state.selected > 0],
      [button("Copy", actions.copy), (state) => inDrive(state) && state.files > 0 && state.folders === 0],
      [button("Go to its folder", actions.goToFolder), (state) => state.section === "search" && oneFile(state)],
      [button("Delete", actions.trash), (state) => inDrive(state) && state.selected > 0],
      [button("Clear selection", () => drive.selection.clear()), ({ selected }) => selected > 0],
      [button("Restore", actions.restore), (state) => inTrash(state) && state.selected > 0],
      [button("Delete for good", actions.purge), (state) => inTrash(state) && state.selected > 0],
      [button("Empty the trash", actions.emptyTrash), (state) => inTrash(state) && state.shown > 0],
    ];
    element.append(...this.#tools.map(([tool]) => tool));
  }

  show({ section, selected, shown }) {
    const files = selected.filter(({ kind }) => kind === "file").length;
    const state = {
      section, shown, files, selected: selected.length, folders: selected.length - files,
    };
    for (const [tool, when] of this.#tools) tool.hidden = !when(state);
  }
}
