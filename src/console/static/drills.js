// Training calls: sent to a willing queue, and how people there answered them.

import { ask } from "./api.js";
import { h, show } from "./dom.js";
import { $, sent, submitted } from "./page.js";
import { VERDICTS, when } from "./words.js";

const EVERY_MS = 5000;
const SHOWS = { genuine: "proven", unproven: "unproven", forged: "forged" };
const ENDINGS = { completed: "It was answered", cancelled: "The caller gave up", no_answer: "Nobody took it", refused: "Policy refused it", failed: "It failed" };

let isReady = false;
let mayOrder = false;
let timer = 0;

export async function open(has) {
  mayOrder = has("supervisor", "analyst");
  if (!isReady) {
    $("drill-form").addEventListener("submit", (event) => {
      event.preventDefault();
      sent($("drill-form"), order);
    });
  }
  isReady = true;
  await submitted(look);
}

async function look() {
  clearTimeout(timer);
  const { drills, willing } = await ask("/api/v1/drills");
  const chosen = $("drill-queue").value;
  $("drill-queue").replaceChildren(...willing.map((name) => h("option", { value: name }, name)));
  if (willing.includes(chosen)) $("drill-queue").value = chosen;
  show($("drill-form"), mayOrder && willing.length > 0);
  show($("drills-unwilling"), willing.length === 0);
  $("drill-rows").replaceChildren(...drills.map(row));
  show($("drills-empty"), drills.length === 0);
  if (drills.some((drill) => drill.is_going_on)) timer = setTimeout(() => { if (!$("drills").hidden) submitted(look); }, EVERY_MS);
}

async function order() {
  const body = {
    queue: $("drill-queue").value,
    recording: await base64($("drill-recording").files[0]),
    shows: $("drill-shows").value,
  };
  if ($("drill-number").value) body.number = $("drill-number").value.replace(/[\s()-]/g, "");
  if ($("drill-name").value) body.name = $("drill-name").value;
  await ask("/api/v1/drills", { method: "POST", body });
  await look();
  return "The call is on its way.";
}

async function base64(file) {
  const octets = new Uint8Array(await file.arrayBuffer());
  const pieces = [];
  for (let at = 0; at < octets.length; at += 8192) pieces.push(String.fromCharCode(...octets.subarray(at, at + 8192)));
  return btoa(pieces.join(""));
}

async function stopped(id) {
  await ask(`/api/v1/drills/${encodeURIComponent(id)}`, { method: "DELETE" });
  await look();
  return "It ends.";
}

function row(drill) {
  const end = mayOrder && drill.is_going_on ? h("button", { type: "button", "aria-label": `End the training call to ${drill.queue}`, onclick: () => submitted(() => stopped(drill.id)) }, "End") : null;
  const call = drill.call ? h("a", { href: `/#call=${encodeURIComponent(drill.call)}` }, "Call") : null;
  return h("tr", {},
    h("td", {}, when(drill.at_ms), h("br"), `by ${drill.by}`),
    h("td", {}, drill.queue),
    h("td", {}, [drill.name, drill.number ?? "hidden number", SHOWS[drill.shows]].filter(Boolean).join(", ")),
    h("td", {}, answer(drill)),
    h("td", {}, call, " ", end));
}

/** How people answered, in a sentence or three. */
function answer({ is_going_on, problem, report }) {
  if (is_going_on) return "It goes on.";
  if (problem) return `The call could not be made: ${problem}.`;
  if (!report) return "Its call is kept no more.";
  const said = [];
  const who = report.person ? `${report.person} at ${report.answered_by}` : report.answered_by;
  said.push(`${ENDINGS[report.ending] ?? "It is over"}${who ? ` by ${who}, after ${seconds(report.waited_ms)}` : ""}.`);
  if (report.help) said.push(`${report.help.by} called ${report.help.queue} for help after ${seconds(report.help.after_ms)}.`);
  if (report.was_to_be_sent_on) said.push("Somebody tried to send the caller on.");
  said.push(report.verdict ? `Said to be: ${VERDICTS[report.verdict] ?? report.verdict}, after ${seconds(report.verdict_after_ms)}.` : "Nobody said what it was.");
  return said.join(" ");
}

const seconds = (ms) => (ms === null ? "some time" : `${Math.round(ms / 1000)} s`);
