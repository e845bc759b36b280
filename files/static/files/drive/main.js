// The page of the drive: puts its parts together.

import { byId, make, nameOf, say } from "../common/dom.js";
import { Actions } from "./actions.js";
import { call } from "./api.js";
import { useDragging } from "./dragging.js";
import { useKeyboard } from "./keyboard.js";
import { ListView } from "./list-view.js";
import { Listing } from "./listing.js";
import { attempt, clearProblem, tellProblem } from "./messages.js";
import { go, place, toFolder, toSearch } from "./router.js";
import { Selection } from "./selection.js";
import { isOver, watchSession } from "./session.js";
import { Toolbar } from "./toolbar.js";
import { held } from "./uploads/holding.js";
import { Panel } from "./uploads/panel.js";
import { Queue } from "./uploads/queue.js";
import { refreshUsage, showUsage } from "./usage.js";

const TYPING = 250; // Milliseconds without a key after which is searched.
const EMPTY = {
  folder: ["Nothing here yet", "Drop files or folders here, or choose them with “Upload files”."],
  search: ["Nothing found", "No name of a file has these words. Try fewer of them."],
  trash: ["The trash is empty", "What you delete waits here until it is deleted for good."],
};

class Drive {
  section = "folder";
  folderId = null; // Of the folder that is shown, null for the top; uploads go there.
  queue = new Queue();
  selection = new Selection(() => this.view.entries);
  #listing = null;
  #grid = byId("list");
  #drawing = 0;
  #folderHash = "#/";
  #isFocusInMain = false;

