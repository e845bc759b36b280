// One file to the store: begin, send (in parts when large), commit; goes on after whatever broke.

import { put } from "../../common/sending.js";
import { call } from "../api.js";
import { insist } from "./insisting.js";
import { Slots } from "./slots.js";

export const MULTIPART_FROM = 64 * (1 << 20); // Bytes.
const AT_ONCE = 3; // PUTs, of all files together.
const COMMITS = 5; // Of an upload that the store turns out not to have whole.
const BEFORE_EXPIRY = 20; // Seconds before a URL's end at which a fresh one is asked for.

const slots = new Slots(AT_ONCE);

// Begins an upload; the same `key` (Idempotency-Key) never begins two.
export function begin(target, file, checksum, key, signal) {
  const body = {
    ...target,
    size: file.size,
    content_type: file.type,
    checksum,
    multipart: file.size > MULTIPART_FROM,
  };
  const headers = { "Idempotency-Key": key };
  return call("POST", "/files/init-upload", { body, headers, signal, repeat: true });
}

// Commits an upload; once more gives the same answer.
export function commit({ key }, checksum, size, signal) {
  return call("POST", "/files/commit", { body: { key, checksum, size }, signal, repeat: true });
}

// Sends what the store has not yet received of `file` and commits it; returns the answer of commit.
// `progress` gets the bytes that the store has; `note` a word on what is being done.
export class Transfer {
  #file;
  #upload; // The answer of init-upload, or an upload that was begun earlier.
  #checksum;
  #signal;
  #progress;
  #note;
  #urls = new Map(); // Part number (0: the single PUT) to `{url, headers}`.
  #urlsEnd = 0;
  #refreshing = null;
  #moving = new Map(); // Bytes under way, by part number.
  #done = 0;

  constructor({ file, upload, checksum, signal, progress, note }) {
    this.#file = file;
    this.#upload = upload;
    this.#checksum = checksum;
    this.#signal = signal;
    this.#progress = progress;
    this.#note = note;
    this.#take(upload);
  }

  async run() {
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#send();
      } catch (failure) {
        if (failure.code !== "upload-complete") throw failure; // Committing again answers what became of it.
      }
      this.#note("finishing");
      try {
        return await this.#commit();
      } catch (failure) {
        const isIncomplete = ["parts-missing", "object-missing"].includes(failure.code);
        if (!isIncomplete || attempt === COMMITS) throw failure;
      }
    }
  }

  #commit() {
    return this.#insist(() => commit(this.#upload, this.#checksum, this.#file.size, this.#signal), "finishing");
  }

  async #send() {
    this.#note("sending");
    this.#done = 0;
    this.#moving.clear();
    if (!this.#upload.part_size) {
      await this.#insist(() => this.#put(0, this.#file.slice()));
      return;
    }
    const missing = await this.#missing();
    const runners = Array.from({ length: AT_ONCE }, async () => {
      for (let number = missing.shift(); number; number = missing.shift()) await this.#part(number, missing);
    });
    await Promise.all(runners);
  }

  // Returns the numbers of the parts that the store has not received.
  async #missing() {
    const { upload_id: id, part_count: count, part_size: size } = this.#upload;
    const numbers = Array.from({ length: count }, (_, index) => index + 1);
    const now = await this.#insist(() => call("GET", `/uploads/${id}`, { signal: this.#signal }));
    const received = new Map((now.received_parts ?? []).map((part) => [part.part_number, part.size]));
    const left = numbers.filter((number) => received.get(number) !== this.#sizeOf(number));
    this.#done = (count - left.length) * size;
    this.#tell();
    return left;
  }

  #sizeOf(number) {
    const { part_size: size } = this.#upload;
    return Math.min(size, this.#file.size - (number - 1) * size);
  }

  async #part(number, others) {
    const from = (number - 1) * this.#upload.part_size;
    const body = this.#file.slice(from, from + this.#sizeOf(number));
    await this.#insist(() => this.#put(number, body, others));
  }

  async #put(number, body, others = []) {
    const release = await slots.take(this.#signal);
    try {
      if (!this.#urls.has(number) || Date.now() > this.#urlsEnd) await this.#refresh(number, others);
      const { url, headers } = this.#urls.get(number);
      await put({
        url, headers, body,
        signal: this.#signal,
        onProgress: (sent) => {
          this.#moving.set(number, sent);
          this.#tell();
        },
      });
      this.#done += body.size;
    } catch (failure) {
      if (failure.status === 412) {
        this.#done += body.size; // It was received before, and only the store's answer was lost.
        return;
      }
      if (failure.status === 403) this.#urls.delete(number); // The URL may have expired.
      throw failure;
    } finally {
      this.#moving.delete(number);
      release();
      this.#tell();
    }
  }

  async #refresh(number, others) {
    const wanted = number === 0 ? undefined : { part_numbers: [number, ...others.slice(0, 99)] };
    this.#refreshing ??= call("POST", `/uploads/${this.#upload.upload_id}/urls`, {
      body: wanted ?? {}, signal: this.#signal, repeat: true,
    }).then((fresh) => this.#take(fresh)).finally(() => {
      this.#refreshing = null;
    });
    await this.#refreshing;
    if (!this.#urls.has(number)) await this.#refresh(number, others);
  }

  #take(signed) {
    if (Date.now() > this.#urlsEnd) this.#urls.clear();
    for (const part of signed.parts ?? []) {
      this.#urls.set(part.part_number, { url: part.presigned_put_url, headers: part.headers });
    }
    if (signed.presigned_put_url) {
      this.#urls.set(0, { url: signed.presigned_put_url, headers: signed.headers });
    }
    if (signed.expires_at) this.#urlsEnd = Date.parse(signed.expires_at) - BEFORE_EXPIRY * 1000;
  }

  #insist(work, state = "sending") {
    return insist(work, { signal: this.#signal, note: (waiting) => this.#note(waiting ?? state) });
  }

  #tell() {
    let moving = 0;
    for (const bytes of this.#moving.values()) moving += bytes;
    this.#progress(Math.min(this.#done + moving, this.#file.size));
  }
}
