// The page of a share: shows what a password protects, and sends a new version to the store.
// Downloads work without it.

import { byId, nameOf, say } from "../common/dom.js";
import { Failure, failureOf, unreachable, wait } from "../common/failures.js";
import { localTime, readableSize } from "../common/format.js";
import { hash } from "../common/hashing.js";
import { put } from "../common/sending.js";

const HASHING = 20; // Percent of the bar for reading the file; the rest is for sending it.
const ATTEMPTS = 5; // Of commit, which is idempotent.
const LONGEST_WAIT = 15; // Seconds between attempts at most, whatever Retry-After says.

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
    throw unreachable("The service");
  }
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  throw failureOf(response, answer);
}

async function commit(body) {
  for (let attempt = 1; ; attempt++) {
    try {
      return await call("/commit", body);
    } catch (failure) {
      const isLimit = failure.status === 429;
      if (isLimit || failure.retryAfter === null || attempt === ATTEMPTS) throw failure;
      say(byId("status"), "The file has arrived, but the service is busy. Trying again…");
      await wait(Math.min(failure.retryAfter, LONGEST_WAIT));
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
  byId("title").replaceChildren(nameOf(share.filename));
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
    const checksum = await hash(file, {
      signal: stop.signal,
      onProgress: (read) => move((HASHING * read) / file.size),
    });
    const body = { size: file.size, content_type: file.type, checksum };
    const signed = await call("/init-upload", body, stop.signal);
    say(status, "Sending…");
    await put({
      url: signed.presigned_put_url,
      headers: signed.headers,
      body: file.slice(),
      signal: stop.signal,
      onProgress: (sent) => move(HASHING + ((100 - HASHING) * sent) / (file.size || 1)),
    });
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

if (card) setUp();
