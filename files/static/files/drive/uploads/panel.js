// The panel of uploads: a bar for each and one for all, and what can be done about them.

import { make, nameOf } from "../../common/dom.js";
import { counted, readableSize } from "../../common/format.js";
import { button, confirmDialog } from "../dialogs.js";
import { BEGUN_BEFORE, ENDED } from "./queue.js";

const SHOWN = 100; // Rows; of more only those that matter are shown.
const EVERY = 120; // Milliseconds between two drawings.
const STATES = {
  waiting: "Waiting",
  checking: "Looking at what is there",
  reading: "Reading",
  sending: "Sending",
  finishing: "Finishing",
  away: "Waiting for the network",
  busy: "Waiting for the service",
  paused: "Paused",
  failed: "Failed",
  done: "Done",
  skipped: "Skipped",
  cancelled: "Cancelled",
  expired: "It has expired",
  asks: "Not finished. Choose the file again to go on",
  unresumable: "Not finished, and without a checksum, so it cannot be resumed here",
};
const CAN_PAUSE = new Set(["waiting", "checking", "reading", "sending", "finishing", "away", "busy"]);
const CAN_RESUME = new Set(["paused", "failed"]);
const RANK = { asks: 0, unresumable: 0, failed: 1, sending: 2, away: 2, busy: 2, finishing: 2, reading: 3, checking: 3, paused: 4 };

const isOurs = ({ state }) => !BEGUN_BEFORE.has(state);

export class Panel {
  #queue;
  #rows = new Map();
  #list = make("ul", { className: "uploads" });
  #title = make("h2", { id: "uploads-title" });
  #bar = make("progress", { max: 100, value: "0", "aria-label": "All uploads" });
  #status = make("p", { className: "unseen", role: "status" });
  #rest = make("p", { className: "quiet" });
  #toggle = button("Hide the list", () => this.#fold());
  #pauseAll = button("Pause all", () => this.#pauseOrResumeAll());
  #cancelAll = button("Cancel all", () => this.#cancelEach());
  #clear = button("Clear", () => this.#queue.clear());
  #element;
  #timer = 0;

  constructor(element, queue) {
    this.#element = element;
    this.#queue = queue;
    const buttons = [this.#pauseAll, this.#cancelAll, this.#clear, this.#toggle];
    element.append(this.#title, this.#bar, this.#status, make("p", { className: "buttons small" }, ...buttons),
      this.#list, this.#rest);
    queue.addEventListener("change", () => {
      this.#timer ||= setTimeout(() => this.#draw(), EVERY);
    });
  }

  #fold() {
    this.#list.hidden = !this.#list.hidden;
    this.#toggle.textContent = this.#list.hidden ? "Show the list" : "Hide the list";
  }

  #pauseOrResumeAll() {
    const { uploads } = this.#queue;
    const running = uploads.filter(({ state }) => CAN_PAUSE.has(state));
    if (running.length > 0) for (const upload of running) this.#queue.pause(upload);
    else for (const upload of uploads.filter(({ state }) => CAN_RESUME.has(state))) this.#queue.resume(upload);
  }

  #cancelEach() {
    for (const upload of this.#queue.uploads.filter(isOurs)) this.#queue.cancel(upload);
  }

