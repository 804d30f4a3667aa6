// The SIP ladder of a call: which messages passed between the gateway and each party, in their order.

import { h } from "./dom.js";
import { span } from "./words.js";

const WORDS = {
  caller: "Caller", time: "Time", label: "SIP messages in their order",
  none: "Not kept: an earlier version handled this call, or it was erased.",
  hint: "The arrow points to who it was for. What was said again for the slow is left out.",
  from: "to the gateway", to: "from the gateway", sdp: "with a description",
};

export function ladder(signals) {
  if (signals.length === 0) return h("p", { class: "quiet" }, WORDS.none);
  const parties = [...new Set(signals.map((one) => one.party))];
  // The caller stands left of us, everybody else on the right.
  parties.sort((a, b) => Number(b === "caller") - Number(a === "caller"));
  const name = (party) => (party === "caller" ? WORDS.caller : party);
  const head = h("tr", {}, h("th", { scope: "col" }, WORDS.time), parties.map((party) => h("th", { scope: "col" }, name(party))));
  const rows = signals.map((one) => h("tr", {}, h("td", { class: "time" }, span(one.at_ms)), parties.map((party) => h("td", {}, party === one.party ? message(one) : null))));
  return h("div", {}, h("div", { class: "scroller", tabindex: "0", role: "region", "aria-label": WORDS.label },
    h("table", { class: "ladder" }, h("thead", {}, head), h("tbody", {}, rows))), h("p", { class: "quiet" }, WORDS.hint));
}

function message(one) {
  const isCaller = one.party === "caller";
  const arrow = one.is_sent === isCaller ? "←" : "→";
  const words = `${one.message}${one.has_body ? " (SDP)" : ""}`;
  const spoken = h("span", { class: "spoken" }, ` ${one.is_sent ? WORDS.to : WORDS.from}`);
  return h("span", { class: one.is_sent ? "sent" : "came" }, arrow === "←" ? `← ${words}` : `${words} →`, spoken);
}
