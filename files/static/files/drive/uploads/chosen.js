// What was dropped or chosen, as files with the folders that they are in.

// Returns `{files: [{file, path}], folders: [path]}`; a path is the names of folders, from here down.
// Must be called while the event is handled: the browser forgets what was dropped afterwards.
export function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const files = [...transfer.files];
  return walk(entries, files);
}

async function walk(entries, files) {
  if (entries.length === 0) return { files: files.map((file) => ({ file, path: [] })), folders: [] };
  const found = { files: [], folders: [] };
  for (const entry of entries) await visit(entry, [], found);
  return found;
}

async function visit(entry, path, found) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    found.files.push({ file, path });
    return;
  }
  const inside = [...path, entry.name];
  found.folders.push(inside);
  const reader = entry.createReader();
  for (;;) {
    // The entries come a hundred at a time; none means that all were there.
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return;
    for (const each of some) await visit(each, inside, found);
  }
}

// The same of what an input has; a chosen folder is in `webkitRelativePath`.
export function picked(list) {
  const files = [...list].map((file) => {
    const path = file.webkitRelativePath.split("/").slice(0, -1).filter(Boolean);
    return { file, path };
  });
  const folders = new Map(
    files.flatMap(({ path }) => path.map((_, index) => path.slice(0, index + 1)))
      .map((path) => [path.join("/"), path]));
  return { files, folders: [...folders.values()] };
}
