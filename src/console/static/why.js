// Why: everything behind one call's banner and fate, as a side sheet.

import { ask, report } from "./api.js";
import * as callback from "./callback.js";
import { h, icon, show, text } from "./dom.js";
import { ladder } from "./ladder.js";
import { challenged, moves } from "./moves.js";
import { may } from "./orders.js";
import { timeline } from "./timeline.js";
import { ENDINGS, LABELS, NUMBER, STATES, VERDICTS, VOICE, callBack, capitalised, detail, nameOf, number, numberLight, signed, span, talked, voiceLight, when, whose } from "./words.js";

const dialog = document.getElementById("why");
let onReport = () => {};
let shown = null;

export function start(options) {
  onReport = options.onReport;
  // A click beside the sheet closes it.
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  dialog.addEventListener("close", () => {
    shown = null;
  });
}

export async function open(id) {
  shown = id;
  let why;
  try {
    why = await ask(`/api/v1/calls/${encodeURIComponent(id)}/why`);
  } catch (error) {
    dialog.replaceChildren(head("Not shown", error.message));
    if (!dialog.open) dialog.showModal();
    return;
  }
  if (shown !== id) return;
  dialog.replaceChildren(...sheet(why));
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
}

export function close() {
  if (dialog.open) dialog.close();
}

function head(title, line) {
  return h("div", { class: "why-head" }, h("h2", { id: "why-title" }, title), h("p", {}, line),
    h("button", { type: "button", onclick: () => dialog.close(), autofocus: true }, "Close"));
}

function sheet(why) {
  const { call } = why;
  const latest = why.decisions[why.decisions.length - 1];
  const line = [nameOf(call) ? number(call.caller) : null, `${when(call.started_ms)}`, call.erased_ms ? null : `for ${number(call.called)}`].filter(Boolean).join(" · ");
  return [
    head(call.call_back_of ? `Calling back ${call.call_back_of.organisation}` : nameOf(call) ?? whose(call), line),
    h("div", { class: "why-body" },
      call.erased_ms ? h("p", { class: "quiet" }, "What this call said of people was erased for good. It cannot be decided again.") : null,
      section("What the person was told", lights(call), ...(call.banner?.reasons ?? []).length > 0 ? [h("ul", { class: "reasons" }, call.banner.reasons.map((reason) => h("li", {}, reason)))] : [],
        ...[call.banner?.name_text, call.banner?.call_reason].filter(Boolean).map((line) => h("p", {}, line)),
        call.banner?.say ? h("p", { class: "say" }, h("span", {}, "Suggested"), call.banner.say) : null,
        callBack(call) ? h("p", {}, callBack(call)) : null,
        may().order && call.direction !== "outbound" ? h("div", { class: "doing" }, h("button", { type: "button", onclick: () => callback.open(call) }, "Call back…")) : null),
      call.erased_ms ? null : said(call),
      section("What was found", latest ? findings(latest) : h("p", { class: "quiet" }, "No decision was made.")),
      section("Rules that applied", latest ? rules(latest) : null),
      listed(why.facts?.lists ?? []),
      asked(why),
      otherwise(why),
      evidence(why),
      section("Who signed", identity(why.identity)),
      section("How it went", steps(why)),
      section("SIP, message by message", ladder(why.signals ?? [])),
      why.media ? section("Media", media(why.media)) : null,
      section("Everything policy could see", facts(why.facts))),
  ];
}

function section(title, ...children) {
  return h("section", { class: "sheet" }, h("h3", {}, title), ...children);
}

function lights(call) {
  const tile = (of, light, line) => {
    const more = detail(line, light.is);
    return h("div", { class: `light tone-${light.tone}` }, icon(light.tone), h("p", { class: "of" }, of), h("p", { class: "is" }, light.is), more ? h("p", { class: "more" }, more) : null);
  };
  return h("div", { class: "lights" }, tile("Number", numberLight(call), call.banner?.number_text), tile("Voice", voiceLight(call), call.banner?.voice_text));
}

