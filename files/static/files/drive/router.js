// Where one is, in the address: `#/`, `#/folder/<id>`, `#/search/<words>`, `#/trash`.

const UUID = /^[0-9a-f-]{36}$/;

// Returns `{section, id, words}`; what cannot be is the top.
export function place() {
  const [, section, rest = ""] = location.hash.split("/");
  if (section === "folder" && UUID.test(rest)) return { section, id: rest };
  if (section === "trash") return { section, id: null };
  if (section === "search") {
    const words = decoded(rest);
    if (words) return { section, id: null, words };
  }
  return { section: "folder", id: null };
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}

export const toFolder = (id) => (id === null ? "#/" : `#/folder/${id}`);

export const toSearch = (words) => `#/search/${encodeURIComponent(words)}`;

// Goes there; `replace` leaves no entry in the history.
export function go(hash, { replace = false } = {}) {
  if (replace) {
    history.replaceState(null, "", hash);
    window.dispatchEvent(new HashChangeEvent("hashchange"));
  } else {
    location.hash = hash;
  }
}
