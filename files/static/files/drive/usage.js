// How much there is, and how much there may be.

import { byId, make } from "../common/dom.js";
import { readableSize } from "../common/format.js";
import { call } from "./api.js";

const AFTER = 1500; // Milliseconds; many changes are one question.
let timer = 0;

export function refreshUsage() {
  clearTimeout(timer);
  timer = setTimeout(showUsage, AFTER);
}

export async function showUsage() {
  const usage = await call("GET", "/me").catch(() => null);
  if (!usage) return;
  const used = usage.bytes_used + usage.bytes_reserved;
  const element = byId("usage");
  if (!element) return;
  if (usage.quota_bytes === null) {
    element.textContent = `${readableSize(used)} used`;
    return;
  }
  const text = `${readableSize(used)} of ${readableSize(usage.quota_bytes)} used`;
  const meter = make("meter", { min: 0, max: Math.max(1, usage.quota_bytes), high: 0.9 * usage.quota_bytes,
    "aria-label": "Used space" });
  meter.value = used;
  element.replaceChildren(meter, " ", text);
}
