// Which uploads a tab of this browser is sending: the others leave them alone.

const PREFIX = "remote-drive-upload-";

// Runs `work` when no other tab sends this upload. Without a secure context there are no locks.
export function holding(id, signal, work) {
  if (!navigator.locks) return work();
  return navigator.locks.request(PREFIX + id, { signal }, work);
}

// Returns the ids of those that are being sent.
export async function held() {
  const locks = (await navigator.locks?.query())?.held ?? [];
  return new Set(locks.filter(({ name }) => name.startsWith(PREFIX)).map(({ name }) => name.slice(PREFIX.length)));
}
