// Trying a revision before it judges: on calls that somebody wrote down, and on the calls that are kept.

import { ask } from "./api.js";
import { h, show, text } from "./dom.js";
import { $, sent, submitted, sure } from "./page.js";
import { LABELS } from "./words.js";

const LOOK_MS = 1000;
const DAY_MS = 24 * 3600 * 1000;
const COUNTS = [["newly_refused", "Newly refused"], ["newly_allowed", "Newly let through"], ["rerouted", "Sent elsewhere"], ["marked_otherwise", "Marked otherwise"], ["relabelled", "Another label"]];

let number = null;
/** The replay that is shown. */
let replayed = null;
let timer = 0;

/** Opens it for a revision, with what the last replay found. */
export const open = (wanted) => submitted(async () => {
  number = wanted;
  text($("trial-title"), `Try revision ${number}`);
  text($("trial-head"), "");
  $("trial-outcome").replaceChildren();
  show($("trial"), true);
  $("trial").scrollIntoView({ block: "start" });
  $("trial-calls").focus({ preventScroll: true });
  await look();
});

$("trial-close").addEventListener("click", () => {
  clearTimeout(timer);
  show($("trial"), false);
  $("write").focus();
});
$("trial-written").addEventListener("submit", (event) => {
  event.preventDefault();
  sent($("trial-written"), async () => {
    const mine = number;
    const done = await ask(`/api/v1/policies/${mine}/test`, { method: "POST", body: { calls: $("trial-calls").value } });
    // Another revision is tried by now: this says nothing of it.
    if (mine === number) outcome(done);
  });
});
$("trial-kept").addEventListener("submit", (event) => {
  event.preventDefault();
  submitted(async () => {
    const days = Number($("trial-days").value);
    const body = days === 0 ? {} : { since_ms: Date.now() - days * DAY_MS };
    await ask(`/api/v1/policies/${number}/replay`, { method: "POST", body });
    await look();
    $("trial-end").focus();
  });
});
sure($("trial-end"), () => submitted(async () => {
  if (replayed) await ask(`/api/v1/policies/replay?id=${replayed}`, { method: "DELETE" });
  await look();
}));

function outcome({ calls, failed, trials }) {
  const rows = trials.map((trial) => h("li", {}, h("span", { class: `chip tone-${trial.failures.length === 0 ? "ok" : "bad"}` }, trial.failures.length === 0 ? "As expected" : "Not so"), ` ${trial.title}`,
    trial.failures.length === 0 ? null : h("ul", { class: "list" }, trial.failures.map((line) => h("li", { class: "problem" }, line)))));
  const head = calls === 0 ? "No call is written down there." : failed === 0 ? `All ${calls} calls went as expected.` : `${failed} of ${calls} calls went otherwise than expected.`;
  $("trial-head").className = failed === 0 ? "fine" : "problem";
  text($("trial-head"), head);
  $("trial-outcome").replaceChildren(h("ul", { class: "faults" }, rows));
}

async function look() {
  clearTimeout(timer);
  const replay = await ask("/api/v1/policies/replay");
  const isRunning = Boolean(replay?.is_running);
  replayed = replay?.id ?? null;
  const isLeft = !isRunning && document.activeElement === $("trial-end");
  $("trial-start").disabled = isRunning;
  if (isLeft) $("trial-start").focus();
  show($("trial-end"), isRunning);
  const [head, ...rest] = replay ? found(replay) : [h("p")];
  text($("replay-head"), head.textContent);
  $("trial-found").replaceChildren(...rest);
  if (isRunning) again();
}

/** Looks again by itself, as long as somebody can see it; what it cannot ask for now it asks for later. */
function again() {
  clearTimeout(timer);
  if ($("trial").hidden) return;
  timer = setTimeout(() => look().catch((error) => {
    text($("replay-head"), error.message);
    if (error.status !== 401) again();
  }), LOOK_MS);
}

const many = (count) => count.toLocaleString("en");

function found(replay) {
  const whose = `Revision ${replay.number}, wanted by ${replay.by}`;
  if (replay.is_running) return [h("p", {}, `${whose}: ${many(replay.calls)} calls looked at so far…`)];
  if (replay.problem) return [h("p", {}, `${whose}: ${replay.problem}. ${many(replay.calls)} calls had been looked at.`)];
  const { result } = replay;
  const kept = replay.not_replayable === 0 ? "" : `, ${many(replay.not_replayable)} of them without what a decision needs`;
  const head = h("p", {}, `${whose}: ${many(replay.calls)} calls in ${(replay.took_ms / 1000).toFixed(1)} s${kept}.`);
  const all = COUNTS.reduce((sum, [name]) => sum + result.total[name], 0);
  if (all === 0) return [head, h("p", { class: "fine" }, "It would have treated each of them as it was treated.")];
  const lines = [["All", result.total], ...Object.entries(result.by_queue).map(([name, counts]) => [`Queue ${name}`, counts]), ...Object.entries(result.by_list).map(([name, counts]) => [`On the list ${name}`, counts])];
  const table = h("table", { class: "table" },
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Calls"), COUNTS.map(([, words]) => h("th", { scope: "col", class: "right" }, words)))),
    h("tbody", {}, lines.map(([name, counts]) => h("tr", {}, h("th", { scope: "row" }, name), COUNTS.map(([key]) => h("td", { class: "right" }, many(counts[key])))))));
  const by = Object.entries(result.refused_by).map(([rule, count]) => h("li", {}, `Rule ${rule} would refuse ${many(count)} that were not refused.`));
  const labels = Object.entries(result.labels).map(([way, count]) => h("li", {}, `${label(way)}: ${many(count)}`));
  return [head, h("div", { class: "scroller", tabindex: "0", role: "region", "aria-label": "What would have been otherwise" }, table), by.length + labels.length > 0 ? h("ul", { class: "list" }, by, labels) : null].filter(Boolean);
}

/** `unproven -> suspect` as the banner says them. */
const label = (way) => way.split(" -> ").map((one) => `“${(LABELS[one] ?? [one])[0]}”`).join(" becomes ");
