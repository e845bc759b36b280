// SHA-256 of files, in a worker: the page stays smooth, and nothing but a slice is in memory.

import { Failure } from "./failures.js";

const url = new URL("hashing-worker.js", import.meta.url).href;
// The one place where a script is named by a string (Trusted Types).
const policy = globalThis.trustedTypes?.createPolicy("hashing", { createScriptURL: () => url });
const jobs = new Map();
let worker = null;
let last = 0;

// Returns `sha256:` and 64 hexadecimal digits; `onProgress` gets the bytes read so far.
export function hash(file, { signal = null, onProgress = () => {} } = {}) {
  signal?.throwIfAborted();
  worker ??= start();
  const id = ++last;
  return new Promise((resolve, reject) => {
    jobs.set(id, { resolve, reject, onProgress });
    signal?.addEventListener("abort", () => {
      if (!jobs.delete(id)) return;
      worker?.postMessage({ cancel: id });
      reject(signal.reason);
    });
    worker.postMessage({ id, file });
  });
}

function start() {
  const started = new Worker(policy ? policy.createScriptURL("") : url, { type: "module" });
  started.onmessage = ({ data }) => {
    const job = jobs.get(data.id);
    if (!job) return;
    if (data.read !== undefined) {
      job.onProgress(data.read);
      return;
    }
    jobs.delete(data.id);
    if (data.digest) job.resolve(`sha256:${data.digest}`);
    else job.reject(new Failure("The file cannot be read. It may be a folder, or have changed meanwhile.", {
      code: "file-changed",
    }));
  };
  started.onerror = () => {
    worker = null;
    for (const job of jobs.values()) {
      job.reject(new Failure("This browser cannot compute checksums here. Try a current one."));
    }
    jobs.clear();
  };
  return started;
}
