// Uploads: each file's states, from waiting to done, and which of them go on now.

import { Failure } from "../../common/failures.js";
import { hash } from "../../common/hashing.js";
import { call } from "../api.js";
import { sentenceOf } from "../messages.js";
import { newPolicy, resolve } from "./conflicts.js";
import { holding } from "./holding.js";
import { insist } from "./insisting.js";
import { Places } from "./places.js";
import { begin, commit, Transfer } from "./transfer.js";

const OTHER_FILE = "other-file";
const AT_ONCE = 4; // Files: one is hashed or committed while others are sent.
export const ENDED = new Set(["done", "skipped", "cancelled", "expired"]);
// Of uploads that this page did not begin and does not send; they may be running elsewhere.
export const BEGUN_BEFORE = new Set(["asks", "unresumable"]);
const ASLEEP = new Set(["failed", "paused", ...BEGUN_BEFORE]);

// One file on its way. `state`: waiting, checking, reading, sending, finishing, away (from the
// network), busy (the service is), paused, failed, done, skipped, cancelled, expired, and after a reload asks (for the file) or unresumable.
class Upload {
  state = "waiting";
  sent = 0;
  read = 0;
  problem = "";
  requestId = null;
  checksum = null;
  target = null; // What init-upload is told of the name and place.
  begun = null;
  mayHaveBegun = false; // init-upload was called, and no answer has come.
  result = null;
  stop = null;
  key = idempotencyKey();

  constructor(properties) {
    Object.assign(this, properties);
    this.size = properties.size ?? this.file.size;
  }
}

function idempotencyKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// Sends `change` for every upload that changed, and `done` with what was committed.
export class Queue extends EventTarget {
  uploads = [];
  #running = 0;

  // Adds what was chosen, into a folder (null: the top).
  async add({ files, folders }, folderId) {
    const places = new Places(folderId);
    const policy = newPolicy();
    for (const { file, path } of files) {
      this.#append(new Upload({ file, name: file.name, placeOf: () => places.of(path), policy }));
    }
    // Empty folders have no file that would make them.
    const always = { signal: new AbortController().signal, note: () => {} };
    for (const path of folders) await insist(() => places.of(path), always);
    if (folders.length > 0) this.dispatchEvent(new Event("folders"));
  }

  // Adds a new version of a file that is there.
  addVersion(file, of) {
    this.#append(new Upload({ file, name: of.name, target: { file_id: of.id } }));
  }

  // Adds an upload that was begun before the page was loaded: its file has to be chosen again.
  // Without a checksum nothing says whether that is the same file, and the parts could be of two.
  addBegun(begun) {
    const { filename: name, size, checksum } = begun;
    const state = checksum ? "asks" : "unresumable";
    this.#append(new Upload({ file: null, name, size, begun, expected: checksum, state }));
  }

  // Gives an upload its file, if it `asks` or the file was changed.
  give(upload, file) {
    if (!upload.begun) upload.size = file.size;
    if (file.size !== upload.size) {
      upload.problem = "This is another file: its size is not the same.";
      this.#changed(upload);
      return;
    }
    upload.file = file;
    upload.problem = "";
    this.resume(upload);
  }

  get isActive() {
    return this.uploads.some(({ state }) => !ENDED.has(state) && !ASLEEP.has(state));
  }

  pause(upload) {
    if (ENDED.has(upload.state) || ASLEEP.has(upload.state)) return;
    upload.state = "paused";
    upload.stop?.abort(new DOMException("Paused", "AbortError"));
    this.#changed(upload);
  }

  resume(upload) {
    if (!upload.file || !["paused", "failed", "asks"].includes(upload.state)) return;
    upload.state = "waiting";
    upload.problem = "";
    this.#changed(upload);
    this.#next();
  }

  async cancel(upload) {
    if (ENDED.has(upload.state)) return;
    upload.state = "cancelled";
    upload.stop?.abort(new DOMException("Cancelled", "AbortError"));
    this.#changed(upload);
    try {
      // The same key tells which upload was begun.
      if (upload.mayHaveBegun) upload.begun ??= await begin(upload.target, upload.file, upload.checksum, upload.key);
      if (upload.begun) await this.#abort(upload);
    } catch (failure) {
      upload.problem = `What was sent could not be discarded: ${sentenceOf(failure)}`;
      this.#changed(upload);
    }
  }

