// Calls of the API: the same that everyone else uses.

import { Failure, failureOf, unreachable, wait } from "../common/failures.js";
import { bearer } from "./session.js";

const ATTEMPTS = 4;
const TIMEOUT = 40; // Seconds; the service answers in ten, a slow network takes its own.
const LONGEST_WAIT = 15; // Seconds between attempts at most, whatever Retry-After says.
const REPEATABLE = new Set(["GET", "PATCH", "DELETE"]);

// Calls the service and returns the answer's JSON, null if it has none. Raises `Failure`.
// What may be repeated is: where the service is busy or was not reached, a few times. A limit that
// lasts longer is for the caller to wait for.
export async function call(method, path, { query = {}, body, headers, signal, repeat } = {}) {
  const repeats = repeat ?? REPEATABLE.has(method);
  const address = withQuery(path, query);
  for (let attempt = 1; ; attempt++) {
    try {
      return await once(method, address, { body, headers, signal });
    } catch (failure) {
      const isBusy = failure instanceof Failure && failure.retryAfter !== null;
      const mayHelp = isBusy && (failure.status !== 429 || failure.retryAfter <= LONGEST_WAIT);
      if (!mayHelp || !repeats || attempt === ATTEMPTS) throw failure;
      await wait(Math.min(failure.retryAfter, LONGEST_WAIT), signal);
    }
  }
}

async function once(method, address, { body, headers, signal }) {
  let token = await bearer();
  for (let renewed = false; ; renewed = true) {
    const response = await send(method, address, { body, headers, signal, token });
    if (response.status === 204) return null;
    const answer = await response.json().catch(() => ({}));
    if (response.ok) return answer;
    if (response.status !== 401 || renewed) throw failureOf(response, answer);
    token = await bearer(token);
  }
}

async function send(method, address, { body, headers, signal, token }) {
  const all = { Accept: "application/json", Authorization: `Bearer ${token}`, ...headers };
  if (body !== undefined) all["Content-Type"] = "application/json";
  const timeout = AbortSignal.timeout(TIMEOUT * 1000);
  const request = {
    method,
    headers: all,
    signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    credentials: "omit",
    cache: "no-store",
  };
  if (body !== undefined) request.body = JSON.stringify(body);
  try {
    return await fetch(address, request);
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    throw unreachable("The service");
  }
}

function withQuery(path, query) {
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined);
  return given.length === 0 ? path : `${path}?${new URLSearchParams(given)}`;
}

// Returns the path and query of an absolute URL of the service, whichever name it has for itself.
export function ownPath(url) {
  if (url === null) return null;
  const { pathname, search } = new URL(url);
  return pathname + search;
}

// Returns all rows of a paged listing.
export async function all(path, query = {}, signal = undefined) {
  const rows = [];
  let next = withQuery(path, { ...query, page_size: 200 });
  while (next !== null) {
    const page = await call("GET", next, { signal });
    rows.push(...page.results);
    next = ownPath(page.next);
  }
  return rows;
}

export const firstPage = (path, query) => withQuery(path, query);
