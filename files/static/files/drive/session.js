// The session: a bearer token in memory, renewed while the page is open, and what ends it.

import { byId } from "../common/dom.js";
import { failureOf, unreachable } from "../common/failures.js";

const RENEW_BEFORE = 10; // Seconds before the token's end, if it was not renewed until then.
const RENEW_EVERY = 60; // Seconds; a session that ended elsewhere is noticed by then.
const CSRF = /data-csrf="(\w+)" data-user="([\w-]+)"/; // In the page of `/`.

let { csrf } = byId("drive").dataset;
const { user } = byId("drive").dataset;
const channel = "BroadcastChannel" in window ? new BroadcastChannel("remote-drive") : null;
let token = null;
let endsAt = 0;
let renewing = null;
let over = false;

export const isOver = () => over;

// Returns a token; `refused` is one that the service did not take.
export async function bearer(refused = null) {
  const seconds = (endsAt - performance.now()) / 1000;
  if (token === null || token === refused || seconds < RENEW_BEFORE) await renewed();
  return token;
}

function renewed() {
  renewing ??= renew().finally(() => {
    renewing = null;
  });
  return renewing;
}

async function renew() {
  let response;
  try {
    response = await post("/token");
  } catch {
    throw unreachable("The service");
  }
  if (response.status === 401 || response.status === 403) {
    leave();
    await new Promise(() => {}); // The page is being left.
  }
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw failureOf(response, answer);
  token = answer.token;
  endsAt = performance.now() + answer.expires_in * 1000;
}

// Posts with the CSRF token. It may have been replaced by a page that was opened since: then `/`
// has the one that counts, unless somebody else is signed in there now.
async function post(path) {
  const send = () =>
    fetch(path, { method: "POST", headers: { "X-CSRFToken": csrf, Accept: "application/json" } });
  const response = await send();
  if (response.status !== 403) return response;
  const page = await (await fetch("/", { cache: "no-store" })).text();
  const [, fresh, owner] = CSRF.exec(page) ?? [];
  if (owner !== user) return response;
  csrf = fresh;
  return send();
}

// Takes everything off the screen and asks for a sign-in.
function leave() {
  if (over) return;
  over = true;
  token = null;
  document.title = "Remote Drive";
  document.body.replaceChildren();
  location.replace("/");
}

async function signOut(event) {
  event.preventDefault();
  const response = await post("/sign-out").catch(() => null);
  if (!response?.ok) {
    event.target.submit(); // The browser says what is wrong.
    return;
  }
  channel?.postMessage("signed out");
  leave();
}

export function watchSession() {
  byId("sign-out").addEventListener("submit", signOut);
  channel?.addEventListener("message", ({ data }) => {
    if (data === "signed out") leave();
  });
  const look = () => {
    if (!over && document.visibilityState === "visible") renewed().catch(() => {});
  };
  setInterval(look, RENEW_EVERY * 1000);
  document.addEventListener("visibilitychange", look);
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) location.reload();
  });
}
