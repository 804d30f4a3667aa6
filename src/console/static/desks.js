// Who sits at which phone: one's own desks and pause, and everybody's for whoever watches over them.

import { ask } from "./api.js";
import { h, show, text } from "./dom.js";
import { clock } from "./words.js";

const EVERY_MS = 10000;
const $ = (id) => document.getElementById(id);

let me = null;
let watches = false;
let timer = null;
let turn = 0;

/** Begins for whoever has signed in; tokens sit nowhere. */
export function start(session) {
  stop();
  const takes = session.is_account && session.roles.some((role) => ["receptionist", "supervisor", "admin"].includes(role));
  watches = session.is_account && session.roles.some((role) => ["supervisor", "admin"].includes(role));
  me = takes ? session.who : null;
  $("mine").checked = false;
  show($("mine-label"), Boolean(me));
  $("mine").value = me ?? "";
  if (me) look();
}

export function stop() {
  clearTimeout(timer);
  timer = null;
  turn += 1;
  show($("desks"), false);
}

$("sit").addEventListener("submit", (event) => {
  event.preventDefault();
  const device = $("free-desks").value;
  if (device) act(() => ask(at(device), { method: "PUT" }), `You are signed in at ${device}.`);
});
$("rest").addEventListener("submit", (event) => {
  event.preventDefault();
  const reason = $("rest-reason").value.trim();
  act(() => ask("/api/v1/pause", { method: "PUT", body: { reason } }), "You are not rung until you take calls again.");
});
$("resume").addEventListener("click", () => act(() => ask("/api/v1/pause", { method: "DELETE" }), "You take calls again."));

const at = (device) => `/api/v1/desks/${encodeURIComponent(device)}`;
const leave = (device, person) =>
  act(() => ask(at(device), { method: "DELETE" }), person === me ? `You are signed out of ${device}.` : `${person} is signed out of ${device}.`);

async function act(what, done) {
  try {
    await what();
    tell(done, false);
  } catch (error) {
    if (error.status !== 401) tell(error.message, true);
  }
  await look();
}

function tell(words, isProblem) {
  text($("desks-told"), words);
  $("desks-told").className = isProblem ? "notice problem" : "notice done";
  show($("desks-told"), words !== "");
}

async function look() {
  clearTimeout(timer);
  const mine = ++turn;
  const all = await ask("/api/v1/desks").catch(() => null);
  if (mine !== turn || !me) return;
  timer = setTimeout(look, EVERY_MS);
  if (all === null) return;
  // Without a phone that may register there is nowhere to sit.
  show($("desks"), all.desks.length > 0);
  draw(all);
}

function draw({ desks, people, waiting }) {
  text($("waiting"), waiting.map((queue) => `${queue.callers} waiting in ${queue.name}, the first for ${clock(queue.longest_ms)}${needs(queue)}`).join(" · "));
  const own = people.find((worker) => worker.person === me);
  const free = desks.filter((desk) => desk.person === null).map((desk) => desk.device);
  const chosen = $("free-desks").value;
  if (free.join() !== [...$("free-desks").options].slice(1).map((option) => option.value).join()) {
    $("free-desks").replaceChildren(h("option", { value: "" }, free.length > 0 ? "A free phone…" : "No phone is free"), ...free.map((device) => h("option", { value: device }, device)));
    if (free.includes(chosen)) $("free-desks").value = chosen;
  }
  const isPaused = Boolean(own?.pause);
  text($("seat-state"), !own ? "You are signed in at no phone: calls you answer are not counted for you." : isPaused
    ? `${paused(own.pause)}. No phone of yours is rung.`
    : [`You take calls at ${own.devices.join(", ")}.`, ...desks.filter((desk) => desk.person === me).map(rest).filter(Boolean).slice(0, 1)].join(" "));
  $("own-desks").replaceChildren(...(own?.devices ?? []).map((device) =>
    h("button", { type: "button", onclick: () => leave(device, me) }, `Sign out of ${device}`)));
  show($("rest"), Boolean(own) && !isPaused);
  show($("resume"), isPaused);
  show($("everybody"), watches);
  if (watches) $("desk-rows").replaceChildren(...desks.map((desk) => row(desk, people)));
}

/** What callers insist on in whoever takes their call: "; 2 need german 3". */
function needs({ needs }) {
  return needs.map(({ skill, least, callers }) => `; ${callers} ${callers === 1 ? "needs" : "need"} ${skill}${least > 1 ? ` ${least} or better` : ""}`).join("");
}

/** What somebody is able to do, best first. */
const skills = ({ skills }) => [...skills].sort((a, b) => b.level - a.level).map(({ name, level }) => `${name} ${level}`).join(", ") || "–";

/** Why a phone is left alone, in words; null = it is not. */
function rest(desk) {
  if (!desk.rest) return null;
  const left = clock(desk.rest.until_ms - Date.now());
  return desk.rest.why === "skipped" ? `Not answered too often: passed over for ${left}` : `After a call: left alone for ${left}`;
}

/** Why nobody rings there, and who said so where it was another. */
const paused = (pause) => `Paused${pause.by ? ` by ${pause.by}` : ""}: ${pause.reason}`;

/** What a supervisor may do about a phone and whoever sits there. */
function doings(desk, pause) {
  const phone = `${at(desk.device)}/pause`;
  const person = desk.person === null ? null : `/api/v1/people/${encodeURIComponent(desk.person)}/pause`;
  const button = (word, label, what, done) => h("button", { type: "button", "aria-label": label, onclick: () => act(what, done) }, word);
  const reason = () => $("pause-others").value.trim();
  const put = (path) => () => ask(path, { method: "PUT", body: { reason: reason() } });
  const take = (path) => () => ask(path, { method: "DELETE" });
  return [
    person === null || person === undefined ? null : pause
      ? button("Resume", `Have ${desk.person} take calls again`, take(person), `${desk.person} takes calls again.`)
      : desk.person === me ? null : button("Pause", `Pause ${desk.person}`, put(person), `${desk.person} is not rung.`),
    desk.pause
      ? button("Ring phone", `Have ${desk.device} rung again`, take(phone), `${desk.device} is rung again.`)
      : button("Pause phone", `Pause the phone ${desk.device}`, put(phone), `${desk.device} is not rung.`),
    desk.rest ? button("End rest", `End the rest of ${desk.person ?? desk.device}`, take(`${at(desk.device)}/rest`), `${desk.person ?? desk.device} is left alone no longer.`) : null,
  ];
}

function row(desk, people) {
  const pause = people.find((worker) => worker.person === desk.person)?.pause;
  const state = !desk.is_registered ? "Not registered" : desk.pause ? `Phone ${paused(desk.pause).toLowerCase()}` : pause ? paused(pause) : rest(desk) ?? (desk.is_taken ? "Has a call" : "Registered");
  const out = desk.person === null ? null
    : h("button", { type: "button", "aria-label": `Sign ${desk.person} out of ${desk.device}`, onclick: () => leave(desk.device, desk.person) }, "Sign out");
  return h("tr", {},
    h("td", {}, desk.device), h("td", {}, desk.person ?? "–"), h("td", {}, skills(desk)), h("td", {}, state),
    h("td", { class: "right" }, desk.since_ms === null ? "–" : clock(Date.now() - desk.since_ms)),
    h("td", { class: "right" }, h("div", { class: "doing" }, doings(desk, pause), out)));
}
