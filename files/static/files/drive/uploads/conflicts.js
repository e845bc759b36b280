// A name that is there already: a new version, both, or neither.

import { make, nameOf } from "../../common/dom.js";
import { call } from "../api.js";
import { button, openDialog } from "../dialogs.js";

const FREE_NAMES_TRIED = 100;
const LONGEST_NAME = 255; // Characters.
let asking = Promise.resolve();

// What was chosen for all others of the same drop: `{choice}`.
export const newPolicy = () => ({ choice: null });

// Returns the newest file of this name in the place, or null.
async function existing(place, name) {
  try {
    const { file } = await call("GET", "/lookup", { query: { path: place.path + name } });
    return file ?? null;
  } catch (failure) {
    if (failure.code === "not-found") return null;
    throw failure;
  }
}

// Returns how `name` is sent into `place`: `{filename}`, `{file_id}`, or null to skip it.
// `patiently` runs what asks the service.
export async function resolve(place, name, policy, patiently) {
  if (place.isNew) return { filename: name };
  const found = await patiently(() => existing(place, name));
  if (!found) return { filename: name };
  const choice = policy.choice ?? (await ask(name, policy));
  if (choice === "version") return { file_id: found.id };
  if (choice === "both") return { filename: await freeName(place, name, patiently) };
  return null;
}

async function freeName(place, name, patiently) {
  const dot = name.lastIndexOf(".");
  const [stem, extension] = dot > 0 ? [name.slice(0, dot), name.slice(dot)] : [name, ""];
  for (let number = 2; number < FREE_NAMES_TRIED; number++) {
    const end = ` (${number})${extension}`;
    const other = [...stem].slice(0, Math.max(0, LONGEST_NAME - [...end].length)).join("") + end;
    if (!(await patiently(() => existing(place, other)))) return other;
  }
  return name; // Names need not be unique.
}

// Asks one question at a time; what is chosen for all answers those that wait.
function ask(name, policy) {
  const answer = asking.then(() => policy.choice ?? question(name, policy));
  asking = answer.catch(() => {});
  return answer;
}

async function question(name, policy) {
  const forAll = make("input", { type: "checkbox", id: "for-all" });
  const choose = (choice) => () => opened.close(choice);
  const opened = openDialog("This name is there already", [
    make("p", {}, nameOf(name), " is in this folder. What should become of yours?"),
    make("p", {}, forAll, " ", make("label", { htmlFor: "for-all" }, "The same for all others")),
    make("p", { className: "buttons" },
      button("New version", choose("version"), { className: "primary" }),
      button("Keep both", choose("both")),
      button("Skip", choose("skip"))),
  ]);
  const choice = (await opened.closed) ?? "skip";
  if (forAll.checked) policy.choice = choice;
  return choice;
}
