// Lists: look, search, add, take away.

import { ask } from "./api.js";
import { h, show, text } from "./dom.js";
import { $, submitted, sure } from "./page.js";
import { number, when } from "./words.js";

const MEANINGS = {
  block: "Calls that show one of these numbers. The shipped policies refuse them.",
  "do-not-originate": "Numbers from which nobody ever calls, such as an inbound line of ours. The shipped policies refuse them.",
  allow: "Numbers people here know. They count only when the number is proven.",
  own: "Our own numbers. A call from outside that shows one is an impersonation until it is proven.",
  executives: "Names that impostors use. A caller with such a name from another number is marked.",
  directory: "Organisations with the numbers they publish, for calling back.",
};
const PAGE = 100;
let mayChange = false;
let waiting = [];
let next = null;
let turn = 0;

export async function open(has) {
  mayChange = has("supervisor", "policy-author");
  show($("list-add"), mayChange);
  await submitted(async () => {
    const { lists, proposed } = await ask("/api/v1/lists");
    waiting = proposed ?? [];
    const chosen = $("list").value || "block";
    $("list").replaceChildren(...lists.map(({ list, entries }) => h("option", { value: list }, `${list} (${entries})`)));
    $("list").value = chosen;
    await load(null);
  });
}

let timer = 0;
$("lists-search").addEventListener("submit", (event) => event.preventDefault());
$("lists-search").addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(() => submitted(() => load(null)), 250);
});
$("entries-more").addEventListener("click", () => submitted(() => load(next)));

async function load(cursor) {
  const mine = ++turn;
  const list = $("list").value;
  const asked = waiting.filter(({ what }) => what.startsWith(`${list}: `)).map(({ what, by }) => ` ${what}, asked for by ${by}, waits for somebody else to add the same.`);
  text($("list-meaning"), [MEANINGS[list] ?? "", ...asked].join(""));
  show($("add-name-label"), ["executives", "directory"].includes(list));
  const query = new URLSearchParams({ limit: String(PAGE) });
  const wanted = $("list-number").value.replace(/[\s()-]/g, "");
  if (wanted) query.set("number", wanted);
  if (cursor) query.set("cursor", cursor);
  const page = await ask(`/api/v1/lists/${list}/entries?${query}`);
  if (mine !== turn) return;
  const rows = page.entries.map((entry) => row(list, entry));
  if (cursor) $("entries").append(...rows);
  else $("entries").replaceChildren(...rows);
  next = page.next;
  show($("entries-more"), next !== null);
  show($("entries-empty"), $("entries").children.length === 0);
}

function row(list, entry) {
  const remove = () => submitted(async () => {
    // Only as it was seen: whatever somebody else made of it meanwhile stays.
    await ask(`/api/v1/lists/${list}/entries/${entry.id}`, { method: "DELETE", match: `"r${entry.revision}"` });
    await load(null);
  }, "Removed. The audit keeps that it was there.");
  const until = entry.expires_ms === null ? "–" : when(entry.expires_ms, false);
  return h("tr", { class: entry.is_expired ? "dim" : null },
    h("td", { class: "mono" }, entry.numbers.map(number).join(", ") || "–"),
    h("td", {}, [entry.name, ...entry.also].filter(Boolean).join(", ") || "–"),
    h("td", { class: "wide" }, entry.reason),
    h("td", {}, entry.is_expired ? `${until} (expired)` : until),
    h("td", {}, entry.by, h("small", {}, when(entry.at_ms, false))),
    h("td", { class: "right" }, mayChange ? sure(h("button", { type: "button" }, "Remove"), remove) : null));
}

$("list-add").addEventListener("submit", (event) => {
  event.preventDefault();
  submitted(async () => {
    const numbers = $("add-numbers").value.split(",").map((part) => part.trim()).filter(Boolean);
    const body = { numbers, reason: $("add-reason").value };
    if ($("add-name").value.trim() && !$("add-name-label").hidden) body.name = $("add-name").value.trim();
    // To the end of that day, here.
    if ($("add-until").value) body.expires_ms = new Date(`${$("add-until").value}T23:59:59`).getTime();
    const added = await ask(`/api/v1/lists/${$("list").value}/entries`, { method: "POST", body });
    $("list-add").reset();
    waiting = (await ask("/api/v1/lists")).proposed ?? [];
    await load(null);
    return added.id ? "Added. The next call is judged by it." : "Asked for. It counts once somebody else adds the same.";
  });
});
