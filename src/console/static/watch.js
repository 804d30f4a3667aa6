// Alarms: what is unusual, why, in which calls, and who has taken it.

import { ask } from "./api.js";
import { h, show } from "./dom.js";
import * as flood from "./flood.js";
import { $, submitted } from "./page.js";
import { when } from "./words.js";
import * as spending from "./spending.js";

let mayTake = false;

export async function open(has) {
  mayTake = has("supervisor", "analyst");
  await submitted(async () => {
    await look();
    await flood.open(has);
    await spending.open();
  });
}

async function look() {
  const { alarms } = await ask("/api/v1/alarms");
  $("watch-rows").replaceChildren(...alarms.map(row));
  show($("watch-empty"), alarms.length === 0);
}

function row(alarm) {
  const calls = alarm.calls.map((id, at) => h("a", { href: `/#call=${encodeURIComponent(id)}`, "aria-label": `Call ${at + 1} of alarm ${alarm.number}` }, String(at + 1)));
  const spaced = calls.flatMap((link) => [link, " "]);
  const take = mayTake && alarm.state === "open" ? h("button", { type: "button", onclick: () => submitted(() => taken(alarm.number)) }, "Take") : null;
  return h("tr", {},
    h("td", { class: "right" }, String(alarm.number)),
    h("td", {}, alarm.severity),
    h("td", {}, `${alarm.words}.`, alarm.owner ? ` (${alarm.owner})` : ""),
    h("td", {}, when(alarm.raised_ms)),
    h("td", {}, when(alarm.last_ms)),
    h("td", {}, spaced),
    h("td", {}, state(alarm)),
    h("td", {}, take));
}

function state({ state, acknowledged_by, note }) {
  if (state !== "acknowledged") return state;
  return `taken by ${acknowledged_by}${note ? `: ${note}` : ""}`;
}

async function taken(number) {
  await ask(`/api/v1/alarms/${number}/acknowledge`, { method: "POST", body: {} });
  await look();
  return "It is yours.";
}
