// What is wrong with the gateway itself: lists of trust, its clock, its own test of the verifier.

import { ask } from "./api.js";
import { h, show } from "./dom.js";
import { when } from "./words.js";

const EVERY_MS = 30000;
const LISTS = {
  trust_list_authority: "The certificate of the trust list's authority", anchors: "The trust anchors", private_anchors: "The private trust anchors",
  trust_list: "The signed trust list", crl_signers: "The certificates of revocation lists", crl: "The revocation list",
};

const REST = { label: "are met as policy says", challenge: "are asked before anything rings", refuse: "hear that nobody is there" };

let place = null;
let timer = null;
/** Whether who is signed in may open the page of alarms. */
let mayWatch = false;

export function start(node, watches) {
  place = node;
  mayWatch = watches;
  stop();
  look();
}

export function stop() {
  clearTimeout(timer);
  timer = null;
  if (place) show(place, false);
}

async function look() {
  const own = setTimeout(look, EVERY_MS);
  timer = own;
  // No answer is told by the connection's own line.
  const status = await ask("/api/v1/status").catch(() => null);
  if (timer !== own || status === null) return;
  const lines = words(status.gateway ?? {});
  place.replaceChildren(...lines.map((line) => h("span", {}, line)));
  show(place, lines.length > 0);
}

/** One line for each thing that is wrong; none when nothing is. */
export function words(gateway) {
  const lines = [];
  if (gateway.lockdown) lines.push(lockdown(gateway.lockdown));
  if (mayWatch && gateway.alarms?.open > 0) lines.push(`${gateway.alarms.open === 1 ? "An alarm is" : `${gateway.alarms.open} alarms are`} open, ${gateway.alarms.worst} at worst: see Administration, Alarms.`);
  if (gateway.tdos?.is_on) lines.push(`A flood of calls${gateway.tdos.trunks?.length ? ` through ${gateway.tdos.trunks.join(", ")}` : ""}: callers for whom nothing speaks ${REST[gateway.tdos.rest] ?? "are held back"}. Who is verified or known comes through.`);
  lines.push(...(gateway.lists ?? []).filter((list) => list.is_stale || list.problem).map(list));
  const shift = gateway.clock_shift_seconds;
  if (shift) lines.push(`This machine's clock is probably wrong: it seems to be ${Math.abs(shift)} seconds ${shift > 0 ? "ahead" : "behind"}.`);
  if (gateway.selftest && gateway.selftest.passed === false) lines.push("The self-test of the verifier has failed: see the log.");
  return lines;
}

/** In one line: what a lockdown is, who ordered it and why. */
export function lockdown({ by, why, since_ms, undo_asked_by }) {
  const asked = undo_asked_by ? ` ${undo_asked_by} has asked for its end; another administrator has to confirm that.` : "";
  return `Lockdown since ${when(since_ms)}, by ${by}: ${why}. Calls come in; phones cannot move to another address or transfer calls.${asked}`;
}

function list(of) {
  const name = `${LISTS[of.kind] ?? of.kind} (${of.source})`;
  if (!of.is_in_force) return `${name} is not at hand: ${of.problem ?? "not read yet"}. Calls it is needed for read "could not be checked".`;
  if (of.is_stale) return `${name} is out of date${of.problem ? `: ${of.problem}` : ""}.`;
  return `${name} cannot be renewed: ${of.problem}. The one in force stays.`;
}
