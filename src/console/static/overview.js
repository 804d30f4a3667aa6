// What came in, what became of it, what was shown, and what people said of it: counted, for those who watch over it.

import * as alarms from "./alarms.js";
import { ask } from "./api.js";
import { count, csv, mean, percent } from "./counts.js";
import { h, show, text } from "./dom.js";
import { $, said, start } from "./page.js";
import { meter, plot } from "./plot.js";
import { ENDINGS, LABELS, VOICE, clock, span } from "./words.js";

const HOUR = 3600000;
/** Whom the counts are for; everybody else has the calls. */
const THOSE = ["supervisor", "analyst", "auditor", "admin"];
const ATTESTATIONS = {
  A: "Signed (A)", B: "Signed (B)", C: "Signed (C)", verified: "Signed",
  failed: "Signature failed", diverted: "Diverted, not proven", unchecked: "Could not be checked", none: "Not signed",
};
const SHARES = [
  ["label", "What the banner said", (name) => LABELS[name]?.[0] ?? "No label"],
  ["attestation", "Who signed for the number", (name) => ATTESTATIONS[name] ?? name],
  ["voice", "The voice, at last", (name) => (name === "pending" || name === "" ? "Not heard" : VOICE[name]?.is ?? name)],
  ["ending", "How calls ended", (name) => ENDINGS[name] ?? "Unknown"],
];
const TABLES = [
  ["queue", "Queues", "Queue", "No queue"],
  ["answered_by", "Phones that answered", "Phone", "Nobody, or erased"],
  ["signer", "Signers", "Provider code", "Not signed, or without a code"],
];
const COLUMNS = [
  ["Calls", (line) => line.calls], ["Answered", (line) => line.answered], ["Missed", (line) => line.missed], ["Refused", (line) => line.refused],
  ["Wait, average", (line) => span(mean(line.wait_ms, line.answered))], ["Talk, average", (line) => length(mean(line.talk_ms, line.answered))],
  ["Warned", (line) => line.warned], ["Scams reported", (line) => line.said_scam], ["False alarms", (line) => line.false_alarms],
];
const PEOPLE = [
  ["Rung", (line) => line.rung], ["Answered", (line) => line.answered], ["Missed", (line) => line.missed], ["Declined", (line) => line.declined],
  ["Wait, average", (line) => span(mean(line.wait_ms, line.answered))], ["Talk, average", (line) => length(mean(line.talk_ms, line.answered))],
  ["Scams reported", (line) => line.said_scam], ["False alarms", (line) => line.false_alarms],
];
const EMPTY = {
  calls: 0, answered: 0, missed: 0, refused: 0, failed: 0, wait_ms: 0, talk_ms: 0, warned: 0, said_good: 0, said_unsure: 0, said_scam: 0,
  false_alarms: 0, unwarned_scams: 0,
};
let running = null;

start(async (session) => {
  if (session.is_to_enrol || session.is_to_prove || !session.roles.some((role) => THOSE.includes(role))) {
    location.assign("/");
    return;
  }
  show($("to-account"), session.is_account);
  alarms.start($("alarms"));
  $("scope").addEventListener("change", load);
  $("scope").addEventListener("submit", (event) => event.preventDefault());
  $("stop").addEventListener("click", () => running?.abort());
  $("print").addEventListener("click", () => window.print());
  // Everything has its place before it is counted: nothing moves when it is.
  const { by, since, until } = chosen();
  draw({ all: {}, tables: {} }, by, since, until);
  show(document.querySelector("main"), true);
  const status = await ask("/api/v1/status").catch(() => null);
  for (const queue of status?.gateway?.queues ?? []) $("scope").queue.append(h("option", { value: queue }, queue));
  await load();
});

/** What is counted, and since when, as it is chosen. */
function chosen() {
  const days = Number($("scope").period.value);
  const by = days === 1 ? "hour" : "day";
  const until = Date.now();
  return { by, until, since: startOf(by, until - (days === 1 ? 23 * HOUR : (days - 1) * 24 * HOUR)) };
}