function said(call) {
  const note = h("input", { type: "text", maxlength: "2000", value: call.report?.note ?? "", placeholder: "Note (optional)", "aria-label": "Note" });
  const problem = h("p", { class: "problem", role: "alert", hidden: true });
  const buttons = Object.entries(VERDICTS).map(([verdict, word]) => h("button", {
    type: "button", "aria-pressed": String(call.report?.verdict === verdict), "data-verdict": verdict,
    onclick: async () => {
      try {
        const made = await report(call.id, verdict, note.value.trim());
        for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.verdict === made.verdict));
        show(problem, false);
        onReport(call.id, made);
      } catch (error) {
        text(problem, error.message);
        show(problem, true);
      }
    },
  }, word));
  return section("What you say about it", h("div", { class: "note" }, note, h("div", { class: "doing" }, buttons), problem));
}

function findings(decision) {
  const rows = decision.findings.map((finding) => h("tr", {},
    h("th", { scope: "row" }, capitalised(finding.meaning), h("span", { class: "tag" }, finding.tag)), weight(finding.tenths)));
  return h("table", {}, h("tbody", {}, rows, h("tr", { class: "sum" }, h("th", { scope: "row" }, together(decision)), weight(decision.tenths))));
}

/** Which entries of the lists the call met, and why they stand there. */
function listed(entries) {
  if (entries.length === 0) return null;
  const met = (entry) => (entry.is_name ? (entry.is_number ? "name and number" : "name") : "number");
  return section("On the lists", h("ul", { class: "reasons" }, entries.map((entry) =>
    h("li", {}, `${entry.list}, entry ${entry.entry}: the ${met(entry)} shown is ${entry.what}. ${capitalised(entry.reason)}`))));
}

function together(decision) {
  const from = decision.suspect_at_tenths;
  return from == null ? "Together (higher is worse)" : `Together (higher is worse; suspect from ${(from / 10).toFixed(1)})`;
}

const RESULTS = { true: "true", false: "false", error: "failed", other_stage: "for another stage", elsewhere: "for other queues, trunks or hours", off: "off" };

/** The rules of the first decision, in their order: it is the one that let the call in, or did not. */
function asked(why) {
  const first = why.decisions[0];
  if (!first || (first.asked ?? []).length === 0) return null;
  const rows = first.asked.map((rule) => h("tr", { class: rule.decided ? "sum" : "" },
    h("th", { scope: "row" }, rule.when.replace(/\s+/g, " "), h("span", { class: "tag" }, rule.decided ? `${rule.rule}: decided` : rule.mode === "shadow" ? `${rule.rule}: only watched` : rule.rule)),
    h("td", { class: "weight" }, RESULTS[rule.result] ?? rule.result)));
  return section("Every rule, as the call arrived", h("table", {}, h("tbody", {}, rows)),
    first.again === "differs" ? h("p", { class: "problem" }, "Made again, the decision comes out otherwise: please report this.") : null);
}

/** An action as a policy writes it, in words for people. */
function done(action) {
  return action.replace(/^deliver$/, "delivered as it came").replace(/^label$/, "delivered with its label").replace(/^divert /, "diverted ").replace(/^refuse/, "refused");
}

/** What would have had to be different. */
function otherwise(why) {
  const change = why.smallest_change;
  if (!change) return null;
  const label = (LABELS[change.label] ?? [change.label])[0];
  return section("What would have changed it", h("p", {}, `If ${change.changes.join(", and ")}, the call would have been ${done(change.action)} and shown as “${label}”.`),
    change.rule ? h("p", { class: "quiet" }, `By rule ${change.rule}.`) : null);
}

function weight(tenths) {
  return h("td", { class: `weight ${tenths > 0 ? "worse" : tenths < 0 ? "better" : ""}` }, signed(tenths / 10));
}

function rules(decision) {
  const row = (rule, isError) => h("tr", {}, h("th", { scope: "row" }, rule.reason, h("span", { class: "tag" }, isError ? `${rule.rule}: could not be evaluated, counts as not matched` : rule.rule)));
  const rows = [...decision.rules.map((rule) => row(rule, false)), ...decision.errors.map((rule) => row(rule, true))];
  return h("div", {},
    rows.length > 0 ? h("table", {}, h("tbody", {}, rows)) : h("p", {}, "None: the call was treated as the policy treats every call."),
    h("p", { class: "quiet" }, `Action: ${action(decision.action)} · policy ${decision.policy}`));
}

