// An uploader for Uppy. The service signs and commits; the bytes go straight to its store.

import { BasePlugin, EventManager } from "@uppy/core";
import {
  TaskQueue,
  fetcher,
  filterFilesToEmitUploadStarted,
  filterFilesToUpload,
} from "@uppy/core/utils";
import { createSHA256 } from "hash-wasm";

const MIB = 1 << 20;
const ATTEMPTS = 5; // Of a call that the service answers with 429 or 503.

export default class Drive extends BasePlugin {
  // `url` and `token` are functions: the service's address, and a bearer token that is still valid.
  // Files of more than `multipartAbove` bytes are sent in parts; `limit` files at the same time.
  constructor(uppy, options) {
    super(uppy, { multipartAbove: 16 * MIB, limit: 3, ...options });
    this.id = "Drive";
    this.type = "uploader";
    this.queue = new TaskQueue({ concurrency: this.opts.limit });
  }

  install() {
    const { capabilities } = this.uppy.getState();
    this.uppy.setState({ capabilities: { ...capabilities, resumableUploads: true } });
    this.uppy.addUploader(this.#uploadAll);
  }

  uninstall() {
    this.uppy.removeUploader(this.#uploadAll);
  }

  // Calls the API and returns its JSON. An error has the problem's `code` and `status`.
  async call(method, path, { body, signal } = {}) {
    for (let attempt = 1; ; attempt++) {
      const response = await fetch(this.opts.url() + path, {
        method,
        signal,
        headers: {
          Authorization: `Bearer ${await this.opts.token()}`,
          "Content-Type": "application/json",
        },
        body: body && JSON.stringify(body),
      });
      if (response.ok) return response.status === 204 ? null : response.json();
      if (![429, 503].includes(response.status) || attempt === ATTEMPTS) {
        const { code, detail, title, status } = await response.json();
        throw Object.assign(new Error(detail || title), { code, status });
      }
      const seconds = Number(response.headers.get("Retry-After") ?? 1);
      await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    }
  }

  #uploadAll = async (ids) => {
    const files = filterFilesToUpload(this.uppy.getFilesByIds(ids));
    this.uppy.emit("upload-start", filterFilesToEmitUploadStarted(files));
    await Promise.all(files.map(({ id }) => this.queue.add(() => this.#upload(id))));
  };

  // Uploads one file; ends when it is committed, has failed, or was removed.
  async #upload(id) {
    if (!this.uppy.getFile(id)) return;
    const events = new EventManager(this.uppy);
    await new Promise((resolve) => {
      let attempt = new AbortController();
      const start = async () => {
        attempt.abort();
        attempt = new AbortController();
        const { signal } = attempt;
        try {
          const body = await this.#send(id, signal);
          this.uppy.emit("upload-success", this.uppy.getFile(id), { status: 201, body });
          resolve();
        } catch (error) {
          if (signal.aborted) return;
          if (error.status === 410) this.uppy.setFileState(id, { drive: undefined });
          this.uppy.emit("upload-error", this.uppy.getFile(id), error);
          resolve();
        }
      };
      const pause = () => attempt.abort();
      const cancel = ({ drive }) => {
        pause();
        if (drive) this.call("DELETE", `/uploads/${drive.upload_id}`).catch((error) => this.uppy.log(error));
        resolve();
      };
      events.onFilePause(id, (isPaused) => (isPaused ? pause() : start()));
      events.onPauseAll(id, pause);
      events.onResumeAll(id, start);
      events.on("file-removed", (file) => file.id === id && cancel(file));
      if (!this.uppy.getFile(id).isPaused) start();
    });
    events.remove();
  }

  // Sends what the store does not have yet, and returns the version that the commit made.
  async #send(id, signal) {
    const { data, drive } = this.uppy.getFile(id);
    const upload = drive ?? (await this.#begin(id, signal));
    const progress = (bytesUploaded) =>
      this.uppy.emit("upload-progress", this.uppy.getFile(id), {
        uploadStarted: this.uppy.getFile(id)?.progress.uploadStarted,
        bytesUploaded,
        bytesTotal: data.size,
      });
    try {
      if (upload.part_count) await this.#putParts(upload, data, progress, signal);
      else await this.#putWhole(upload, data, progress, signal);
    } catch (error) {
      // The answer to the commit was lost; it is given again.
      if (error.code !== "upload-complete") throw error;
    }
    const { key, checksum } = upload;
    return this.call("POST", "/files/commit", { body: { key, checksum, size: data.size }, signal });
  }

  // Begins the upload, bound to the SHA-256 of the bytes, and keeps it in Uppy's state.
  async #begin(id, signal) {
    const { data, meta, type } = this.uppy.getFile(id);
    const checksum = await this.#sha256(id, signal);
    const multipart = data.size > this.opts.multipartAbove;
    const body = { filename: meta.name, size: data.size, content_type: type, checksum, multipart };
    const signed = await this.call("POST", "/files/init-upload", { body, signal });
    const { upload_id, key, part_size, part_count } = signed;
    const drive = { upload_id, key, checksum, part_size, part_count };
    this.uppy.setFileState(id, { drive });
    return { ...drive, signed };
  }

  async #sha256(id, signal) {
    const { data } = this.uppy.getFile(id);
    const hash = await createSHA256();
    for (let start = 0; start < data.size; start += 4 * MIB) {
      signal.throwIfAborted();
      hash.update(new Uint8Array(await data.slice(start, start + 4 * MIB).arrayBuffer()));
      this.uppy.emit("preprocess-progress", this.uppy.getFile(id), {
        mode: "determinate",
        message: "Reading",
        value: start / data.size,
      });
    }
    this.uppy.emit("preprocess-complete", this.uppy.getFile(id));
    return hash.digest("hex");
  }

  async #putWhole({ upload_id, signed }, data, progress, signal) {
    const again = () => this.call("POST", `/uploads/${upload_id}/urls`, { body: {}, signal });
    try {
      await put(signed ?? (await again()), data, progress, signal);
    } catch (error) {
      // The bytes are there: an earlier PUT arrived, and its answer did not.
      if (error.request?.status !== 412) throw error;
    }
  }

  async #putParts({ upload_id, part_size, part_count }, data, progress, signal) {
    const { received_parts = [] } = await this.call("GET", `/uploads/${upload_id}`, { signal });
    const received = new Map(received_parts.map(({ part_number, size }) => [part_number, size]));
    let sent = received_parts.reduce((sum, { size }) => sum + size, 0);
    progress(sent);
    for (let number = 1; number <= part_count; number++) {
      if (received.has(number)) continue;
      const body = { part_numbers: [number] };
      const { parts } = await this.call("POST", `/uploads/${upload_id}/urls`, { body, signal });
      const part = data.slice((number - 1) * part_size, number * part_size);
      await put(parts[0], part, (bytes) => progress(sent + bytes), signal);
      sent += part.size;
    }
  }
}

function put({ presigned_put_url, headers }, body, progress, signal) {
  return fetcher(presigned_put_url, {
    method: "PUT",
    headers,
    body,
    signal,
    shouldRetry: ({ status }) => status === 0 || status === 429 || status >= 500,
    onUploadProgress: ({ loaded }) => progress(loaded),
  });
}