async function load() {
  running?.abort();
  const mine = (running = new AbortController());
  const { by, until, since } = chosen();
  const scope = {
    by: [by, ...SHARES.map(([name]) => name), ...TABLES.map(([name]) => name)].join(","),
    since_ms: since, direction: $("scope").direction.value, zone_minutes: -new Date().getTimezoneOffset(),
  };
  if ($("scope").queue.value) scope.queue = $("scope").queue.value;
  show($("stop"), true);
  text($("progress"), "Counting…");
  $("people").replaceChildren();
  said("problem", "");
  try {
    const whole = await count(scope, (part) => {
      if (mine !== running || mine.signal.aborted) return;
      text($("progress"), `${(part.all.calls ?? 0).toLocaleString()} calls counted so far…`);
      draw(part, by, since, until);
    }, mine.signal);
    if (mine !== running) return;
    await people(scope, mine);
    if (mine !== running) return;
    text($("progress"), whole.isWhole ? "" : "Stopped: only the newest calls of the period are counted.");
  } catch (error) {
    if (mine !== running) return;
    text($("progress"), "");
    if (error.status !== 401) said("problem", error.message);
  }
  show($("stop"), false);
}

/** What each person did, page after page. */
async function people(scope, mine) {
  const all = {};
  let cursor = null;
  do {
    const query = new URLSearchParams({ since_ms: scope.since_ms });
    if (scope.queue) query.set("queue", scope.queue);
    if (cursor) query.set("cursor", cursor);
    const page = await ask(`/api/v1/reports/people?${query}`);
    if (mine !== running || mine.signal.aborted) return;
    for (const [person, line] of Object.entries(page.people)) {
      const sum = (all[person] ??= {});
      for (const [field, value] of Object.entries(line)) sum[field] = (sum[field] ?? 0) + value;
    }
    cursor = page.next;
  } while (cursor);
  const rows = Object.entries(all).sort(([a, x], [b, y]) => y.rung - x.rung || a.localeCompare(b));
  $("people").replaceChildren(part("People", table("People", "Person", rows, PEOPLE), () => save("people", "person", rows, Object.keys(rows[0]?.[1] ?? {}))));
}

function startOf(by, ms) {
  const date = new Date(ms);
  if (by === "hour") date.setMinutes(0, 0, 0);
  else date.setHours(0, 0, 0, 0);
  return date.getTime();
}

/** Every hour or day of the period in its order, also those without a call. */
function times(by, since, until) {
  const two = (value) => String(value).padStart(2, "0");
  const all = [];
  for (const date = new Date(since); date.getTime() <= until; by === "hour" ? date.setHours(date.getHours() + 1) : date.setDate(date.getDate() + 1)) {
    const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
    const shown = date.toLocaleDateString([], { weekday: "short", day: "numeric", month: "short" });
    all.push(by === "hour" ? [`${day}T${two(date.getHours())}`, `${two(date.getHours())}:00`] : [day, shown]);
  }
  return all;
}

function draw(report, by, since, until) {
  const all = { ...EMPTY, ...report.all };
  tiles(all);
  const lines = times(by, since, until).map(([key, name]) => ({ key, name, line: { ...EMPTY, ...report.tables[by]?.[key] } }));
  const per = by === "hour" ? "hour" : "day";
  plot($("calls-plot"), {
    bars: lines.map(({ name, line }) => ({ name, line, parts: [line.answered, line.missed, line.refused + line.failed] })),
    kinds: ["answered", "missed", "refused"], label: `Calls per ${per}; the table below has the numbers`,
    words: ({ name, line }) => `${name}: ${line.answered} answered, ${line.missed} missed, ${line.refused + line.failed} refused or failed`,
  });
  plot($("warned-plot"), {
    bars: lines.map(({ name, line }) => ({ name, line, parts: [Math.max(0, line.warned - (line.said_scam - line.unwarned_scams)), line.said_scam] })),
    kinds: ["warned", "scam"], label: `Warned and reported calls per ${per}; the table below has the numbers`,
    words: ({ name, line }) => `${name}: ${line.warned} warned, ${line.said_scam} reported as scams`,
  });
  $("time-table").replaceChildren(table(`Calls per ${per}`, by === "hour" ? "Hour" : "Day", lines.map(({ name, line }) => [name, line])));
  $("shares").replaceChildren(...SHARES.map(([name, title, words]) => share(title, sorted(report.tables[name]), all.calls, words)));
  $("tables").replaceChildren(...TABLES.map(([name, title, head, none]) => {
    const rows = sorted(report.tables[name]).map(([key, line]) => [key || none, line]);
    return part(title, table(title, head, rows), () => save(name, head, rows));
  }));
}

