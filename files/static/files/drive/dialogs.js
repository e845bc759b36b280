// Dialogs, made of the browser's own: it keeps the focus inside and gives it back.

import { make, say } from "../common/dom.js";
import { sentenceOf } from "./messages.js";

let made = 0;

// Opens a dialog with `content`; closing it resolves `closed` with what `close` was given.
export function openDialog(title, content, { className = "" } = {}) {
  const id = `dialog-${++made}`;
  const heading = make("h2", { id }, ...[title].flat());
  const leave = make("button", { type: "button", className: "close", "aria-label": "Close" }, "×");
  const dialog = make("dialog", { className, "aria-labelledby": id },
    make("header", {}, heading, leave), ...content);
  let result = null;
  const closed = new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(result);
    });
  });
  const close = (value = null) => {
    result = value;
    dialog.close();
  };
  leave.onclick = () => close();
  document.body.append(dialog);
  dialog.showModal();
  return { dialog, close, closed };
}

export const button = (label, onclick, properties = {}) =>
  make("button", { type: "button", onclick, ...properties }, label);

// A form in a dialog; `submit` may fail, and the dialog then stays and says why.
export function formDialog(title, fields, label, submit) {
  const problem = make("p", { role: "alert" });
  const submitButton = make("button", { className: "primary" }, label);
  const form = make("form", { method: "dialog" }, ...fields, problem,
    make("p", { className: "buttons" }, submitButton, button("Cancel", () => opened.close())));
  const opened = openDialog(title, [form]);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    submitButton.disabled = true;
    say(problem, "");
    try {
      opened.close(await submit());
    } catch (error) {
      say(problem, sentenceOf(error), "bad");
    } finally {
      submitButton.disabled = false;
    }
  });
  return opened.closed;
}

// Asks for a name; a file's extension is left out of what is selected.
export function askName(title, label, name, submit) {
  const input = make("input", {
    type: "text", id: "name-field", value: name, maxlength: 255, required: true, autocomplete: "off",
    spellcheck: "false",
  });
  const field = make("p", { className: "field" },
    make("label", { htmlFor: "name-field" }, "Name"), input);
  const asked = formDialog(title, [field], label, () => submit(input.value));
  const dot = name.lastIndexOf(".");
  input.focus();
  input.setSelectionRange(0, dot > 0 ? dot : name.length);
  return asked;
}

// Asks before what cannot be undone; `work` runs if the answer is yes, and gives the result.
export function confirmDialog(title, sentence, label, work) {
  return formDialog(title, [make("p", {}, ...[sentence].flat())], label, async () => {
    await work();
    return true;
  });
}
