// Floods of calls and blocked addresses: as the gateway sees it, and as somebody here says for a while.

import { ask } from "./api.js";
import { h, show, text } from "./dom.js";
import { $, sent, submitted } from "./page.js";
import { when } from "./words.js";

const REST = { label: "are met as policy says", challenge: "are asked before anything rings", refuse: "hear that nobody is there" };

let isReady = false;
let maySay = false;

export async function open(has) {
  maySay = has("supervisor");
  if (!isReady) begin();
  isReady = true;
  for (const id of ["flood-form", "block-form"]) show($(id), maySay);
  shown(await ask("/api/v1/flood"));
}

function begin() {
  $("flood-mode").addEventListener("change", termed);
  $("flood-form").addEventListener("submit", (event) => {
    event.preventDefault();
    sent($("flood-form"), said);
  });
  $("block-form").addEventListener("submit", (event) => {
    event.preventDefault();
    sent($("block-form"), blocked);
  });
}

/** What the configuration says has no term. */
function termed() {
  const isAuto = $("flood-mode").value === "auto";
  show($("flood-term"), !isAuto);
  $("flood-minutes").required = !isAuto;
  // What nobody sees must not keep the form from being sent.
  $("flood-minutes").disabled = isAuto;
}

async function said() {
  const mode = $("flood-mode").value;
  const body = { mode, why: $("flood-why").value };
  if (mode !== "auto") body.minutes = Number($("flood-minutes").value);
  shown(await ask("/api/v1/flood/mode", { method: "POST", body }));
  $("flood-form").reset();
  termed();
  return "It counts from now on.";
}

async function blocked() {
  const body = { address: $("block-address").value, minutes: Number($("block-minutes").value), why: $("block-why").value };
  shown(await ask("/api/v1/flood/blocks", { method: "POST", body }));
  $("block-form").reset();
  return "It is blocked.";
}

async function lifted(address) {
  await ask(`/api/v1/flood/blocks/${encodeURIComponent(address)}`, { method: "DELETE" });
  shown(await ask("/api/v1/flood"));
  return `${address} is blocked no more.`;
}

function shown(flood) {
  const { is_on, trunks, mode, rest, by_hand } = flood;
  const through = trunks.length ? ` through ${trunks.join(", ")}: callers who come there and` : ": callers";
  const is = is_on ? `There is a flood${through} for whom nothing speaks ${REST[rest]}; who is verified or known comes through.` : "There is no flood.";
  const says = by_hand ? `${by_hand.by} set this at ${when(by_hand.at_ms)}, for ${left(by_hand.seconds)} more: ${by_hand.why}.` : mode === "auto" ? "The gateway goes by the number of calls." : "The configuration says so.";
  text($("flood-state"), `${is} ${says}`);
  $("block-rows").replaceChildren(...flood.blocked.map(row));
  show($("block-empty"), flood.blocked.length === 0);
}

function row({ address, seconds, times, by_hand }) {
  const why = by_hand ? `${by_hand.why} (${by_hand.by})` : `guessed or scanned${times > 1 ? `, ${times} times` : ""}`;
  const lift = maySay ? h("button", { type: "button", "aria-label": `Unblock ${address}`, onclick: () => submitted(() => lifted(address)) }, "Unblock") : null;
  return h("tr", {}, h("th", { scope: "row" }, address), h("td", {}, left(seconds)), h("td", {}, why), h("td", {}, lift));
}

function left(seconds) {
  const minutes = Math.ceil(seconds / 60);
  return minutes < 120 ? `${minutes} min` : `${Math.round(minutes / 60)} hours`;
}
