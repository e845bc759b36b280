// Which entries are selected, and the one that the keyboard stands on.

export class Selection extends EventTarget {
  #keys = new Set();
  #anchor = 0;
  #entries = () => [];
  active = -1;

  // `entries` returns what is shown now.
  constructor(entries) {
    super();
    this.#entries = entries;
  }

  has(key) {
    return this.#keys.has(key);
  }

  get size() {
    return this.#keys.size;
  }

  get selected() {
    return this.#entries().filter((entry) => this.#keys.has(entry.key));
  }

  // Makes `index` the only one selected, or, with `extend`, all from the last one to it.
  select(index, { extend = false, add = false } = {}) {
    const entries = this.#entries();
    if (index < 0 || index >= entries.length) return;
    if (!add) this.#keys.clear();
    if (extend) {
      const [from, to] = [Math.min(this.#anchor, index), Math.max(this.#anchor, index)];
      for (const entry of entries.slice(from, to + 1)) this.#keys.add(entry.key);
    } else {
      this.#keys.add(entries[index].key);
      this.#anchor = index;
    }
    this.#move(index);
  }

  toggle(index) {
    const entry = this.#entries()[index];
    if (!entry) return;
    if (!this.#keys.delete(entry.key)) this.#keys.add(entry.key);
    this.#anchor = index;
    this.#move(index);
  }

  all() {
    for (const entry of this.#entries()) this.#keys.add(entry.key);
    this.#move(Math.max(this.active, 0));
  }

  clear() {
    this.#keys.clear();
    this.#changed();
  }

  // Moves the keyboard's place without selecting.
  #move(index) {
    this.active = index;
    this.#changed();
  }

  // Forgets what is no longer shown; called when the entries have changed.
  entriesChanged({ isNew }) {
    const entries = this.#entries();
    if (isNew) {
      this.#keys.clear();
      this.active = entries.length > 0 ? 0 : -1;
      this.#anchor = 0;
    } else if (this.#keys.size > 0) {
      const shown = new Set(entries.map((entry) => entry.key));
      for (const key of this.#keys) if (!shown.has(key)) this.#keys.delete(key);
    }
    this.active = Math.min(Math.max(this.active, 0), entries.length - 1);
    this.#changed();
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}
