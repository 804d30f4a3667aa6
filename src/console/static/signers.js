// Signers and numbers: what people's reports make of them, the worst first.

import { ask } from "./api.js";
import { h, show, text } from "./dom.js";
import { $, submitted } from "./page.js";
import { number } from "./words.js";

const KINDS = { number: "Proven number", spc: "Provider code", certificate: "Certificate", origid: "Origin (provider and origid)" };
const MEANS = "What is to be expected of the next call that is signed so, after what people reported. Reports weigh less the older they are.";
const MOST = 200;

export async function open() {
  text($("signers-hint"), MEANS);
  await submitted(look);
}

$("signers-filter").addEventListener("submit", (event) => event.preventDefault());
$("signers-filter").addEventListener("change", () => submitted(look));

async function look() {
  const query = new URLSearchParams({ limit: String(MOST) });
  if ($("signers-of").value) query.set("of", $("signers-of").value);
  const { reputations } = await ask(`/api/v1/reputation?${query}`);
  $("signer-rows").replaceChildren(...reputations.map(row));
  show($("signers-empty"), reputations.length === 0);
}

function row(one) {
  const tone = one.is_bad ? "bad" : "wait";
  return h("tr", {},
    h("td", {}, KINDS[one.of] ?? one.of),
    h("td", { class: "wide" }, one.of === "number" ? number(one.name) : one.name),
    h("td", { class: "right" }, one.reports.toLocaleString()),
    h("td", { class: "right" }, `${Math.round(one.bad * 100)} %`),
    h("td", {}, h("span", { class: `chip tone-${tone}` }, one.is_bad ? "Bad" : "Not bad")));
}
