// A preview of what a browser may safely show; all else is offered for download.

import { make, nameOf } from "../common/dom.js";
import { localTime, readableSize } from "../common/format.js";
import { button, openDialog } from "./dialogs.js";
import { download, signed } from "./downloads.js";
import { attempt, sentenceOf } from "./messages.js";

const IMAGES = new Set(["avif", "bmp", "gif", "jpeg", "png", "webp"].map((name) => `image/${name}`));
const TEXT_SHOWN = 256 * 1024; // Bytes.

export async function preview(file) {
  const shown = make("div", { className: "preview" });
  const facts = [readableSize(file.size), file.content_type, localTime(file.updated_at),
    `version ${file.version}`];
  const opened = openDialog(nameOf(file.name), [
    shown,
    make("p", { className: "quiet" }, facts.join(" · ")),
    make("p", { className: "buttons" },
      button("Download", () => attempt(() => download(file.id)), { className: "primary" })),
  ], { className: "tall wide" });
  try {
    await fill(shown, file);
  } catch (error) {
    shown.replaceChildren(make("p", { className: "bad" }, sentenceOf(error)));
  }
  return opened.closed;
}

async function fill(shown, file) {
  const type = file.content_type.split(";")[0].trim().toLowerCase();
  const [top] = type.split("/");
  const inline = async () => (await signed(file.id, { inline: true })).presigned_get_url;
  if (IMAGES.has(type)) {
    shown.append(make("img", { src: await inline(), alt: file.name }));
  } else if (top === "audio" || top === "video") {
    const player = make(top, { src: await inline(), controls: true });
    player.setAttribute("aria-label", file.name);
    shown.append(player);
  } else if (type === "text/plain") {
    shown.append(await text(await inline(), file));
  } else if (type === "application/pdf") {
    shown.append(make("p", {}, make("a", { href: await inline(), target: "_blank", rel: "noopener" },
      "Open in a new tab")));
  } else {
    shown.append(make("p", {}, "There is no preview of this kind of file."));
  }
}

async function text(url, file) {
  if (file.size === 0) return make("p", {}, "The file is empty.");
  const range = `bytes=0-${Math.min(TEXT_SHOWN, file.size) - 1}`;
  const response = await fetch(url, { headers: { Range: range }, credentials: "omit" });
  if (!response.ok) throw new Error(`the store answered ${response.status}`);
  const block = make("pre", { tabindex: 0, role: "region", "aria-label": "Text of the file" },
    await response.text());
  if (file.size <= TEXT_SHOWN) return block;
  return make("div", {}, block, make("p", { className: "quiet" }, "Only the beginning is shown."));
}
