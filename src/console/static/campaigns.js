// Campaigns: recordings that came from several numbers, their calls, what people call them, and which of them are wanted.

import { ask } from "./api.js";
import { h, show, text } from "./dom.js";
import { $, sent, submitted } from "./page.js";
import { CAMPAIGNS, LABELS, when, whose } from "./words.js";

const PAGE = 50;
/** Calls that are shown with one; the rest is a question to the history. */
const CALLS = 20;
let isReady = false;
let maySay = false;
let next = null;
/** The one that is looked at. */
let shown = null;

export async function open(has) {
  maySay = has("supervisor", "policy-author");
  if (!isReady) begin();
  isReady = true;
  await submitted(() => load(null));
}

function begin() {
  $("campaigns-filter").addEventListener("submit", (event) => event.preventDefault());
  $("campaigns-state").addEventListener("change", () => submitted(() => load(null)));
  $("campaigns-more").addEventListener("click", () => submitted(() => load(next)));
  $("campaign-close").addEventListener("click", () => {
    const from = shown?.name;
    shown = null;
    show($("campaign"), false);
    document.querySelector(`#campaign-rows [data-name="${from}"] button`)?.focus();
  });
  $("campaign-form").addEventListener("submit", (event) => {
    event.preventDefault();
    sent($("campaign-form"), () => said(shown.state === "allowed", "Kept."));
  });
  $("campaign-allow").addEventListener("click", () => submitted(() => {
    const isAllowed = shown.state !== "allowed";
    return said(isAllowed, isAllowed ? CAMPAIGNS.allowed.done : CAMPAIGNS.campaign.done);
  }));
  for (const id of ["campaign-title", "campaign-note"]) $(id).disabled = !maySay;
  for (const id of ["campaign-save", "campaign-allow"]) show($(id), maySay);
}

async function load(cursor) {
  const query = new URLSearchParams({ limit: String(PAGE) });
  if ($("campaigns-state").value) query.set("state", $("campaigns-state").value);
  if (cursor) query.set("cursor", cursor);
  const page = await ask(`/api/v1/campaigns?${query}`);
  const rows = page.campaigns.map(row);
  if (cursor) $("campaign-rows").append(...rows);
  else $("campaign-rows").replaceChildren(...rows);
  next = page.next;
  show($("campaigns-more"), next !== null);
  show($("campaigns-empty"), $("campaign-rows").children.length === 0);
}

function row(campaign) {
  const { is, tone } = CAMPAIGNS[campaign.state];
  return h("tr", { "data-name": campaign.name },
    h("th", { scope: "row" }, campaign.title ?? campaign.name, campaign.title ? h("small", {}, campaign.name) : null),
    h("td", { class: "right" }, campaign.callers),
    h("td", { class: "right" }, campaign.calls),
    h("td", {}, when(campaign.first_seen_ms, false)),
    h("td", {}, when(campaign.last_seen_ms, false)),
    h("td", {}, h("span", { class: `chip tone-${tone}` }, is)),
    h("td", { class: "right" }, h("button", { type: "button", "aria-label": `Look at ${campaign.title ?? campaign.name}`, onclick: () => submitted(() => look(campaign.name)) }, "Look")));
}

async function look(name) {
  drawn(await ask(`/api/v1/campaigns/${encodeURIComponent(name)}`));
  $("campaign-heading").focus();
  await calls();
}

/** Says what it is called and whether it is wanted, as it was seen: what somebody else said meanwhile stays. */
async function said(isAllowed, done) {
  const body = { title: $("campaign-title").value, note: $("campaign-note").value, allowed: isAllowed };
  drawn(await ask(`/api/v1/campaigns/${shown.name}`, { method: "PUT", body, match: `"r${shown.revision}"` }));
  await load(null);
  return done;
}

function drawn(campaign) {
  shown = campaign;
  const { means } = CAMPAIGNS[campaign.state];
  text($("campaign-heading"), campaign.title ?? campaign.name);
  const by = campaign.by ? ` Last said by ${campaign.by}, ${when(campaign.at_ms, false)}.` : "";
  text($("campaign-state"), `${campaign.name}: from ${campaign.callers} numbers in ${campaign.calls} calls. ${means}${by}`);
  $("campaign-title").value = campaign.title ?? "";
  $("campaign-note").value = campaign.note ?? "";
  text($("campaign-allow"), campaign.state === "allowed" ? "Allow no more" : "Allow");
  show($("campaign"), true);
}

/** Its newest calls, those that are kept still. */
async function calls() {
  const of = shown.name;
  const asked = shown.newest.slice(0, CALLS).map(({ href }) => ask(href).catch(() => null));
  const found = (await Promise.all(asked)).filter(Boolean);
  if (shown?.name !== of) return;
  $("campaign-calls").replaceChildren(...found.map((call) => {
    const [label] = LABELS[call.banner?.label] ?? ["–"];
    return h("tr", {}, h("td", {}, h("a", { href: `/#call=${call.id}` }, when(call.started_ms))), h("td", {}, whose(call)), h("td", {}, label), h("td", {}, call.queue ?? "–"));
  }));
  show($("campaign-calls-empty"), found.length === 0);
}
