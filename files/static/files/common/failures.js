// What went wrong, in a sentence for the person before the screen.

export class Failure extends Error {
  // `retryAfter`: seconds after which the same may succeed, null if it will not.
  // `code` and `problem`: of the service's problem document (RFC 9457), if it sent one.
  constructor(sentence, { retryAfter = null, code = null, status = 0, problem = {} } = {}) {
    super(sentence);
    this.retryAfter = retryAfter;
    this.code = code;
    this.status = status;
    this.problem = problem;
  }

  get requestId() {
    return this.problem.request_id ?? null;
  }
}

export const unreachable = (what) =>
  new Failure(`${what} cannot be reached. Check the connection, then try again.`, {
    retryAfter: 2,
    code: "unreachable",
  });

// Makes the failure of a response that is no success; its body has been read as `problem`.
export function failureOf(response, problem) {
  const { status } = response;
  const after = Number(response.headers.get("Retry-After")) || null;
  const known = { code: problem.code ?? null, status, problem };
  if (status === 429) {
    const minutes = Math.ceil((after ?? 1) / 60);
    const wait = `${minutes} minute${minutes === 1 ? "" : "s"}`;
    return new Failure(`Too many attempts. Try again in ${wait}.`, { ...known, retryAfter: after });
  }
  const reasons = (problem.errors ?? []).map((error) => error.message);
  const title = `${problem.title ?? `The service answered ${status}`}.`;
  const sentence = [title, problem.detail, ...reasons].filter(Boolean).join(" ");
  return new Failure(sentence, { ...known, retryAfter: status === 503 ? after ?? 2 : null });
}

export const wait = (seconds, signal = null) =>
  new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, seconds * 1000);
    function stop() {
      clearTimeout(timer);
      reject(signal.reason);
    }
    signal?.addEventListener("abort", stop, { once: true });
  });