  // Ends an upload at the service; if it was committed meanwhile it is done.
  async #abort(upload) {
    const { begun, checksum, expected, size } = upload;
    try {
      await call("DELETE", `/uploads/${begun.upload_id}`);
    } catch (failure) {
      if (failure.status === 404 || failure.status === 410) return;
      if (failure.code !== "upload-complete") throw failure;
      this.#finish(upload, await commit(begun, checksum ?? expected ?? undefined, size));
    }
  }

  #finish(upload, result) {
    Object.assign(upload, { result, sent: upload.size, state: "done" });
    this.#changed(upload);
    this.dispatchEvent(new CustomEvent("done", { detail: upload }));
  }

  clear() {
    this.uploads = this.uploads.filter(({ state }) => !ENDED.has(state));
    this.#changed(null);
  }

  #append(upload) {
    this.uploads.push(upload);
    this.#changed(upload);
    this.#next();
  }

  #next() {
    while (this.#running < AT_ONCE) {
      const upload = this.uploads.find(({ state }) => state === "waiting");
      if (!upload) return;
      this.#running++;
      this.#run(upload).finally(() => {
        this.#running--;
        this.#next();
      });
    }
  }

  async #run(upload) {
    const stop = new AbortController();
    upload.stop = stop;
    const set = (state) => {
      if (stop.signal.aborted) return;
      upload.state = state;
      this.#changed(upload);
    };
    set("checking");
    try {
      const result = await this.#steps(upload, set, stop.signal);
      if (stop.signal.aborted) return;
      if (result === null) set("skipped");
      else this.#finish(upload, result);
    } catch (error) {
      if (stop.signal.aborted) return;
      upload.problem = sentenceOf(error);
      upload.requestId = error.requestId ?? null;
      set(this.#stateAfter(upload, error));
    } finally {
      stop.abort(); // What is still sent, of an upload that failed.
    }
  }

  // Returns the state of an upload that failed, made ready for another attempt.
  #stateAfter(upload, { code, status }) {
    upload.mayHaveBegun = false;
    const isOver = code === "upload-expired" || code === "upload-aborted";
    const isUnreadable = code === "file-changed" || code === OTHER_FILE;
    const isOther = isUnreadable || code === "checksum-mismatch" || (status === 400 && code === null);
    if (isUnreadable) upload.file = null;
    if (isOther) upload.checksum = null;
    if (upload.expected) {
      // Where it was to go is not known, so it cannot be begun anew.
      if (isOver) upload.problem = "Add the file again.";
      if (isOver) return "expired";
      return isUnreadable ? "asks" : "failed";
    }
    if (isOther && upload.begun) call("DELETE", `/uploads/${upload.begun.upload_id}`).catch(() => {});
    if (isOver || isOther) forget(upload);
    return "failed";
  }

  async #steps(upload, set, signal) {
    const patiently = (state, work) => insist(work, { signal, note: (waiting) => set(waiting ?? state) });
    if (!upload.begun && !upload.target) {
      upload.place = await patiently("checking", upload.placeOf);
      const looking = (look) => patiently("checking", look);
      const named = await resolve(upload.place, upload.name, upload.policy, looking);
      if (named === null) return null;
      upload.target = named.file_id ? named : { ...named, folder_id: upload.place.id };
    }
    signal.throwIfAborted();
    if (upload.checksum === null) {
      set("reading");
      upload.checksum = await hash(upload.file, {
        signal,
        onProgress: (read) => {
          upload.read = read;
          this.#changed(upload);
        },
      });
    }
    if (upload.expected && upload.expected !== upload.checksum) {
      throw new Failure("This is another file, or it was changed meanwhile.", { code: OTHER_FILE });
    }
    upload.mayHaveBegun = true;
    upload.begun ??= await patiently("sending", () =>
      begin(upload.target, upload.file, upload.checksum, upload.key, signal));
    const transfer = new Transfer({
      file: upload.file,
      upload: upload.begun,
      checksum: upload.checksum,
      signal,
      progress: (sent) => {
        upload.sent = sent;
        this.#changed(upload);
      },
      note: set,
    });
    return holding(upload.begun.upload_id, signal, () => transfer.run());
  }

  #changed(upload) {
    this.dispatchEvent(new CustomEvent("change", { detail: upload }));
  }
}

// Makes the next attempt begin anew.
function forget(upload) {
  upload.begun = null;
  upload.key = idempotencyKey();
}
