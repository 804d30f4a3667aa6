// What was done with a call, by whom and when: where it was sent on, what was ordered of it, what was said to it, who called back.

import { h } from "./dom.js";
import { said } from "./orders.js";
import { VERDICTS, number } from "./words.js";

/** All that is said here of a call that went, or was to go, elsewhere. */
const SENT_ON = {
  blind: (by, to) => `${by} sent it on to ${to}`,
  attended: (by, to) => `${by} put it through to ${to}, having asked there`,
  taken_over: (by, to) => `${to} took it over from ${by}`,
  ordered: (by, to) => `The phones of ${to} were rung for it, while it was at ${by}`,
  overflow: (by, to) => `Nobody of queue ${by} took it: ${to} outside was rung`,
  next_queue: (by, to) => `Queue ${by} sent it on to queue ${to}`,
};
const OUTCOMES = { pending: "under way", completed: "", refused: "not allowed", failed: "nobody answered there", abandoned: "the call ended first" };
const WORDS = {
  calledBack: (by) => `${by} asked to call the organisation back`,
  notKnown: "Whether somebody called the organisation back is not known: the store is away",
  open: "Look at that call",
  heard: { caller: "The caller heard", called: "The person at the phone heard" },
  reported: (verdict) => `Reported: ${verdict}`,
  challenge: { passed: "pressed the two digits", failed: "did not press the two digits", unable: "could not be asked for two digits" },
};

/** `[milliseconds since it arrived, words, whether it is a move]` in no order. `open(id)` shows another call. */
export function moves(why, open) {
  const { call } = why;
  return [
    ...(call.transfers ?? []).map((one) => [one.at_ms, sentOn(one), true]),
    ...(call.orders ?? []).map((one) => [one.at_ms, one.why ? `${said(one)} (“${one.why}”)` : said(one), true]),
    ...(why.called_back ?? []).map((one) => [Math.max(0, one.at_ms - call.started_ms), [
      `${WORDS.calledBack(one.by)} `, h("button", { type: "button", class: "plain", onclick: () => open(one.call) }, WORDS.open),
    ], true]),
    ...(why.called_back === null ? [[Math.max(0, Date.now() - call.started_ms), WORDS.notKnown, true]] : []),
    ...(why.spoken ?? []).map((one) => [one.at_ms, `${WORDS.heard[one.to] ?? one.to} “${one.prompt}”`, false]),
    ...(call.report ? [[Math.max(0, call.report.at_ms - call.started_ms), reported(call.report), false]] : []),
  ];
}

/** How a caller did who was asked for two digits; null = he was not. */
export function challenged(facts) {
  return WORDS.challenge[facts?.talk?.challenge] ?? null;
}

function sentOn({ kind, by, to, outcome, status }) {
  const words = (SENT_ON[kind] ?? SENT_ON.blind)(by || "A phone", number(to));
  const code = status && status !== 200 ? ` (${status})` : "";
  return OUTCOMES[outcome] === "" ? words : `${words}: ${OUTCOMES[outcome] ?? outcome}${code}`;
}

function reported({ verdict, note }) {
  const words = WORDS.reported(VERDICTS[verdict] ?? verdict);
  return note ? `${words} (“${note}”)` : words;
}
