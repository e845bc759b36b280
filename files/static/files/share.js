// The page of a share: shows what a password protects, and sends a new version to the store.
// Downloads work without it.

const SLICE = 1 << 20; // Bytes read into memory at a time for hashing.
const HASHING = 20; // Percent of the bar for reading the file; the rest is for sending it.
const ATTEMPTS = 5; // Of commit, which is idempotent.
const LONGEST_WAIT = 15; // Seconds between attempts at most, whatever Retry-After says.

const ROUND_CONSTANTS = Int32Array.of(
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
  0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
  0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
  0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
  0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
  0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
  0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
  0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
);

// Incremental SHA-256 (FIPS 180-4). The browser's own function needs all bytes at once and a secure
// context.
export class Sha256 {
  #state = Int32Array.of(
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
  );
  #schedule = new Int32Array(64);
  #block = new Uint8Array(64);
  #filled = 0;
  #length = 0;

  update(bytes) {
    this.#length += bytes.length;
    let at = 0;
    if (this.#filled > 0) {
      at = Math.min(64 - this.#filled, bytes.length);
      this.#block.set(bytes.subarray(0, at), this.#filled);
      this.#filled += at;
      if (this.#filled < 64) return;
      this.#compress(this.#block, 0);
    }
    for (; at + 64 <= bytes.length; at += 64) this.#compress(bytes, at);
    this.#block.set(bytes.subarray(at));
    this.#filled = bytes.length - at;
  }

  // Returns the hash as 64 hexadecimal digits. Nothing can be added after it.
  digest() {
    this.update(padding(this.#length));
    return Array.from(this.#state, (word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
  }

  #compress(bytes, at) {
    const w = this.#schedule;
    const state = this.#state;
    for (let i = 0; i < 16; i++, at += 4) {
      w[i] = (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];
    }
    for (let i = 16; i < 64; i++) {
      const x = w[i - 15];
      const y = w[i - 2];
      const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
      const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
      w[i] = (w[i - 16] + s0 + w[i - 7] + s1) | 0;
    }
    let a = state[0];
    let b = state[1];
    let c = state[2];
    let d = state[3];
    let e = state[4];
    let f = state[5];
    let g = state[6];
    let h = state[7];
    for (let i = 0; i < 64; i++) {
      const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
      const t1 = (h + s1 + ((e & f) ^ (~e & g)) + ROUND_CONSTANTS[i] + w[i]) | 0;
      const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
      const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      h = g;
      g = f;
      f = e;
      e = (d + t1) | 0;
      d = c;
      c = b;
      b = a;
      a = (t1 + t2) | 0;
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
    state[5] += f;
    state[6] += g;
    state[7] += h;
  }
}

// Returns the padding of a message of `length` bytes: a bit, zeros, and the length in 64 bits.
export function padding(length) {
  const bytes = new Uint8Array(((119 - (length % 64)) % 64) + 9);
  bytes[0] = 0x80;
  const view = new DataView(bytes.buffer);
  view.setUint32(bytes.length - 8, Math.floor(length / 0x20000000));
  view.setUint32(bytes.length - 4, (length * 8) % 0x100000000);
  return bytes;
}

// An error with a sentence for the user; `retryAfter` in seconds if a retry may help.
class Failure extends Error {
  constructor(sentence, retryAfter = null) {
    super(sentence);
    this.retryAfter = retryAfter;
  }
}

const byId = (id) => document.getElementById(id);
const card = byId("share");
let password = "";
let focusGoesBack = false; // Focus the picker when the upload ends.

function setUp() {
  const expiry = byId("expiry");
  if (expiry) expiry.textContent = localTime(expiry.dateTime);
  const unlockButton = byId("unlock");
  if (unlockButton) {
    unlockButton.hidden = false;
    unlockButton.addEventListener("click", unlock);
  } else if (byId("upload")) {
    setUpUpload();
  }
}

// The service

async function call(path, body = null, signal = null) {
  const headers = { Accept: "application/json" };
  if (password) headers["X-Share-Password"] = encodeURIComponent(password);
  if (body) headers["Content-Type"] = "application/json";
  const request = { method: body ? "POST" : "GET", headers, signal, credentials: "omit" };
  if (body) request.body = JSON.stringify(body);
  let response;
  try {
    response = await fetch(card.dataset.url + path, request);
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Failure("The service cannot be reached. Check the connection, then try again.", 2);
  }
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  const after = Number(response.headers.get("Retry-After")) || 2;
  if (response.status === 429) {
    const minutes = Math.ceil(after / 60);
    throw new Failure(`Too many attempts. Try again in ${minutes} minute${minutes === 1 ? "" : "s"}.`);
  }
  const reasons = (answer.errors ?? []).map((error) => error.message);
  const sentence = [`${answer.title ?? `The service answered ${response.status}`}.`, answer.detail];
  throw new Failure([...sentence, ...reasons].join(" "), response.status === 503 ? after : null);
}

async function commit(body) {
  for (let attempt = 1; ; attempt++) {
    try {
      return await call("/commit", body);
    } catch (failure) {
      if (failure.retryAfter === null || attempt === ATTEMPTS) throw failure;
      say(byId("status"), "The file has arrived, but the service is busy. Trying again…");
      const seconds = Math.min(failure.retryAfter, LONGEST_WAIT);
      await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    }
  }
}

// A password

async function unlock() {
  const field = byId("password");
  if (!field.reportValidity()) return;
  password = field.value;
  say(byId("unlock-status"), "");
  let share;
  try {
    share = await call("");
  } catch (failure) {
    say(byId("unlock-status"), failure.message, "bad");
    return;
  }
  if (!("filename" in share)) {
    say(byId("unlock-status"), "The password is not right.", "bad");
    field.focus();
    field.select();
    return;
  }
  showDetails(share);
  // The field stays in the form, filled in, for the download.
  for (const element of [byId("locked"), field.parentElement, byId("unlock")]) element.hidden = true;
  if (byId("upload")) setUpUpload();
  byId("title").tabIndex = -1;
  byId("title").focus();
}

function showDetails(share) {
  const name = document.createElement("bdi");
  name.textContent = share.filename;
  byId("title").replaceChildren(name);
  document.title = share.filename;
  byId("size").textContent = readableSize(share.size);
  byId("type").textContent = share.content_type;
  byId("version").textContent = share.version;
  for (const row of byId("facts").children) row.hidden = false;
}

// An upload

function setUpUpload() {
  byId("upload").hidden = false;
  const area = byId("drop");
  const picker = byId("file");
  picker.addEventListener("change", () => {
    const files = [...picker.files];
    picker.value = ""; // So that the same file can be chosen again.
    take(files);
  });
  for (const name of ["dragenter", "dragover", "dragleave", "drop"]) {
    // On the whole page: a file dropped beside the area must not replace the page.
    document.addEventListener(name, (event) => {
      event.preventDefault();
      area.classList.toggle("over", name !== "drop" && area.contains(event.target));
    });
  }
  area.addEventListener("drop", (event) => take([...event.dataTransfer.files]));
}

function take(files) {
  if (files.length === 1) upload(files[0]);
  else if (files.length > 1) say(byId("status"), "One file at a time, please.", "bad");
}

async function upload(file) {
  const status = byId("status");
  if (file.size > Number(card.dataset.sizeMax)) {
    const most = readableSize(Number(card.dataset.sizeMax));
    say(status, `This file is too large: at most ${most} can be sent here.`, "bad");
    return;
  }
  const stop = new AbortController();
  showProgress(file.name, () => stop.abort());
  try {
    say(status, "Reading the file…");
    const checksum = await hash(file, stop.signal);
    const body = { size: file.size, content_type: file.type, checksum };
    const signed = await call("/init-upload", body, stop.signal);
    say(status, "Sending…");
    await put(signed, file, stop.signal);
    byId("cancel").hidden = true;
    say(status, "Finishing…");
    const version = await commit({ key: signed.key, checksum, size: file.size });
    showDetails({ ...version, filename: version.name });
    say(status, `Done. Your file is now version ${version.version}.`, "good");
  } catch (failure) {
    if (stop.signal.aborted) say(status, "Cancelled. Nothing was changed.");
    else if (failure instanceof Failure) say(status, failure.message, "bad");
    else say(status, `Something went wrong in this page: ${failure.message}`, "bad");
  } finally {
    hideProgress();
  }
}

async function hash(file, signal) {
  const sha256 = new Sha256();
  for (let at = 0; at < file.size; at += SLICE) {
    signal.throwIfAborted();
    let bytes;
    try {
      bytes = await file.slice(at, at + SLICE).arrayBuffer();
    } catch {
      throw new Failure("The file cannot be read. It may be a folder, or have changed meanwhile.");
    }
    sha256.update(new Uint8Array(bytes));
    move((HASHING * Math.min(at + SLICE, file.size)) / file.size);
  }
  return sha256.digest();
}

function put(signed, file, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest(); // fetch() reports no upload progress.
    request.open("PUT", signed.presigned_put_url);
    for (const [name, value] of Object.entries(signed.headers)) {
      request.setRequestHeader(name, value);
    }
    request.upload.addEventListener("progress", (event) => {
      if (event.total) move(HASHING + ((100 - HASHING) * event.loaded) / event.total);
    });
    request.addEventListener("load", () => {
      if (request.status < 300) resolve();
      else reject(new Failure(`The store refused the file (${request.status}). Try again.`));
    });
    request.addEventListener("error", () => {
      reject(new Failure("The connection to the store broke. Nothing was changed; try again."));
    });
    request.addEventListener("abort", () => reject(signal.reason));
    signal.addEventListener("abort", () => request.abort());
    // A slice has no type, so only the signed headers are sent and no Content-Type.
    request.send(file.slice());
  });
}

// What is seen

function showProgress(name, cancel) {
  const hadFocus = byId("drop").contains(document.activeElement);
  byId("sending").textContent = name;
  move(0);
  byId("drop").hidden = true;
  byId("progress").hidden = false;
  byId("cancel").hidden = false;
  byId("cancel").onclick = cancel;
  if (hadFocus) byId("cancel").focus();
  focusGoesBack = hadFocus;
  window.addEventListener("beforeunload", keepOpen);
}

function hideProgress() {
  focusGoesBack ||= document.activeElement === byId("cancel");
  byId("progress").hidden = true;
  byId("drop").hidden = false;
  if (focusGoesBack) byId("file").focus();
  window.removeEventListener("beforeunload", keepOpen);
}

function keepOpen(event) {
  event.preventDefault();
}

function move(percent) {
  byId("bar").value = percent;
  byId("percent").textContent = `${Math.floor(percent)} %`;
}

function say(element, sentence, kind = "") {
  element.className = kind;
  element.textContent = sentence;
}

function readableSize(bytes) {
  if (bytes < 1024) return bytes === 1 ? "1 byte" : `${bytes} bytes`;
  let unit = -1;
  for (; bytes >= 1024 && unit < 4; unit++) bytes /= 1024;
  return `${bytes.toFixed(1)}\u00a0${["KB", "MB", "GB", "TB", "PB"][unit]}`;
}

function localTime(time) {
  return new Intl.DateTimeFormat("en-GB", {
    day: "numeric",
    month: "long",
    year: "numeric",
    hour: "2-digit",
    minute: "2-digit",
    timeZoneName: "short",
  }).format(new Date(time));
}

if (card) setUp();
