// Hashes one file after the other, a slice at a time.

import "../vendor/hash-wasm-sha256.js";

const SLICE = 4 << 20; // Bytes in memory at a time.
const cancelled = new Set();
const hasher = globalThis.hashwasm.createSHA256();
let before = Promise.resolve();

onmessage = ({ data }) => {
  if (data.cancel) cancelled.add(data.cancel);
  else before = before.then(() => hash(data.id, data.file));
};

async function hash(id, file) {
  try {
    const sha256 = (await hasher).init();
    for (let at = 0; at < file.size; at += SLICE) {
      if (cancelled.has(id)) return;
      const bytes = await file.slice(at, at + SLICE).arrayBuffer();
      sha256.update(new Uint8Array(bytes));
      postMessage({ id, read: Math.min(at + SLICE, file.size) });
    }
    postMessage({ id, digest: sha256.digest() });
  } catch {
    postMessage({ id });
  } finally {
    cancelled.delete(id);
  }
}