  constructor() {
    this.actions = new Actions(this);
    this.view = new ListView(this.#grid, {
      selection: this.selection,
      nearEnd: () => this.#listing?.more().catch(tellProblem),
    });
    this.toolbar = new Toolbar(byId("tools"), this, this.actions);
    this.selection.addEventListener("change", () => this.#showTools());
    const loadAll = () => attempt(() => this.#listing.loadAll()).then(() => this.#draw(false));
    useKeyboard(this.#grid, this.view, this.selection, { ...this.actions, loadAll });
    useDragging(this.#grid, {
      view: this.view,
      selection: this.selection,
      targetOf: (event) => this.#target(event),
      moveTo: this.actions.moveTo,
      upload: (chosen, id) => this.upload(chosen, id),
    });
    document.querySelector(".skip").addEventListener("click", (event) => {
      event.preventDefault(); // The address says which folder is shown.
      this.#focusList();
    });
    document.addEventListener("focusin", ({ target }) => {
      this.#isFocusInMain = target.closest("main") !== null;
    });
    this.#usePointer();
    this.#useSearch();
    byId("sort").addEventListener("change", () => this.reload());
    window.addEventListener("hashchange", () => this.show());
    window.addEventListener("beforeunload", (event) => {
      if (this.queue.isActive && !isOver()) event.preventDefault();
    });
    new Panel(byId("uploads"), this.queue);
    this.queue.addEventListener("done", ({ detail }) => this.#uploaded(detail));
    this.queue.addEventListener("folders", () => this.reload());
  }

  // Shows what the address says.
  async show() {
    const { section, id, words } = place();
    this.section = section;
    this.folderId = id;
    if (section !== "search") byId("search").value = "";
    else if (document.activeElement !== byId("search")) byId("search").value = words;
    if (section === "folder") this.#folderHash = toFolder(id);
    for (const link of document.querySelectorAll("#sections a")) {
      if (link.dataset.section === section) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    byId("sort-field").hidden = section === "trash";
    clearProblem();
    await Promise.all([this.#load(QUERIES[section](id, words)), this.#showPath(section, id, words)]);
    this.#keepFocus();
  }

  reload() {
    return this.show();
  }

  put(kind, row) {
    this.#listing?.put(kind, row);
    refreshUsage();
  }

  remove(entries) {
    this.#listing?.remove(new Set(entries.map(({ key }) => key)));
    refreshUsage();
  }

  async upload(chosen, id = this.folderId) {
    await attempt(async () => this.queue.add(await chosen, id));
  }

  async #load(queries) {
    this.#listing?.close();
    const listing = new Listing({
      ...queries,
      order: byId("sort").value,
      changed: () => this.#drawSoon(listing),
    });
    this.#listing = listing;
    byId("empty").hidden = true;
    try {
      await listing.start();
    } catch (error) {
      if (this.#listing === listing) tellProblem(error);
    }
    if (this.#listing !== listing) return;
    this.view.scrollToTop();
    this.#draw(true);
  }

  #drawSoon(listing) {
    this.#drawing ||= requestAnimationFrame(() => {
      this.#drawing = 0;
      if (this.#listing === listing) this.#draw(false);
    });
  }

  #draw(isNew) {
    const { entries, isComplete, isStarting } = this.#listing;
    this.view.show(entries, { isComplete });
    this.selection.entriesChanged({ isNew });
    say(byId("loading"), isStarting && entries.length === 0 ? "Loading…" : "");
    const empty = byId("empty");
    empty.hidden = entries.length > 0 || !isComplete;
    const [title, hint] = EMPTY[this.section];
    empty.replaceChildren(make("h2", {}, title), make("p", {}, hint));
  }

  #showTools() {
    const { section, selection, view } = this;
    this.toolbar.show({ section, selected: selection.selected, shown: view.entries.length });
    this.#keepFocus();
  }

  // Gives the focus to the list if what had it, above the list or in it, is not shown any more.
  #keepFocus() {
    // The browser takes the focus off after it has drawn.
    requestAnimationFrame(() => requestAnimationFrame(() => {
      if (this.#isFocusInMain && document.activeElement === document.body) this.#focusList();
    }));
  }

  #focusList() {
    (this.#grid.hidden ? byId("empty") : this.#grid).focus();
  }

  async #showPath(section, id, words) {
    const steps = [{ id: null, name: "Files" }];
    if (id !== null) {
      const folder = await attempt(() => call("GET", `/folders/${id}`));
      if (!folder || this.folderId !== id) return;
      steps.push(...folder.path);
    }
    if (section === "trash") steps.splice(0, 1, { name: "Trash" });
    if (section === "search") steps.push({ name: `Search: ${words}` });
    document.title = `${steps.at(-1).name} · Remote Drive`;
    byId("path").replaceChildren(...steps.map((step, index) => {
      const isLast = index === steps.length - 1;
      const name = isLast ? nameOf(step.name, { "aria-current": "page" })
        : make("a", { href: toFolder(step.id) }, nameOf(step.name));
      if (!isLast) name.dataset.folder = step.id ?? "";
      return make("li", {}, name);
    }));
  }

  #usePointer() {
    this.#grid.addEventListener("click", (event) => {
      const index = this.view.indexOf(event);
      if (index < 0) {
        this.selection.clear();
        return;
      }
      const isName = event.target.closest(".open") !== null;
      if (event.target.closest(".box") || event.ctrlKey || event.metaKey) this.selection.toggle(index);
      else if (event.shiftKey) this.selection.select(index, { extend: true });
      else this.selection.select(index);
      if (isName && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
        this.actions.open(this.view.entries[index]);
      }
    });
    this.#grid.addEventListener("dblclick", (event) => {
      if (event.target.closest(".box, .open")) return;
      this.actions.open(this.view.entries[this.view.indexOf(event)]);
    });
  }

  #useSearch() {
    const field = byId("search");
    let timer = 0;
    const search = () => {
      clearTimeout(timer);
      const words = field.value.trim();
      if (words) go(toSearch(words), { replace: this.section === "search" });
      else if (this.section === "search") go(this.#folderHash);
    };
    field.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(search, TYPING);
    });
    byId("search-form").addEventListener("submit", (event) => {
      event.preventDefault();
      search();
      this.#focusList();
    });
  }

  // The folder that a drop at this event goes into; `isPlace` if it is the one that is shown.
  #target(event) {
    const link = event.target.closest?.("#path [data-folder]");
    if (link) return { id: link.dataset.folder || null, element: link, isPlace: false };
    if (this.section !== "folder") return null;
    const entry = this.view.entries[this.view.indexOf(event)];
    if (entry?.kind === "folder") {
      return { id: entry.id, element: event.target.closest("[data-index]"), isPlace: false };
    }
    if (!event.target.closest?.("main")) return null;
    return { id: this.folderId, element: document.querySelector("main"), isPlace: true };
  }

  // Shows what was uploaded, if it belongs to what is shown.
  #uploaded({ result, target, begun }) {
    refreshUsage();
    const { fileId: id, ...row } = result;
    const shown = this.view.entries.find((entry) => entry.key === `file:${id}`);
    const now = new Date().toISOString();
    if (shown) {
      this.put("file", { ...shown, ...row, id, created_at: shown.created_at, updated_at: now });
    } else if (this.section === "folder" && !target && begun) {
      this.reload();
    } else if (this.section === "folder" && target?.folder_id === this.folderId) {
      this.put("file", { ...row, id, folder_id: this.folderId, updated_at: now, deleted_at: null });
    }
  }
}

const QUERIES = {
  folder: (id) => ({ folders: { parent_id: id ?? "root" }, files: { folder_id: id ?? "root" } }),
  search: (_, words) => ({ folders: null, files: { name: words } }),
  trash: () => ({ folders: { trashed: true }, files: { trashed: true } }),
};

// Uploads in parts that were begun before the page was loaded, the newest first; not those that
// another tab is sending.
async function askForUnfinished(queue) {
  const { results } = await call("GET", "/uploads", { query: { page_size: 200 } });
  const elsewhere = await held();
  const left = results.filter((upload) => upload.multipart && !elsewhere.has(upload.upload_id));
  for (const upload of left) queue.addBegun(upload);
}

watchSession();
const drive = new Drive();
await attempt(() => drive.show());
showUsage();
askForUnfinished(drive.queue).catch(tellProblem);
