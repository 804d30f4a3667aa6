// Writing a policy: what is wrong with the text, and what it would change, is said while it is written. Nothing judges
// by it until it is saved and made live.

import { Refused, ask } from "./api.js";
import { h, show, text } from "./dom.js";
import { $, said, sent, submitted, sure } from "./page.js";

/** Where the text is kept that nobody saved: in this tab, until it is saved or given up, for whoever wrote it. */
const KEPT = "ringward-policy";
const PAUSE_MS = 350;
const SHOWN_MAX = 20;

let onSaved = () => {};
let who = "";
let timer = 0;
let turn = 0;

export function start(options) {
  onSaved = options.onSaved;
  who = options.who;
  const draft = kept();
  if (draft !== null) shown(draft, "What you wrote before is here again; it is not saved.");
}

/** What this person wrote and did not save; null = nothing. */
function kept() {
  const draft = sessionStorage.getItem(KEPT);
  if (draft === null) return null;
  const { who: whose, text: written } = JSON.parse(draft);
  return whose === who ? written : null;
}

/** Opens it with this text, unless another one stands there that nobody saved. */
export function open(original, words = "") {
  if (kept() !== null) {
    said("problem", "There is a text that you have not saved. Save it, or give it up first.");
    $("editor").scrollIntoView({ block: "start" });
    return;
  }
  shown(original, words);
}

function shown(original, words) {
  $("policy-text").value = original;
  text($("editor-hint"), words);
  text($("editor-head"), "");
  $("editor-verdict").replaceChildren();
  show($("editor"), true);
  soon(0);
  $("editor").scrollIntoView({ block: "start" });
  $("policy-text").focus({ preventScroll: true });
  $("policy-text").setSelectionRange(0, 0);
  $("policy-text").scrollTop = 0;
}

function close() {
  clearTimeout(timer);
  turn += 1;
  sessionStorage.removeItem(KEPT);
  $("editor").reset();
  show($("editor"), false);
  $("write").focus();
}

$("policy-text").addEventListener("input", () => {
  sessionStorage.setItem(KEPT, JSON.stringify({ who, text: $("policy-text").value }));
  soon(PAUSE_MS);
});
sure($("editor-close"), close);
$("editor").addEventListener("submit", (event) => {
  event.preventDefault();
  sent($("editor"), async () => {
    const body = { text: $("policy-text").value, reason: $("policy-reason").value };
    const { number } = await ask("/api/v1/policies", { method: "POST", body });
    // What was written meanwhile is not in it.
    if ($("policy-text").value === body.text) close();
    await onSaved();
    return `Saved as revision ${number}. It judges nobody yet: try it, let it watch, or make it live.`;
  });
});

function soon(ms) {
  clearTimeout(timer);
  timer = setTimeout(check, ms);
}

async function check() {
  const mine = ++turn;
  let found;
  try {
    found = verdict(await ask("/api/v1/policies/validate", { method: "POST", body: { text: $("policy-text").value } }));
  } catch (error) {
    if (!(error instanceof Refused) || error.status === 401) return;
    found = error.faults.length > 0 ? faulty(error.faults) : [h("p", { class: "problem" }, error.message)];
  }
  // More was written meanwhile: what is said of that counts.
  if (mine !== turn) return;
  const [head, ...rest] = found;
  $("editor-head").className = head.className;
  text($("editor-head"), head.textContent);
  $("editor-verdict").replaceChildren(...rest);
}

function faulty(faults) {
  return [
    h("p", { class: "problem" }, faults.length === 1 ? "It does not load: one fault." : `It does not load: ${faults.length} faults.`),
    h("ul", { class: "faults" }, faults.slice(0, SHOWN_MAX).map(place)),
    faults.length > SHOWN_MAX ? h("p", { class: "dim" }, `And ${faults.length - SHOWN_MAX} more.`) : null,
  ].filter(Boolean);
}

/** A fault or a warning; pressed, it shows its place in the text. */
function place(fault) {
  const meant = fault.suggestion ? ` Did you mean ${fault.suggestion}?` : "";
  return h("li", {}, h("button", { type: "button", class: "plain", onclick: () => select(fault.line) }, `Line ${fault.line}`), ` ${fault.message}.${meant}`);
}

function select(line) {
  const field = $("policy-text");
  const lines = field.value.split("\n");
  const from = lines.slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0);
  field.focus();
  field.setSelectionRange(from, from + (lines[line - 1] ?? "").length);
  field.scrollTop = Math.max(0, (line - 6) * (field.scrollHeight / Math.max(lines.length, 1)));
}

function verdict({ rules, warnings, regressions, changes, new_refusals: refusals }) {
  const list = (words, lines) => (lines.length === 0 ? [] : [h("p", {}, words), h("ul", { class: "faults" }, lines.slice(0, SHOWN_MAX)), lines.length > SHOWN_MAX ? h("p", { class: "dim" }, `And ${lines.length - SHOWN_MAX} more.`) : null]);
  return [
    h("p", { class: "fine" }, `It loads: ${rules === 1 ? "one rule" : `${rules} rules`}.`),
    refusals.length > 0 ? h("p", { class: "problem" }, `Rules that would refuse calls that are not refused now: ${refusals.join(", ")}. Somebody else has to agree before it is live.`) : null,
    ...list("What will surprise:", warnings.map(place)),
    ...list("Where it treats a worse call milder:", regressions.map((one) => h("li", {}, one.message))),
    ...(changes.length === 0 ? [h("p", {}, "In meaning it is what judges now.")] : list("What differs from the policy that judges now:", changes.map((one) => h("li", {}, difference(one))))),
  ].filter(Boolean);
}

export function difference({ kind, what, before, after }) {
  const from = before === undefined ? "" : `, before: ${before}`;
  const to = after === undefined ? "" : `, now: ${after}`;
  return `${kind.replaceAll("_", " ")}: ${what}${from}${to}`;
}

/** Opens it with the text of a revision. */
export const edit = (number) => submitted(async () => {
  const revision = await ask(`/api/v1/policies/${number}`);
  open(revision.text, `It begins with revision ${number}. That one stays as it is.`);
});