function action(done) {
  const extra = done.queue ?? done.status;
  return extra === undefined ? done.do : `${done.do} ${extra}`;
}

function evidence(why) {
  const line = timeline(why, moves(why, open).filter(([, , isMove]) => isMove).map(([at]) => at));
  if (why.evidence.length === 0) return section("The call over time", line, h("p", { class: "quiet" }, "Nothing of the voice was heard."));
  const voice = why.call.voice;
  return section("The call over time, and the voice second by second", line, definitions([
    ["Evidence in all", voice ? `${signed(voice.llr, 2)} (natural log; positive = person)` : "–"],
    ["Heard", voice ? `${voice.seconds.toFixed(0)} s, of that ${voice.speech_seconds.toFixed(0)} s speech` : "–"],
    ["Second opinions", why.second_opinions.length === 0 ? "none" : `${why.second_opinions.length}, the latest ${signed(why.second_opinions.at(-1).llr, 2)}`],
    ["Habits of machines", voice && voice.cues.length > 0 ? voice.cues.map((cue) => `${cue.cue.replaceAll("_", " ")} (at ${cue.at.toFixed(1)} s: ${cue.amount.toFixed(1)} ${cue.amount_of})`).join(", ") : "none heard"],
    ["Model", why.model ?? "off"],
  ]));
}

const CHECK_TONES = { passed: "ok", failed: "bad", unavailable: "warn", skipped: "wait" };

function identity(report) {
  if (!report) return h("p", { class: "quiet" }, "Not known.");
  const headers = (report.headers ?? []).map((header) => h("div", { class: "note" },
    h("p", {}, `${header.ppt ?? "Identity"}: ${header.reason}`, header.code ? ` (${header.code})` : ""),
    h("p", { class: "checks" }, (header.checks ?? []).map((check) => h("span", { class: `chip tone-${CHECK_TONES[check.result] ?? "wait"}`, title: check.result }, `${check.name} ${check.result}`)))));
  const signer = report.signer;
  return h("div", { class: "note" }, headers.length > 0 ? headers : h("p", {}, "Nobody: the call carried no signature."),
    definitions([
      ["Standing", capitalised(report.standing)], ["Attestation", report.attestation],
      ["Forwarded", report.hops?.length ? `${report.hops.length} times, each signed: ${report.hops.map((hop) => hop.signer?.spc ?? hop.signer?.subject ?? "?").join(", ")}` : null],
      ["Certificate", signer?.subject], ["Provider code", signer?.spc], ["Fingerprint", signer?.fingerprint],
      ["Signed before arrival", report.iat_age_seconds === null || report.iat_age_seconds === undefined ? null : `${report.iat_age_seconds} s`],
      ["Told to phones (verstat)", report.verstat],
    ]));
}

function steps(why) {
  const { call } = why;
  const { timings } = call;
  const list = [[0, began(call)]];
  const add = (at, words) => {
    if (at !== null && at !== undefined) list.push([at, words]);
  };
  add(timings.identity_ms, "Signature judged");
  for (const decision of why.decisions) add(decision.at_ms, `Decided (${decision.stage}): ${LABELS[decision.label]?.[0] ?? decision.label}, ${action(decision.action)}`);
  for (const change of why.banners) add(change.at_ms, `Shown: number ${NUMBER[change.banner.number]?.is.toLowerCase()}, voice ${VOICE[change.banner.voice]?.is.toLowerCase()}`);
  for (const attempt of why.attempts) add(attempt.at_ms, `Rang ${attempt.target}${attempt.person ? ` (${attempt.person})` : ""}${attempt.status ? `: ${attempt.status}` : ""}${attempt.why ? ` (${attempt.why})` : ""}${(attempt.tries ?? []).map((one) => `; ${one.address || "no address"}: ${one.status}`).join("")}`);
  add(timings.ringing_ms, "Ringing");
  add(timings.answered_ms, `Answered by ${answerer(why)}`);
  for (const [at, words] of moves(why, open)) add(at, words);
  if (timings.ended_ms !== null) add(timings.ended_ms, `Ended by ${{ caller: "the caller", called: "us at the desk", us: "the gateway" }[call.outcome?.by] ?? "a party"}`);
  list.sort((a, b) => a[0] - b[0]);
  const outcome = call.outcome;
  return h("div", { class: "note" },
    h("ol", { class: "steps" }, list.map(([at, words]) => h("li", {}, h("time", {}, span(at)), h("span", {}, words)))),
    definitions([
      ["State", STATES[call.state]], ["Outcome", outcome ? ENDINGS[outcome.ending] : null], ["SIP status to the caller", outcome?.status || null],
      ["Talked", talked(call)], ["Queue", call.queue], ["The caller", challenged(why.facts)], ["Encrypted", encrypted(call.srtp)], ["Note", outcome?.note], ["Call", call.id],
    ]));
}

