// Goes on after what passes: a network that is away, a store or service that is busy.

import { Failure, wait } from "../../common/failures.js";

const REFUSALS = 5; // Of one piece of work, by a service or store that answers.
const LONGEST_PAUSE = 15; // Seconds between two attempts.
const LONGEST_LIMIT = 15 * 60; // Seconds of a Retry-After that are waited for.

// Repeats `work`: without end while nothing is reached or a limit passes, a few times while it is
// refused. `note` gets `away` or `busy` while it waits, and null when it goes on.
export async function insist(work, { signal, note }) {
  for (let refusals = 0, pause = 1; ; pause = Math.min(2 * pause, LONGEST_PAUSE)) {
    try {
      return await work();
    } catch (failure) {
      signal.throwIfAborted();
      if (!(failure instanceof Failure)) throw failure;
      const isAway = failure.code === "unreachable";
      if (!isAway && !isLimit(failure) && (!mayPass(failure) || ++refusals === REFUSALS)) throw failure;
      note(isAway ? "away" : "busy");
      const least = isLimit(failure) ? failure.retryAfter : Math.min(failure.retryAfter ?? pause, LONGEST_PAUSE);
      await backOnline(Math.max(least, pause), signal);
      note(null);
    }
  }
}

const isLimit = ({ status, retryAfter }) =>
  status === 429 && retryAfter !== null && retryAfter <= LONGEST_LIMIT;

// Whether the same may succeed a moment later: a store or service that is busy, an expired URL.
const mayPass = ({ status }) => status === 403 || status === 408 || (status >= 500 && status !== 507);

// Waits some seconds, or only until the network is back if that is earlier.
function backOnline(seconds, signal) {
  const online = new AbortController();
  const back = () => online.abort();
  window.addEventListener("online", back, { once: true });
  return wait(seconds, AbortSignal.any([signal, online.signal]))
    .catch((error) => {
      if (signal.aborted) throw error;
    })
    .finally(() => window.removeEventListener("online", back));
}
