// What can be done with entries: one function for each, used by buttons, keys and dragging.

import { nameOf } from "../common/dom.js";
import { counted } from "../common/format.js";
import { call } from "./api.js";
import { askName, confirmDialog } from "./dialogs.js";
import { downloadAll } from "./downloads.js";
import { attempt, clearProblem, tell, tellProblem } from "./messages.js";
import { chooseFolder } from "./move-dialog.js";
import { preview } from "./preview.js";
import { go, toFolder } from "./router.js";
import { showShares } from "./share-dialog.js";
import { showVersions } from "./versions-dialog.js";

const pathOf = (entry) => `/${entry.kind}s/${entry.id}`;
const described = (entries) =>
  // Isolated, so that a name of another direction does not turn the sentence around.
  entries.length === 1 ? `“\u2068${entries[0].name}\u2069”` : counted(entries.length, "item");

// `drive` is the page: its listing, selection, folder and queue.
export class Actions {
  #drive;

  constructor(drive) {
    this.#drive = drive;
  }

  open = (entry) => {
    if (!entry || entry.deleted_at) return;
    if (entry.kind === "folder") go(toFolder(entry.id));
    else preview(entry);
  };

  newFolder = async () => {
    const { folderId } = this.#drive;
    const made = await askName("New folder", "Make it", "New folder", (name) =>
      call("POST", "/folders", { body: { name, parent_id: folderId } }));
    if (made) this.#drive.put("folder", made);
  };

  rename = async () => {
    const [entry] = this.#drive.selection.selected;
    if (!entry || this.#drive.section === "trash") return;
    const renamed = await askName(["Rename ", nameOf(entry.name)], "Rename", entry.name, (name) =>
      call("PATCH", pathOf(entry), { body: { name } }));
    if (renamed) this.#drive.put(entry.kind, renamed);
  };

  move = async () => {
    const entries = this.#drive.selection.selected;
    const folders = entries.filter(({ kind }) => kind === "folder").map(({ id }) => id);
    const title = `Move ${described(entries)} to`;
    const chosen = await chooseFolder(title, "Move here", this.#drive.folderId, new Set(folders));
    if (chosen) await this.moveTo(entries, chosen.id);
  };

  moveTo = async (entries, id) => {
    const moved = await this.#each("moved", entries, (entry) =>
      call("PATCH", pathOf(entry), {
        body: entry.kind === "folder" ? { parent_id: id } : { folder_id: id },
      }));
    if (moved.length === 0) return;
    if (this.#drive.section === "folder" && id !== this.#drive.folderId) this.#drive.remove(moved);
    tell(`Moved ${described(moved)}.`);
  };

  copy = async () => {
    const entries = this.#drive.selection.selected;
    const chosen = await chooseFolder(`Copy ${described(entries)} to`, "Copy here", this.#drive.folderId);
    if (!chosen) return;
    const copied = await this.#each("copied", entries, async (entry) => {
      const made = await call("POST", `${pathOf(entry)}/copy`, { body: { folder_id: chosen.id } });
      if (this.#drive.section === "folder" && chosen.id === this.#drive.folderId) {
        this.#drive.put("file", made);
      }
    });
    if (copied.length > 0) tell(`Copied ${described(copied)}.`);
  };

  download = () => attempt(() => downloadAll(this.#drive.selection.selected));

  share = () => showShares(this.#drive.selection.selected[0]);

  versions = async () => {
    const [file] = this.#drive.selection.selected;
    const reload = async () => this.#drive.put("file", await call("GET", `/files/${file.id}`));
    await showVersions(file, {
      send: (chosen) => this.#drive.queue.addVersion(chosen, file),
      changed: () => attempt(reload),
    });
  };

  goToFolder = () => go(toFolder(this.#drive.selection.selected[0].folder_id));

  trash = async () => {
    const entries = this.#drive.selection.selected;
    if (entries.length === 0) return;
    if (this.#drive.section === "trash") {
      await this.purge();
      return;
    }
    const gone = await this.#each("deleted", entries, (entry) => call("DELETE", pathOf(entry)));
    if (gone.length === 0) return;
    this.#drive.remove(gone);
    tell(`Moved ${described(gone)} to the trash.`, { label: "Undo", run: () => this.#putBack(gone) });
  };

  restore = async () => {
    const restored = await this.#restore(this.#drive.selection.selected);
    if (restored.length === 0) return;
    this.#drive.remove(restored);
    tell(`Restored ${described(restored)}.`);
  };

  purge = async () => {
    const entries = this.#drive.selection.selected;
    const gone = [];
    const query = { permanent: true };
    await confirmDialog(`Delete ${described(entries)} for good?`, "This cannot be undone.",
      "Delete for good", async () => {
        for (const entry of entries.filter((each) => !gone.includes(each))) {
          await call("DELETE", pathOf(entry), { query });
          gone.push(entry);
        }
      });
    if (gone.length > 0) this.#drive.remove(gone);
  };

  emptyTrash = async () => {
    const query = { trashed: true };
    const done = await confirmDialog("Empty the trash?", "All that is in it is deleted for good.",
      "Empty the trash", () => call("DELETE", "/files", { query }));
    if (done) await this.#drive.reload();
  };

  async #putBack(entries) {
    await this.#restore(entries);
    await this.#drive.reload();
  }

  #restore(entries) {
    return this.#each("restored", entries, (entry) => call("POST", `${pathOf(entry)}/restore`, { body: {} }));
  }

  // Does `work` for each; returns those that were `moved`, or whatever the word is, and says how
  // many were not, with the first reason.
  async #each(moved, entries, work) {
    clearProblem();
    const done = [];
    let problem = null;
    for (const entry of entries) {
      try {
        await work(entry);
        done.push(entry);
      } catch (error) {
        problem ??= error;
      }
    }
    if (problem) {
      const missed = `${entries.length - done.length} of ${entries.length} could not be ${moved}: `;
      tellProblem(problem, entries.length > 1 ? missed : "");
    }
    return done;
  }
}
