// The audit: what was done by whom, the newest first, and whether the chain of it is whole.

import { ask } from "./api.js";
import { h, show, text } from "./dom.js";
import { $, submitted } from "./page.js";
import { when } from "./words.js";

const PAGE = 100;
const ERASED = "What it said of people was erased.";
/** The number of the oldest entry that is shown. */
let oldest = 0;

export async function open() {
  text($("audit-verdict"), "");
  await submitted(async () => {
    // Past every entry there is none: only how many there are.
    const { last } = await ask(`/api/v1/audit?after=${2 ** 53 - 1}`);
    oldest = last + 1;
    $("audit-rows").replaceChildren();
    await older();
  });
}

$("audit-more").addEventListener("click", () => submitted(older));
$("audit-verify").addEventListener("click", () => submitted(async () => {
  text($("audit-verdict"), "Going through all entries…");
  const { is_whole, entries, problem } = await ask("/api/v1/audit/verify");
  text($("audit-verdict"), is_whole ? `The chain is whole: ${entries.toLocaleString()} entries.` : `The chain is not whole: ${problem}.`);
}));

async function older() {
  const after = Math.max(0, oldest - 1 - PAGE);
  const { entries } = await ask(`/api/v1/audit?after=${after}`);
  const shown = entries.filter((entry) => entry.number < oldest).reverse();
  $("audit-rows").append(...shown.map(row));
  oldest = after + 1;
  show($("audit-more"), after > 0);
  show($("audit-empty"), $("audit-rows").children.length === 0);
}

function row(entry) {
  return h("tr", { class: entry.is_erased ? "dim" : null },
    h("td", { class: "right" }, String(entry.number)),
    h("td", {}, when(entry.at_ms)),
    h("td", {}, entry.by || "–"),
    h("td", {}, entry.what),
    h("td", { class: "wide" }, entry.about || "–"),
    h("td", { class: "wide" }, entry.is_erased ? ERASED : entry.note));
}
