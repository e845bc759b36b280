// One PUT to the store.

import { Failure } from "./failures.js";

const STALLED = 60; // Seconds without a byte after which a connection is given up.

// Sends `body` (a slice of a file) to a presigned URL. `onProgress` gets the bytes sent so far.
// Raises `Failure`: `code` is `unreachable` if the connection broke, `file-changed` if the file can
// no longer be read, else `status` is the store's.
export function put({ url, headers, body, signal = null, onProgress = () => {} }) {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const request = new XMLHttpRequest(); // fetch() reports no upload progress.
    const stop = () => request.abort();
    let timer = 0;
    const watch = () => {
      clearTimeout(timer);
      timer = setTimeout(stop, STALLED * 1000);
    };
    request.open("PUT", url);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.upload.addEventListener("progress", (event) => {
      watch();
      onProgress(event.loaded);
    });
    request.addEventListener("load", () => {
      if (request.status < 300) resolve();
      else reject(refused(request.status));
    });
    request.addEventListener("error", () => {
      readable(body).then((isReadable) => reject(isReadable ? broken() : changed()));
    });
    request.addEventListener("abort", () => reject(signal?.aborted ? signal.reason : broken()));
    request.addEventListener("loadend", () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", stop);
    });
    watch();
    signal?.addEventListener("abort", stop);
    // A slice has no type, so only the signed headers are sent and no Content-Type.
    request.send(body);
  });
}

// The browser refuses to read a file that was changed or deleted after it was chosen, and says no
// more of it than of a lost network.
const readable = (body) => body.slice(0, 1).arrayBuffer().then(() => true, () => false);

const changed = () =>
  new Failure("The file was changed or deleted meanwhile. Choose it again.", { code: "file-changed" });

const refused = (status) =>
  new Failure(`The store refused the file (${status}). Try again.`, { status });

const broken = () =>
  new Failure("The connection to the store broke. Nothing was changed; try again.", {
    code: "unreachable",
    retryAfter: 2,
  });