  #draw() {
    this.#timer = 0;
    const { uploads } = this.#queue;
    this.#element.hidden = uploads.length === 0;
    this.#sum(uploads);
    const order = (upload) => RANK[upload.state] ?? (upload.state === "waiting" ? 5 : 6);
    const shown = uploads.length <= SHOWN ? uploads
      : [...uploads].sort((a, b) => order(a) - order(b)).slice(0, SHOWN);
    const kept = new Set(shown);
    for (const [upload, row] of this.#rows) {
      if (kept.has(upload)) continue;
      row.element.remove();
      this.#rows.delete(upload);
    }
    for (const upload of shown) this.#show(upload);
    const more = uploads.length - shown.length;
    this.#rest.textContent = more > 0 ? `And ${counted(more, "more", "more")}.` : "";
  }

  #sum(all) {
    const uploads = all.filter(isOurs);
    const counts = {};
    let [sent, size] = [0, 0];
    for (const upload of uploads) {
      counts[upload.state] = (counts[upload.state] ?? 0) + 1;
      if (upload.state === "cancelled" || upload.state === "skipped") continue;
      sent += ENDED.has(upload.state) ? upload.size + 1 : upload.sent;
      size += upload.size + 1; // Empty files count, too.
    }
    const left = uploads.filter(({ state }) => !ENDED.has(state)).length;
    const failed = counts.failed ? `, ${counts.failed} failed` : "";
    const title = uploads.length === 0 ? `${counted(all.length, "upload")} not finished`
      : left === 0 ? `${counted(counts.done ?? 0, "file")} uploaded`
      : `${uploads.length - left} of ${counted(uploads.length, "file")} uploaded${failed}`;
    if (this.#title.textContent !== title) this.#title.textContent = title;
    if (left === 0 || counts.failed) this.#status.textContent = title;
    this.#bar.value = size === 0 ? 100 : Math.floor((100 * sent) / size);
    this.#pauseAll.textContent = uploads.some(({ state }) => CAN_PAUSE.has(state)) ? "Pause all" : "Resume all";
    this.#pauseAll.hidden = this.#cancelAll.hidden = left === 0;
    this.#bar.hidden = uploads.length === 0;
    this.#clear.disabled = left === uploads.length;
  }

  #show(upload) {
    let row = this.#rows.get(upload);
    if (!row) {
      row = this.#row(upload);
      this.#rows.set(upload, row);
    }
    if (!row.element.isConnected) this.#list.append(row.element);
    const { state, size } = upload;
    row.bar.hidden = ENDED.has(state) || BEGUN_BEFORE.has(state);
    row.bar.value = size === 0 ? 0 : Math.floor((100 * (state === "reading" ? upload.read : upload.sent)) / size);
    const amount = ["sending", "away", "busy", "paused"].includes(state)
      ? `${readableSize(upload.sent)} of ${readableSize(size)}` : readableSize(size);
    const problem = upload.problem ? `. ${upload.problem}` : "";
    const request = upload.requestId ? ` (request ${upload.requestId})` : "";
    row.status.textContent = `${STATES[state]} · ${amount}${problem}${request}`;
    row.status.classList.toggle("bad", Boolean(upload.problem));
    const shown = `${state} ${upload.file === null}`;
    if (row.shown !== shown) {
      row.shown = shown;
      row.buttons.replaceChildren(...this.#buttons(upload));
    }
  }

  #row(upload) {
    const bar = make("progress", { max: 100, value: "0", "aria-label": `Upload of ${upload.name}` });
    const status = make("p", { className: "quiet" });
    const buttons = make("p", { className: "buttons small" });
    const element = make("li", {}, make("p", { className: "name" }, nameOf(upload.name)), bar, status, buttons);
    return { element, bar, status, buttons, shown: null };
  }

  #buttons(upload) {
    const { state, name } = upload;
    const queue = this.#queue;
    const one = (label, act) => button(label, act, { "aria-label": `${label}: ${name}` });
    if (ENDED.has(state)) return [];
    if (state === "unresumable") return [one("Discard", () => this.#discard(upload))];
    if (state === "asks") return [this.#chooser(upload), one("Discard", () => this.#discard(upload))];
    const cancel = one("Cancel", () => queue.cancel(upload));
    if (CAN_PAUSE.has(state)) return [one("Pause", () => queue.pause(upload)), cancel];
    if (state === "paused") return [one("Resume", () => queue.resume(upload)), cancel];
    const again = upload.file === null ? this.#chooser(upload) : one("Retry", () => queue.resume(upload));
    return [again, cancel];
  }

  #discard(upload) {
    const sentence = [nameOf(upload.name), " may be being sent elsewhere: by another browser or program."];
    return confirmDialog("Discard this upload?", sentence, "Discard", () => this.#queue.cancel(upload));
  }

  #chooser(upload) {
    const input = make("input", {
      type: "file", className: "unseen", "aria-label": `Choose the file again: ${upload.name}`,
    });
    input.addEventListener("change", () => {
      if (input.files.length === 1) this.#queue.give(upload, input.files[0]);
      input.value = "";
    });
    return make("label", { className: "button" }, "Choose the file", input);
  }
}
