// The icons of kinds of files, drawn from paths; they say nothing that the text does not.

const NAMESPACE = "http://www.w3.org/2000/svg";
const SHEET = "M6 2h8l5 5v15H6z M14 2v5h5";
const PATHS = {
  folder: "M3 5h7l2 3h9v11H3z",
  file: SHEET,
  image: "M4 4h16v16H4z M4 16l5-5 4 4 3-3 4 4 M15 9h.01",
  audio: "M9 18V6l10-2v12 M9 18a2.5 2.5 0 1 1-.01 0 M19 16a2.5 2.5 0 1 1-.01 0",
  video: "M3 6h12v12H3z M15 10l6-3v10l-6-3",
  text: `${SHEET} M9 12h7 M9 15h7 M9 18h4`,
  pdf: `${SHEET} M9 17c4-1 5-4 4-6-1-1-2 1 3 5`,
  archive: `${SHEET} M10 4h2 M10 8h2 M10 12h2 M10 16h2`,
};
const ARCHIVES = /zip|gzip|x-tar|7z|rar|zstd|bzip/;

export function kindOf(entry) {
  if (entry.kind === "folder") return "folder";
  const type = entry.content_type.split(";")[0];
  const [top] = type.split("/");
  if (type === "application/pdf") return "pdf";
  if (["image", "audio", "video", "text"].includes(top)) return top;
  return ARCHIVES.test(type) ? "archive" : "file";
}

export function icon(kind) {
  const svg = document.createElementNS(NAMESPACE, "svg");
  const path = document.createElementNS(NAMESPACE, "path");
  path.setAttribute("d", PATHS[kind]);
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", `icon ${kind}`);
  svg.setAttribute("aria-hidden", "true");
  svg.append(path);
  return svg;
}
