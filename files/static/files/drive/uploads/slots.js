// So many at once, and no more.

export class Slots {
  #free;
  #waiting = [];

  constructor(free) {
    this.#free = free;
  }

  // Resolves with a function that gives the slot back.
  async take(signal = null) {
    signal?.throwIfAborted();
    if (this.#free > 0) {
      this.#free--;
    } else {
      await new Promise((resolve, reject) => {
        const entry = { resolve };
        this.#waiting.push(entry);
        signal?.addEventListener("abort", () => {
          const at = this.#waiting.indexOf(entry);
          if (at < 0) return;
          this.#waiting.splice(at, 1);
          reject(signal.reason);
        }, { once: true });
      });
    }
    let given = false;
    return () => {
      if (given) return;
      given = true;
      const next = this.#waiting.shift();
      if (next) next.resolve();
      else this.#free++;
    };
  }
}
