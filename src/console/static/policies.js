// Policies: which revision judges, who wrote each and why, and what becomes of one.

import { ask } from "./api.js";
import { h, show, text } from "./dom.js";
import { $, dialog, submitted } from "./page.js";
import { when } from "./words.js";

let may = () => false;

export async function open(has) {
  may = has;
  show($("roll-back"), has("supervisor", "policy-author", "policy-approver"));
  await submitted(look);
}

$("roll-back").addEventListener("click", () =>
  reasoned("Roll back", "The revision that was live before judges again, at once. Nobody has to agree.", (reason) =>
    ask("/api/v1/policies/roll-back", { method: "POST", body: { reason } })));

async function look() {
  const book = await ask("/api/v1/policies");
  const rollout = book.rollout ? ` Revision ${book.rollout.number} judges ${book.rollout.percent} % of the callers.` : "";
  const shadow = book.shadow
    ? ` Revision ${book.shadow.number} watches: of ${book.shadow.calls} calls it would have treated ${book.shadow.otherwise} otherwise (${book.shadow.newly_refused} newly refused, ${book.shadow.newly_allowed} newly allowed).`
    : "";
  text($("policy-live"), `${book.policy} judges.${rollout}${shadow}`);
  show($("proposal"), book.proposal !== null);
  if (book.proposal) $("proposal").replaceChildren(...waiting(book.proposal));
  $("revisions").replaceChildren(...book.revisions.map((revision) => row(revision, book)));
}

/** A revision that refuses calls waits for a second person. */
function waiting({ number, percent, by, reason, at_ms }) {
  const share = percent < 100 ? ` for ${percent} % of the callers` : "";
  return [
    h("p", {}, `${by} wants revision ${number} live${share} since ${when(at_ms, false)}: “${reason}”. It refuses calls that are not refused now, so somebody else has to agree.`),
    h("div", { class: "buttons" },
      h("button", { type: "button", onclick: () => changes(number) }, "What it changes"),
      may("policy-approver") ? h("button", { type: "button", class: "primary", onclick: () => approve(number) }, "Agree…") : null),
  ];
}

function row(revision, book) {
  const isLive = revision.number === book.live;
  const buttons = [
    h("button", { type: "button", onclick: () => read(revision.number) }, "Read"),
    isLive ? null : h("button", { type: "button", onclick: () => changes(revision.number) }, "Changes"),
    !isLive && may("policy-author") ? h("button", { type: "button", onclick: () => activate(revision.number) }, "Activate…") : null,
  ];
  return h("tr", {},
    h("td", { class: "right" }, String(revision.number)),
    h("td", {}, h("span", { class: "mono" }, revision.revision), isLive ? h("span", { class: "chip tone-ok" }, "Live") : null),
    h("td", {}, revision.by),
    h("td", { class: "wide" }, revision.reason),
    h("td", {}, when(revision.at_ms, false)),
    h("td", { class: "right" }, h("div", { class: "buttons" }, buttons)));
}

const activate = (number) =>
  reasoned(`Activate revision ${number}`, "Every call is judged by it from its next decision on. If it refuses calls that are not refused now, it waits for somebody else to agree.", async (reason) => {
    const { state } = await ask(`/api/v1/policies/${number}/activate`, { method: "POST", body: { reason } });
    return state === "proposed" ? "Proposed: somebody else has to agree." : "Live.";
  });

const approve = (number) =>
  reasoned(`Agree with revision ${number}`, "It is live at once.", (reason) =>
    ask(`/api/v1/policies/${number}/approve`, { method: "POST", body: { reason } }));

const read = (number) => submitted(async () => {
  const revision = await ask(`/api/v1/policies/${number}`);
  dialog(revision.revision, [h("pre", { class: "mono text", tabindex: "0" }, revision.text)]);
});

const changes = (number) => submitted(async () => {
  const found = await ask(`/api/v1/policies/${number}/changes`);
  const lines = found.changes.map((change) => h("li", {}, difference(change)));
  const refusals = found.new_refusals.length > 0
    ? h("p", { class: "problem" }, `Rules that would refuse calls that are not refused now: ${found.new_refusals.join(", ")}.`)
    : h("p", {}, "It refuses no call that is not refused now.");
  dialog(`What revision ${number} changes`, [refusals, lines.length > 0 ? h("ul", { class: "list" }, lines) : h("p", {}, "Nothing in meaning.")]);
});

function difference({ kind, what, before, after }) {
  const from = before === undefined ? "" : `, before: ${before}`;
  const to = after === undefined ? "" : `, now: ${after}`;
  return `${kind.replaceAll("_", " ")}: ${what}${from}${to}`;
}

/** Asks why; the reason is kept for good. */
function reasoned(title, words, act) {
  const reason = h("input", { id: "reason", maxlength: "500", required: true, autocomplete: "off" });
  const form = h("form", { class: "fields", method: "post" },
    h("p", {}, words),
    h("label", { for: "reason" }, "Why (kept for good)"),
    reason,
    h("div", { class: "buttons" }, h("button", { type: "submit", class: "primary" }, title)));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    $("dialog").close();
    submitted(async () => {
      const words = await act(reason.value);
      await look();
      return words;
    }, "Done; the audit has it.");
  });
  dialog(title, [form]);
  reason.focus();
}
