// The list: only the rows that are seen are in the document, however many there are.

import { make, nameOf } from "../common/dom.js";
import { localDate, localTime, readableSize } from "../common/format.js";
import { icon, kindOf } from "./icons.js";

const ROW = 44; // Pixels; the style sheet says the same.
const BEYOND = 8; // Rows above and below what is seen.
const AHEAD = 60; // Rows before the end at which the next page is loaded.

export class ListView {
  #grid;
  #body;
  #rows = new Map(); // Index to element, of those in the document.
  #entries = [];
  #selection;
  #nearEnd;

  // `selection` says which rows are selected and active; `nearEnd` loads more.
  constructor(grid, { selection, nearEnd }) {
    this.#grid = grid;
    this.#selection = selection;
    this.#nearEnd = nearEnd;
    grid.setAttribute("role", "grid");
    grid.setAttribute("aria-multiselectable", "true");
    grid.setAttribute("aria-label", "Files and folders");
    grid.tabIndex = 0;
    this.#body = make("div", { role: "rowgroup", className: "rows" });
    grid.append(this.#head(), this.#body);
    grid.addEventListener("scroll", () => this.draw(), { passive: true });
    new ResizeObserver(() => this.draw()).observe(grid);
    selection.addEventListener("change", () => this.#mark());
  }

  get entries() {
    return this.#entries;
  }

  show(entries, { isComplete }) {
    this.#entries = entries;
    this.#body.style.height = `${entries.length * ROW}px`;
    this.#grid.setAttribute("aria-rowcount", isComplete ? entries.length + 1 : -1);
    this.#grid.hidden = entries.length === 0;
    for (const row of this.#rows.values()) row.remove();
    this.#rows.clear();
    this.draw();
  }

  scrollToTop() {
    this.#grid.scrollTop = 0;
  }

  // Brings the row at `index` into view.
  reveal(index) {
    const top = index * ROW;
    const height = this.#grid.clientHeight - ROW;
    if (top < this.#grid.scrollTop) this.#grid.scrollTop = top;
    else if (top + ROW > this.#grid.scrollTop + height) this.#grid.scrollTop = top + ROW - height;
    this.draw();
  }

  get rowsPerPage() {
    return Math.max(1, Math.floor(this.#grid.clientHeight / ROW) - 2);
  }

  // Returns the index of the row that an event happened in, -1 for none.
  indexOf(event) {
    const row = event.target.closest?.("[data-index]");
    return row && this.#body.contains(row) ? Number(row.dataset.index) : -1;
  }

  rowAt(index) {
    return this.#rows.get(index);
  }

  draw() {
    const top = this.#grid.scrollTop;
    const first = Math.max(0, Math.floor(top / ROW) - BEYOND);
    const last = Math.min(
      this.#entries.length,
      Math.ceil((top + this.#grid.clientHeight) / ROW) + BEYOND,
    );
    for (const [index, row] of this.#rows) {
      if (index >= first && index < last) continue;
      row.remove();
      this.#rows.delete(index);
    }
    const { active } = this.#selection;
    for (let index = first; index < last; index++) this.#keep(index);
    // What the list's focus stands on must be in the document, wherever it is scrolled to.
    if (active >= 0 && active < this.#entries.length) this.#keep(active);
    this.#mark();
    if (last > this.#entries.length - AHEAD) this.#nearEnd();
  }

  #keep(index) {
    if (this.#rows.has(index)) return;
    const row = this.#row(index);
    this.#rows.set(index, row);
    const rows = [...this.#body.children];
    const next = rows.find((each) => Number(each.dataset.index) > index);
    this.#body.insertBefore(row, next ?? null);
  }

  #mark() {
    const { active } = this.#selection;
    for (const [index, row] of this.#rows) {
      const isSelected = this.#selection.has(this.#entries[index]?.key);
      row.setAttribute("aria-selected", String(isSelected));
      row.classList.toggle("active", index === active);
    }
    if (this.#rows.has(active)) {
      this.#grid.setAttribute("aria-activedescendant", `row-${active}`);
    } else {
      this.#grid.removeAttribute("aria-activedescendant");
    }
  }

  #head() {
    const names = ["Selected", "Name", "Size", "Changed", "Version"];
    const cells = names.map((name, index) =>
      make("span", { role: "columnheader", className: index ? name.toLowerCase() : "box" },
        index ? name : make("span", { className: "unseen", textContent: name })),
    );
    const row = make("div", { role: "row", className: "row head", "aria-rowindex": 1 }, ...cells);
    return make("div", { role: "rowgroup" }, row);
  }

  #row(index) {
    const entry = this.#entries[index];
    const kind = kindOf(entry);
    const kindName = entry.kind === "folder" ? "Folder " : "";
    const name = make("span", { role: "gridcell", className: "name" },
      icon(kind),
      make("span", { className: "unseen", textContent: kindName }),
      nameOf(entry.name, { className: "open", title: entry.name }));
    const size = entry.size === null ? "" : readableSize(entry.size);
    const changed = entry.deleted_at ?? entry.updated_at;
    const time = make("time", { datetime: changed, title: localTime(changed) }, localDate(changed));
    const row = make("div", {
      role: "row",
      id: `row-${index}`,
      className: "row",
      draggable: true,
      "aria-rowindex": index + 2,
      "data-index": index,
      "data-kind": entry.kind,
    },
      make("span", { role: "gridcell", className: "box" }, make("span", { className: "tick" })),
      name,
      make("span", { role: "gridcell", className: "size", textContent: size }),
      make("span", { role: "gridcell", className: "changed" }, time),
      make("span", { role: "gridcell", className: "version", textContent: entry.version ?? "" }));
    row.style.top = `${index * ROW}px`;
    return row;
  }
}