function tiles(all) {
  const tile = (name, value, more = "") => h("div", {}, h("dt", {}, name), h("dd", {}, value), more ? h("dd", { class: "more" }, more) : null);
  $("tiles").replaceChildren(
    tile("Calls", all.calls.toLocaleString()),
    tile("Answered", percent(all.answered, all.calls), `${all.answered.toLocaleString()} of them`),
    tile("Missed", percent(all.missed, all.calls), `${all.missed.toLocaleString()}: gave up, or nobody answered`),
    tile("Refused", percent(all.refused, all.calls), `${all.refused.toLocaleString()} by policy`),
    tile("Wait", span(mean(all.wait_ms, all.answered)), "on average, until answered"),
    tile("Warned", percent(all.warned, all.calls), `${all.warned.toLocaleString()} banners`),
    tile("Scams reported", all.said_scam.toLocaleString(), `${all.unwarned_scams.toLocaleString()} without a warning`),
    tile("False alarms", all.false_alarms.toLocaleString(), "warned, and reported as good"));
}

/** The most calls first. */
function sorted(lines) {
  return Object.entries(lines ?? {}).sort(([a, x], [b, y]) => y.calls - x.calls || a.localeCompare(b));
}

function share(title, lines, calls, words) {
  const rows = lines.map(([name, line]) => h("tr", {},
    h("th", { scope: "row" }, words(name)), h("td", { class: "right" }, line.calls.toLocaleString()),
    h("td", {}, meter(calls > 0 ? line.calls / calls : 0)), h("td", { class: "right dim" }, percent(line.calls, calls))));
  const head = h("tr", {}, h("th", { scope: "col" }, h("span", { class: "spoken" }, title)), h("th", { scope: "col", class: "right" }, "Calls"),
    h("th", { scope: "col", colspan: "2", class: "right" }, "Share"));
  return part(title, rows.length ? h("table", { class: "table" }, h("caption", {}, title), h("thead", {}, head), h("tbody", {}, ...rows)) : nothing());
}

const nothing = () => h("p", { class: "quiet" }, "No calls in this period.");

function part(title, content, onSave = null) {
  const save = onSave ? h("button", { type: "button", onclick: onSave, "aria-label": `${title} as CSV` }, "CSV") : null;
  const wide = onSave ? h("div", { class: "scroller", tabindex: "0", role: "region", "aria-label": title }, content) : content;
  return h("section", { class: "part" }, h("div", { class: "bar" }, h("h2", {}, title), save), wide);
}

function table(title, head, rows, columns = COLUMNS) {
  if (rows.length === 0) return nothing();
  return h("table", { class: "table" }, h("caption", {}, title),
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, head), ...columns.map(([name]) => h("th", { scope: "col", class: "right" }, name)))),
    h("tbody", {}, ...rows.map(([name, line]) => h("tr", {}, h("th", { scope: "row" }, name),
      ...columns.map(([, value]) => h("td", { class: "right" }, shown(value(line))))))));
}

const shown = (value) => (typeof value === "number" ? value.toLocaleString() : value);
const length = (ms) => (ms === null ? "–" : clock(ms));

/** A table as a file, with sums in place of averages so that it can be reckoned with. */
function save(name, head, rows, fields = Object.keys(EMPTY)) {
  const file = new Blob([csv([[head, ...fields], ...rows.map(([key, line]) => [key, ...fields.map((field) => line[field] ?? 0)])])], { type: "text/csv" });
  const link = h("a", { href: URL.createObjectURL(file), download: `ringward-${name}.csv` });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