/** Who picked up first: the call may be with somebody else by now. */
function answerer({ call, attempts }) {
  const left = (call.transfers ?? []).find((one) => one.outcome === "completed" && !["overflow", "next_queue"].includes(one.kind));
  const phone = left?.by || call.answered_by || "a phone";
  const person = left ? attempts.find((attempt) => attempt.status === 200)?.person : call.person;
  return person ? `${phone} (${person})` : phone;
}

/** Who began it; whom one of us called back for another call is told with a way there. */
function began(call) {
  const back = call.call_back_of;
  if (back) {
    const look = h("button", { type: "button", class: "plain", onclick: () => open(back.call) }, "Look at the call that is answered");
    return [`${call.person ?? "Somebody"} calls ${back.organisation} back `, look];
  }
  return call.direction === "outbound" ? "Begun by a phone of ours" : `Arrived by trunk ${call.trunk}`;
}

// What is said of a leg whose keys did not come: nothing of it is heard.
const NO_KEYS = {
  dtls_pending: "waits for keys",
  dtls_mismatch: "silent: its certificate is not the one it announced",
  dtls_failed: "silent: no keys came",
};

// Which legs have SRTP, and with what; nothing where both are plain.
function encrypted(legs) {
  const side = (name, suite, keys) => (suite || NO_KEYS[keys]) && `${name} ${suite || NO_KEYS[keys]}`;
  return [side("caller", legs?.caller, legs?.caller_keys), side("desk", legs?.called, legs?.called_keys)].filter(Boolean).join(", ");
}

// What the other end says of it, where it said anything.
function score(of) {
  const parts = [
    of.reported_lost !== undefined && `${of.reported_lost} lost at the other end`,
    of.round_trip_ms !== undefined && `round trip ${Number(of.round_trip_ms).toFixed(0)} ms`,
    of.translated > 0 && `${of.translated} translated`,
    of.keys_pressed > 0 && `${of.keys_pressed} keys pressed`,
    of.mos !== undefined && `sound about ${Number(of.mos).toFixed(1)} of 4.5`,
  ].filter(Boolean);
  return parts.length ? `, ${parts.join(", ")}` : "";
}

function media(both) {
  const side = (name, of) => [name, of ? `${of.packets} packets, ${of.lost} lost, ${of.dropped} refused, jitter ${Number(of.jitter_ms ?? 0).toFixed(1)} ms${score(of)}` : null];
  return definitions([side("From the caller", both.from_caller), side("From the desk", both.from_called)]);
}

function facts(all) {
  const list = [];
  const walk = (name, value) => {
    if (value !== null && typeof value === "object" && !Array.isArray(value)) {
      for (const [key, inner] of Object.entries(value)) walk(name ? `${name}.${key}` : key, inner);
    } else {
      list.push([name, value === null ? "not known" : Array.isArray(value) ? value.map(plain).join(", ") : String(value)]);
    }
  };
  walk("", all ?? {});
  return h("details", {}, h("summary", {}, `${list.length} facts`), definitions(list));
}

/** A thing of several parts in one line. */
function plain(value) {
  return value !== null && typeof value === "object" ? Object.entries(value).map(([key, inner]) => `${key} ${inner}`).join(" ") : String(value);
}

function definitions(pairs) {
  const known = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return h("dl", { class: "facts" }, known.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, String(value))]));
}
