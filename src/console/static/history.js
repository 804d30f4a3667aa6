// Kept calls, newest first.

import { ask } from "./api.js";
import { h, icon, show, text } from "./dom.js";
import { ENDINGS, LABELS, VERDICTS, calledBack, nameOf, number, numberLight, talked, voiceLight, when, whose } from "./words.js";

const body = document.getElementById("history");
const empty = document.getElementById("history-empty");
const more = document.getElementById("more");
const looking = document.getElementById("history-looking");
const filters = document.getElementById("filters");
const notice = document.getElementById("notice");

const PAGE = 50;
/** Between two questions that follow each other by themselves. */
const PAUSE_MS = 1000;
let next = null;
let openWhy = () => {};
let timer = 0;
let turn = 0;
let isLooking = false;

export function start(options) {
  openWhy = options.openWhy;
  more.addEventListener("click", () => load(next));
  filters.addEventListener("submit", (event) => event.preventDefault());
  filters.addEventListener("input", () => {
    isLooking = false;
    soon(250);
  });
}

/** Loads the newest page again shortly; several calls that end together are one load. */
export function soon(ms = 400) {
  // What is looked for far back is not begun anew for every call that ends.
  if (isLooking) return;
  clearTimeout(timer);
  timer = setTimeout(() => load(null), ms);
}

async function load(cursor, room = PAGE) {
  const mine = ++turn;
  const query = new URLSearchParams({ limit: String(room) });
  for (const [name, value] of new FormData(filters)) {
    // Numbers are written in many ways; a name in one.
    const wanted = name === "number" ? String(value).replace(/[\s()-]/g, "") : String(value);
    if (wanted) query.set(name, wanted);
  }
  if (cursor) query.set("cursor", cursor);
  let page;
  try {
    page = await ask(`/api/v1/calls?${query}`);
    show(notice, false);
  } catch (error) {
    if (mine === turn) looks(null);
    // A gateway that cannot be reached is said once, above.
    if (error.status !== 401 && error.status !== 0) {
      notice.textContent = `History: ${error.message}`;
      show(notice, true);
    }
    return;
  }
  // A newer question was asked meanwhile: its answer counts.
  if (mine !== turn) return;
  const rows = page.calls.map(row);
  if (cursor) body.append(...rows);
  else body.replaceChildren(...rows);
  next = page.next;
  const left = room - rows.length;
  const goesOn = next !== null && page.searched_until_ms !== null && left > 0;
  looks(goesOn ? page.searched_until_ms : null);
  show(empty, body.children.length === 0 && !next);
  // What is rare takes more than one answer.
  if (goesOn) further(left);
}

/** Looks further after a pause, and not while nobody looks here: the gateway has calls to see to. */
function further(left) {
  const mine = turn;
  const goOn = () => {
    if (mine === turn && isLooking) load(next, left);
  };
  clearTimeout(timer);
  timer = setTimeout(() => {
    if (!document.hidden) goOn();
    else document.addEventListener("visibilitychange", goOn, { once: true });
  }, PAUSE_MS);
}

/** Says how far back was looked, while it is looked further. */
function looks(untilMs) {
  isLooking = untilMs !== null;
  if (isLooking) text(looking, `Looked at calls back to ${when(untilMs)}. Looking further …`);
  show(looking, isLooking);
  show(more, Boolean(next) && !isLooking);
}

function row(call) {
  const [label, tone] = LABELS[call.banner?.label] ?? ["–", "wait"];
  const ending = ENDINGS[call.outcome?.ending] ?? "Going on";
  const status = call.outcome && call.outcome.ending !== "completed" && call.outcome.status ? ` ${call.outcome.status}` : "";
  const verdict = call.report?.verdict;
  return h("tr", { onclick: () => openWhy(call.id) },
    h("td", { class: "time" }, h("time", { datetime: new Date(call.started_ms).toISOString(), title: when(call.started_ms) }, when(call.started_ms, false))),
    h("td", { class: "who" }, h("button", { type: "button", title: "Why" }, calledBack(call) ?? nameOf(call) ?? whose(call), calledBack(call) ? h("small", {}, number(call.called)) : nameOf(call) ? h("small", {}, number(call.caller)) : null)),
    h("td", {}, light(numberLight(call))),
    h("td", {}, light(voiceLight(call))),
    h("td", { class: "label" }, h("span", { class: `chip tone-${tone}` }, label)),
    h("td", {}, ending, status ? h("span", { class: "dim" }, status) : null),
    h("td", { class: call.answered_by ? "by" : "by dim" }, call.answered_by ?? "–", call.person ? h("small", {}, call.person) : null),
    h("td", { class: "right" }, talked(call)),
    h("td", { class: verdict ? "said" : "said none dim" }, verdict ? h("span", { class: `chip tone-${{ good: "ok", scam: "bad" }[verdict] ?? "warn"}` }, VERDICTS[verdict] ?? verdict) : "–"));
}

function light({ is, tone }) {
  return h("span", { class: `dot tone-${tone}` }, icon(tone), is);
}
