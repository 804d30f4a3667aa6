// Policies: which revision judges, who wrote each and why, and what becomes of one.

import { ask } from "./api.js";
import { h, show, text } from "./dom.js";
import * as editor from "./editor.js";
import { $, dialog, submitted } from "./page.js";
import * as trial from "./trial.js";
import { when } from "./words.js";

let may = () => false;
let isOpen = false;
let live = null;

export async function open(has, who) {
  may = has;
  show($("roll-back"), has("supervisor", "policy-author", "policy-approver"));
  await submitted(look);
  if (!isOpen && has("policy-author")) editor.start({ onSaved: look, who });
  isOpen = true;
}

$("write").addEventListener("click", () => (live === null ? editor.open("") : editor.edit(live)));
$("roll-back").addEventListener("click", () =>
  reasoned("Roll back", "The revision that was live before judges again, at once. Nobody has to agree.", (reason) =>
    ask("/api/v1/policies/roll-back", { method: "POST", body: { reason } })));

async function look() {
  const book = await ask("/api/v1/policies");
  live = book.live;
  show($("write"), may("policy-author"));
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
  const isWatching = revision.number === book.shadow?.number;
  const { number } = revision;
  const button = (words, what) => h("button", { type: "button", "aria-label": `${words.replace("…", "")} revision ${number}`, onclick: () => what(number) }, words);
  const buttons = [
    button("Read", read),
    may("policy-author") ? button("Edit…", editor.edit) : null,
    isLive ? null : button("Changes", changes),
    may("policy-author", "policy-approver", "analyst") ? button("Try…", trial.open) : null,
    !isLive && may("policy-author") ? (isWatching ? button("Watch no more…", unwatch) : button("Let it watch…", watch)) : null,
    !isLive && may("policy-author") ? button("Activate…", activate) : null,
  ];
  return h("tr", {},
    h("td", { class: "right" }, String(revision.number)),
    h("td", {}, h("span", { class: "mono" }, revision.revision), isLive ? h("span", { class: "chip tone-ok" }, "Live") : null, isWatching ? h("span", { class: "chip tone-wait" }, "Watches") : null, number === book.rollout?.number ? h("span", { class: "chip tone-wait" }, `${book.rollout.percent} %`) : null),
    h("td", {}, revision.by),
    h("td", { class: "wide" }, revision.reason),
    h("td", {}, when(revision.at_ms, false)),
    h("td", { class: "right" }, h("div", { class: "buttons" }, buttons)));
}

const activate = (number) => {
  const share = h("input", { id: "share", type: "number", min: "1", max: "100", value: "100", required: true });
  const more = [h("label", { for: "share" }, "Of the callers, per cent (the same callers as long as it lasts)"), share];
  reasoned(`Activate revision ${number}`, "Calls are judged by it from their next decision on. If it refuses calls that are not refused now, it waits for somebody else to agree.", async (reason) => {
    const { state } = await ask(`/api/v1/policies/${number}/activate`, { method: "POST", body: { reason, percent: Number(share.value) } });
    return state === "proposed" ? "Proposed: somebody else has to agree." : "Live.";
  }, more);
};

const watch = (number) =>
  reasoned(`Let revision ${number} watch`, "It is asked about every call from the next one on, decides none, and what it would have done is counted. Of two that watch, the later one stays.", (reason) =>
    ask(`/api/v1/policies/${number}/shadow`, { method: "POST", body: { reason } }));

const unwatch = (number) =>
  reasoned(`Let revision ${number} watch no more`, "Its counts are gone then.", (reason) =>
    ask("/api/v1/policies/0/shadow", { method: "POST", body: { reason } }));

const approve = (number) =>
  reasoned(`Agree with revision ${number}`, "It is live at once.", (reason) =>
    ask(`/api/v1/policies/${number}/approve`, { method: "POST", body: { reason } }));

const read = (number) => submitted(async () => {
  const revision = await ask(`/api/v1/policies/${number}`);
  dialog(revision.revision, [h("pre", { class: "mono text", tabindex: "0" }, revision.text)]);
});

const changes = (number) => submitted(async () => {
  const found = await ask(`/api/v1/policies/${number}/changes`);
  const lines = found.changes.map((change) => h("li", {}, editor.difference(change)));
  const refusals = found.new_refusals.length > 0
    ? h("p", { class: "problem" }, `Rules that would refuse calls that are not refused now: ${found.new_refusals.join(", ")}.`)
    : h("p", {}, "It refuses no call that is not refused now.");
  dialog(`What revision ${number} changes`, [refusals, lines.length > 0 ? h("ul", { class: "list" }, lines) : h("p", {}, "Nothing in meaning.")]);
});

/** Asks why; the reason is kept for good. */
function reasoned(title, words, act, more = []) {
  const reason = h("input", { id: "reason", maxlength: "500", required: true, autocomplete: "off" });
  const form = h("form", { class: "fields", method: "post" },
    h("p", {}, words),
    h("label", { for: "reason" }, "Why (kept for good)"),
    reason,
    more,
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
