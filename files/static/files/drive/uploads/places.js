// The folders that uploads go into: made as they are needed, once each.

import { call } from "../api.js";

export class Places {
  #id;
  #made = new Map();

  // `id` is the folder that all of it goes into, null for the top.
  constructor(id) {
    this.#id = id;
  }

  // Returns `{id, isNew, path}` of the folder of these names below the base; `path` ends with "/".
  of(names) {
    const key = names.join("/");
    let place = this.#made.get(key);
    if (!place) {
      place = names.length === 0 ? this.#base() : this.#make(names);
      this.#made.set(key, place);
      place.catch(() => this.#made.delete(key)); // The next file tries again.
    }
    return place;
  }

  async #base() {
    const id = this.#id;
    const steps = id === null ? [] : (await call("GET", `/folders/${id}`)).path;
    return { id, isNew: false, path: ["", ...steps.map(({ name }) => name), ""].join("/") };
  }

  async #make(names) {
    const above = await this.of(names.slice(0, -1));
    const name = names.at(-1);
    const path = `${above.path}${name}/`;
    try {
      const body = { name, parent_id: above.id };
      const made = await call("POST", "/folders", { body, repeat: true });
      return { id: made.id, isNew: true, path };
    } catch (failure) {
      if (failure.code !== "name-taken") throw failure;
      return { id: failure.problem.folder_id, isNew: false, path };
    }
  }
}
