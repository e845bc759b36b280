// What is in a place: folders first, then files, loaded a page at a time.

import { call, firstPage, ownPath } from "./api.js";

const FIRST_PAGE = 100;
const PAGE = 200;
const byName = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });
const ORDERS = {
  name: (a, b) => byName.compare(a.name, b.name),
  size: (a, b) => b.size - a.size,
  updated_at: (a, b) => (a.updated_at < b.updated_at ? 1 : -1),
};

// Makes the entry of a row of the API.
export function entryOf(kind, row) {
  return { kind, key: `${kind}:${row.id}`, size: null, version: null, ...row };
}

export class Listing {
  #next;
  #rows = { folder: [], file: [] };
  #abort = new AbortController();
  #order;
  #loading = null;
  #changed;

  // `folders` and `files` are queries of `/folders` and `/files`, null for none. `order` is the
  // API's, `created_at` or `-created_at`, or one of ours, for which everything is loaded first.
  constructor({ folders, files, order, changed }) {
    this.#order = ORDERS[order] ?? null;
    this.#changed = changed;
    const ordering = this.#order ? "-created_at" : order;
    const size = this.#order ? PAGE : FIRST_PAGE;
    this.#next = {
      folder: folders && firstPage("/folders", { ...folders, page_size: PAGE }),
      file: files && firstPage("/files", { ...files, ordering, page_size: size }),
    };
    this.entries = [];
    this.isStarting = true;
  }

  get isComplete() {
    return this.#next.folder === null && this.#next.file === null;
  }

  get loaded() {
    return this.#rows.folder.length + this.#rows.file.length;
  }

  // Loads what is first shown: both listings at once.
  async start() {
    try {
      await Promise.all([this.#page("folder"), this.#page("file")]);
      this.#arrange();
      if (this.#order) await this.loadAll();
    } finally {
      this.isStarting = false;
    }
  }

  // Loads one more page, unless one is being loaded.
  more() {
    if (this.isComplete) return Promise.resolve();
    this.#loading ??= this.#more().finally(() => {
      this.#loading = null;
    });
    return this.#loading;
  }

  async loadAll() {
    while (!this.isComplete) {
      await this.more();
    }
    this.#arrange();
  }

  close() {
    this.#abort.abort();
  }

  // Puts a row in, or in the place of the one before it.
  put(kind, row) {
    const rows = this.#rows[kind];
    const at = rows.findIndex((each) => each.id === row.id);
    const entry = entryOf(kind, row);
    if (at >= 0) rows[at] = entry;
    else if (kind === "folder") insertByName(rows, entry);
    else rows.unshift(entry);
    this.#arrange();
  }

  remove(keys) {
    for (const kind of ["folder", "file"]) {
      this.#rows[kind] = this.#rows[kind].filter((entry) => !keys.has(entry.key));
    }
    this.#arrange();
  }

  async #more() {
    await this.#page(this.#next.folder === null ? "file" : "folder");
    this.#arrange();
  }

  async #page(kind) {
    const path = this.#next[kind];
    if (path === null) return;
    const page = await call("GET", path, { signal: this.#abort.signal });
    const next = ownPath(page.next);
    this.#next[kind] = next && next.replace(`page_size=${FIRST_PAGE}`, `page_size=${PAGE}`);
    const known = new Set(this.#rows[kind].map((entry) => entry.id));
    for (const row of page.results) {
      if (!known.has(row.id)) this.#rows[kind].push(entryOf(kind, row));
    }
  }

  #arrange() {
    if (this.#order && !this.isComplete) {
      this.#changed(this);
      return;
    }
    const { folder, file } = this.#rows;
    // Files come after all folders, so they wait until these are there.
    const files = this.#next.folder === null ? file : [];
    const sorted = this.#order ? [...files].sort(this.#order) : files;
    this.entries = [...folder, ...sorted];
    this.#changed(this);
  }
}

function insertByName(folders, entry) {
  const at = folders.findIndex((each) => byName.compare(each.name, entry.name) > 0);
  folders.splice(at < 0 ? folders.length : at, 0, entry);
}
