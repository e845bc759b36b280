// Downloads: the browser fetches the file from the store by itself, in a frame of its own, so that
// nobody is asked whether this page may be left.

import { make } from "../common/dom.js";
import { Failure } from "../common/failures.js";
import { call } from "./api.js";
import { tellProblem } from "./messages.js";

const KEPT = 600_000; // Milliseconds after which the answer's head has come, or never will.
const REFUSED = "The store did not send the file. Try again in a minute.";

// Returns the presigned URL of a file's version, by default of the newest.
export async function signed(fileId, { version = null, inline = false } = {}) {
  const part = version === null ? "" : `/versions/${version}`;
  const query = inline ? { disposition: "inline" } : {};
  return call("GET", `/files/${fileId}${part}/download`, { query });
}

export async function download(fileId, version = null) {
  const { presigned_get_url: src } = await signed(fileId, { version });
  const frame = make("iframe", { src, hidden: true });
  // A file is saved and never loaded: what loads is the store's refusal.
  frame.addEventListener("load", () => tellProblem(new Failure(REFUSED)));
  document.body.append(frame);
  setTimeout(() => frame.remove(), KEPT);
}

export async function downloadAll(files) {
  for (const file of files) await download(file.id);
}
