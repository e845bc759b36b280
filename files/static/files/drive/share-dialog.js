// The shares of a file: make one, copy its link, see what it was used for, end it.

import { make, nameOf, say } from "../common/dom.js";
import { counted, localTime } from "../common/format.js";
import { all, call } from "./api.js";
import { button, openDialog } from "./dialogs.js";
import { sentenceOf } from "./messages.js";

const EVENTS = {
  downloaded: "downloaded",
  upload_started: "an upload was begun",
  committed: "a new version was sent",
  refused: "refused",
  changed: "changed by you",
  closed: "closed for 15 minutes by wrong passwords",
};

export async function showShares(file) {
  const status = make("p", { role: "status" });
  const made = make("div", { className: "made", hidden: true });
  const list = make("ul", { className: "shares" });
  const opened = openDialog(["Share ", nameOf(file.name)], [
    newShare(file, status, async (share) => {
      showLink(made, share);
      await load();
    }),
    made, status, make("h3", {}, "Links to this file"), list,
  ], { className: "tall wide" });

  async function load() {
    try {
      const shares = await all("/shares", { file_id: file.id });
      const none = make("li", { className: "quiet" }, "None yet.");
      list.replaceChildren(...(shares.length ? shares.map((share) => row(share, load, status)) : [none]));
    } catch (error) {
      say(status, sentenceOf(error), "bad");
    }
  }
  load();
  return opened.closed;
}

function newShare(file, status, done) {
  const field = (label, input) =>
    make("p", { className: "field" }, make("label", { htmlFor: input.id }, label), input);
  const permission = make("select", { id: "share-permission" },
    make("option", { value: "read" }, "Download it"),
    make("option", { value: "write" }, "Download it and send new versions"));
  const expires = make("input", { type: "datetime-local", id: "share-expires" });
  const password = make("input", {
    type: "password", id: "share-password", maxlength: 256, autocomplete: "new-password",
  });
  const downloads = make("input", { type: "number", id: "share-downloads", min: 1, step: 1 });
  const form = make("form", { className: "fields" },
    field("Whoever has the link can", permission),
    field("Until (optional)", expires),
    field("Password (optional)", password),
    field("Number of downloads (optional)", downloads),
    make("p", { className: "buttons" }, make("button", { className: "primary" }, "Make a link")));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    say(status, "");
    const body = { file_id: file.id, permission: permission.value };
    if (expires.value) body.expires_at = new Date(expires.value).toISOString();
    if (password.value) body.password = password.value;
    if (downloads.value) body.max_downloads = Number(downloads.value);
    try {
      await done(await call("POST", "/shares", { body }));
      form.reset();
    } catch (error) {
      say(status, sentenceOf(error), "bad");
    }
  });
  return form;
}

function showLink(made, share) {
  const link = make("input", {
    type: "text", id: "share-link", readonly: "", value: share.url, spellcheck: "false",
  });
  const copied = make("span", { role: "status" });
  const copy = button("Copy the link", async () => {
    link.select();
    try {
      await navigator.clipboard.writeText(share.url);
      copied.textContent = "Copied.";
    } catch {
      // Without https there is no clipboard; the link is selected to be copied by hand.
      copied.textContent = "Press Ctrl+C to copy it.";
    }
  });
  made.hidden = false;
  made.replaceChildren(
    make("p", { className: "field" }, make("label", { htmlFor: "share-link" },
      "The link; it is shown this once only"), link),
    make("p", { className: "buttons" }, copy, copied));
  link.focus();
  link.select();
}

function row(share, reload, status) {
  const trail = make("ul", { className: "trail" });
  const details = make("details", {}, make("summary", {}, "What it was used for"), trail);
  details.addEventListener("toggle", async () => {
    if (!details.open) return;
    try {
      const events = await all(`/shares/${share.id}/events`);
      const none = [make("li", {}, "Nothing yet.")];
      trail.replaceChildren(...(events.length ? events.map(eventRow) : none));
    } catch (error) {
      say(status, sentenceOf(error), "bad");
    }
  });
  const made = localTime(share.created_at);
  const revoke = async () => {
    try {
      await call("DELETE", `/shares/${share.id}`);
      await reload();
    } catch (error) {
      say(status, sentenceOf(error), "bad");
    }
  };
  const ended = stateOf(share);
  const buttons = ended ? [] : [button("End this link", revoke, { "aria-label": `End the link made ${made}` })];
  return make("li", {},
    make("p", {}, make("strong", {}, share.permission === "write" ? "Download and send" : "Download"),
      ` · made ${made} · ${ended ?? limits(share)}`),
    details, make("p", { className: "buttons small" }, ...buttons));
}

function stateOf(share) {
  if (share.revoked_at) return "ended by you";
  if (share.expires_at && new Date(share.expires_at) < new Date()) return "expired";
  if (share.max_downloads !== null && share.download_count >= share.max_downloads) return "used up";
  return null;
}

function limits(share) {
  const most = share.max_downloads;
  const count = share.download_count;
  const said = [most === null ? counted(count, "download") : `${count} of ${counted(most, "download")}`];
  if (share.expires_at) said.push(`until ${localTime(share.expires_at)}`);
  if (share.password_required) said.push("with a password");
  return said.join(" · ");
}

function eventRow(event) {
  const what = EVENTS[event.what] ?? event.what;
  const said = [localTime(event.at), what];
  if (event.reason) said.push(event.reason);
  if (event.version) said.push(`version ${event.version}`);
  if (event.count > 1) said.push(counted(event.count, "time"));
  if (event.address) said.push(`from ${event.address}`);
  else if (event.what === "closed") said.push("from everywhere");
  return make("li", {}, said.join(" · "));
}
