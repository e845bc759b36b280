// The versions of a file: download, restore, purge, and send a new one.

import { make, nameOf } from "../common/dom.js";
import { localTime, readableSize } from "../common/format.js";
import { all, call } from "./api.js";
import { button, confirmDialog, openDialog } from "./dialogs.js";
import { download } from "./downloads.js";
import { sentenceOf } from "./messages.js";

// `send` takes a file of the disk as the new version; `changed` is called when one was restored.
export async function showVersions(file, { send, changed }) {
  const list = make("ul", { className: "versions" });
  const status = make("p", { role: "status" }, "Loading…");
  const picker = make("input", { type: "file", id: "new-version", className: "unseen" });
  const opened = openDialog(["Versions of ", nameOf(file.name)], [
    list, status,
    make("p", { className: "buttons" }, picker,
      make("label", { htmlFor: "new-version", className: "button" }, "Send a new version")),
  ], { className: "tall wide" });
  picker.addEventListener("change", () => {
    if (picker.files.length === 1) send(picker.files[0]);
    opened.close();
  });

  const run = async (work) => {
    try {
      await work();
      await load();
    } catch (error) {
      status.textContent = sentenceOf(error);
    }
  };
  const restore = (version) => run(async () => {
    await call("POST", `/files/${file.id}/versions/${version}/restore`, { body: {} });
    changed();
  });
  const purge = (version) => run(() => confirmDialog(
    `Delete version ${version} for good?`, "Its bytes are removed and cannot be brought back.",
    "Delete for good", () => call("DELETE", `/files/${file.id}/versions/${version}`)));

  async function load() {
    const versions = await all(`/files/${file.id}/versions`);
    list.replaceChildren(...versions.map((each, index) => row(each, index === 0)));
    status.textContent = "";
  }

  function row(version, isNewest) {
    const number = version.version;
    const by = version.created_by.user ?? "a guest with a link";
    const facts = [readableSize(version.size), localTime(version.created_at), `by ${by}`];
    if (version.integrity === "corrupt") facts.push("damaged");
    const buttons = [];
    if (version.purged_at) {
      facts.push("deleted for good");
    } else {
      const name = `version ${number}`;
      buttons.push(button("Download", () => run(() => download(file.id, number)),
        { "aria-label": `Download ${name}` }));
      if (!isNewest) {
        buttons.push(
          button("Restore", () => restore(number), { "aria-label": `Restore ${name}` }),
          button("Delete for good", () => purge(number), { "aria-label": `Delete ${name} for good` }),
        );
      }
    }
    return make("li", {},
      make("p", {}, make("strong", {}, `Version ${number}${isNewest ? ", the newest" : ""}`), " ",
        make("span", { className: "quiet" }, facts.join(" · "))),
      make("p", { className: "buttons small" }, ...buttons));
  }
  run(async () => {});
  return opened.closed;
}
