// What the page says: a sentence of success, or a problem with what to do about it.

import { byId, make, say } from "../common/dom.js";
import { Failure } from "../common/failures.js";

const SHOWN = 8000; // Milliseconds for which a sentence stays.

const SENTENCES = {
  unreachable: "The service cannot be reached. Check the connection, then try again.",
  "not-found": "It is no longer there. It may have been moved or deleted elsewhere; load the page again.",
  "name-taken": "There is a folder of this name already. Choose another name.",
  "folder-loop": "A folder cannot be moved into itself.",
  "folder-too-deep": "Folders can be nested 32 deep at most. Choose a place higher up.",
  "quota-exceeded": "There is no room for this. Delete something for good, empty the trash, or ask for more room.",
  corrupt: "The stored bytes of this version are damaged. Download an earlier version.",
  unavailable: "The service is busy. Wait a few seconds, then try again.",
  "store-unavailable": "The store does not answer. Wait a few seconds, then try again.",
};
let timer = 0;

export function tell(sentence, action = null) {
  clearTimeout(timer);
  const message = byId("message");
  say(message, sentence);
  if (action) {
    const button = make("button", { type: "button", textContent: action.label });
    button.onclick = () => {
      say(message, "");
      action.run();
    };
    message.append(" ", button);
  }
  timer = setTimeout(() => {
    if (message.textContent.startsWith(sentence)) say(message, "");
  }, action ? 2 * SHOWN : SHOWN);
}

export function sentenceOf(error) {
  if (!(error instanceof Failure)) return `Something went wrong in this page: ${error.message}`;
  if (error.code === "invalid") {
    return (error.problem.errors ?? []).map((each) => each.message).join(" ") || error.message;
  }
  return SENTENCES[error.code] ?? error.message;
}

// `what` begins the sentence, where it does not go without saying.
export function tellProblem(error, what = "") {
  if (error?.name === "AbortError") return;
  const problem = byId("problem");
  const dismiss = make("button", { type: "button", textContent: "Dismiss" });
  dismiss.onclick = clearProblem;
  problem.replaceChildren(make("p", { className: "bad" }, what + sentenceOf(error)));
  if (error.requestId) problem.append(make("p", { className: "quiet" }, `Request ${error.requestId}`));
  problem.append(dismiss);
}

export function clearProblem() {
  byId("problem").replaceChildren();
}

// Runs what may fail, and says so if it does.
export async function attempt(work) {
  clearProblem();
  try {
    return await work();
  } catch (error) {
    tellProblem(error);
    return undefined;
  }
}
