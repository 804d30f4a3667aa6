// Live calls: one card each, updated in place so that focus and reading are never disturbed.

import { hangUp, report } from "./api.js";
import * as callback from "./callback.js";
import { draw, makeChart } from "./chart.js";
import { h, icon, show, text } from "./dom.js";
import { makeOrders, may } from "./orders.js";
import * as sound from "./sound.js";
import { STATES, VERDICTS, callBack, clock, detail, nameOf, number, numberLight, signed, voiceLight, worst } from "./words.js";

/** An ended call stays this long, for a last look and a report. */
const LINGER_MS = 20000;
/** "Hang up" has to be pressed twice within this time. */
const SURE_MS = 3000;

const cards = new Map();
const place = document.getElementById("cards");
const spoken = document.getElementById("spoken");
let offset = 0;
let selected = null;
let openWhy = () => {};
let onEnded = () => {};

export function start(options) {
  openWhy = options.openWhy;
  onEnded = options.onEnded;
  setInterval(tick, 500);
  document.addEventListener("keydown", onKey);
}

export function stop() {
  for (const id of [...cards.keys()]) remove(id);
}

/** Replaces everything: calls that are not in the snapshot have ended while we were away. */
export function onSnapshot(snapshot) {
  offset = snapshot.now_ms - Date.now();
  const there = new Set(snapshot.calls.map((call) => call.id));
  for (const [id, card] of cards) if (!there.has(id) && !card.endedAt) remove(id);
  snapshot.calls.forEach(onCall);
  tidy();
  onEnded();
}

export function onCall(call) {
  let card = cards.get(call.id);
  if (card && (card.call.revision > call.revision || card.endedAt)) {
    if (card.endedAt && call.report) card.update({ ...card.call, report: call.report });
    return;
  }
  if (!card) {
    if (call.state === "ended") {
      onEnded();
      return;
    }
    card = makeCard(call);
    cards.set(call.id, card);
    place.append(card.node);
    if (selected === null) select(call.id);
  }
  speak(card.call, call);
  if (isWorse(card.call, call)) sound.worse();
  card.update(call);
  if (call.state === "ended") {
    card.endedAt = Date.now();
    onEnded();
  }
  tidy();
}

/** What may be ordered has become known. */
export function refresh() {
  for (const card of cards.values()) card.update(card.call);
}

/** A report made elsewhere on this page. */
export function onReport(id, made) {
  const card = cards.get(id);
  if (card) card.update({ ...card.call, report: made });
}

function makeCard(first) {
  const caller = h("p", { class: "caller" });
  // Asked of the gateway, which fetched and drew it: this page never goes to a caller's host.
  const logo = h("img", { class: "logo", alt: "", hidden: true, onerror: () => show(logo, false) });
  const claim = h("p", { class: "claim" });
  const purpose = h("p", { class: "claim", hidden: true });
  const training = h("p", { class: "notice", role: "status", hidden: true }, "This was a training call. It was made here, and is counted nowhere.");
  const state = h("b");
  const time = h("span", { class: "clock" });
  const stateBox = h("div", { class: "state" }, time, state);
  const where = h("p", { class: "where" });
  const numberTile = makeLight("Number");
  const voiceTile = makeLight("Voice");
  const reasons = h("ul", { class: "reasons" });
  const sayText = h("p");
  const say = h("div", { class: "say" }, h("span", {}, "Suggested"), sayText);
  const chart = makeChart("Voice evidence over time");
  const total = h("span");
  const evidence = h("figure", { class: "evidence" }, chart,
    h("figcaption", {}, h("span", {}, "Voice: up = person, down = synthetic"), total));
  const problem = h("p", { class: "problem", role: "alert", hidden: true });
  const verdicts = Object.entries(VERDICTS).map(([verdict, word]) =>
    h("button", { type: "button", "aria-pressed": "false", "data-verdict": verdict, onclick: () => card.report(verdict) }, word));
  const hang = h("button", { type: "button", class: "hang-up", onclick: () => card.hangUp() }, "Hang up");
  const back = h("button", { type: "button", onclick: () => card.callBack() }, "Call back…");
  const why = h("button", { type: "button", class: "open", onclick: () => openWhy(first.id) }, "Why");
  let sureUntil = 0;
  const tell = (error) => {
    text(problem, error?.message);
    show(problem, Boolean(error));
  };
  const orders = makeOrders(first.id, tell);
  const lights = h("div", { class: "lights" }, numberTile.node, voiceTile.node);
  const node = h("article", { class: "card sheet", tabindex: "0", "data-id": first.id, onfocusin: () => select(first.id), onclick: () => select(first.id) },
    h("header", { class: "card-head" }, h("div", {}, logo, caller, claim, purpose), stateBox, where),
    training, lights, reasons, h("div", { class: "middle" }), evidence,
    h("footer", {}, problem, orders.node, h("div", { class: "doing" }, verdicts, back, why, hang)));
  node.replaceChild(say, node.querySelector(".middle"));

  const card = {
    node, call: first, endedAt: 0,
    update(call) {
      card.call = call;
      // A signed name stands before the one that anybody may write; the line below says which of the two it is.
      const name = nameOf(call);
      const source = call.signed_name ? "name signed with the number" : "claimed name";
      text(caller, call.call_back_of ? `Calling back ${call.call_back_of.organisation}` : name || number(call.caller));
      text(claim, call.call_back_of ? `${number(call.called)} · published number` : name ? `${number(call.caller)} · ${source}` : "No name given");
      const picture = call.has_icon && call.state !== "ended" ? `/api/v1/calls/${call.id}/icon` : "";
      if (logo.dataset.of !== picture) {
        logo.dataset.of = picture;
        show(logo, Boolean(picture));
        if (picture) logo.src = picture;
      }
      text(purpose, call.banner?.call_reason);
      show(purpose, Boolean(call.banner?.call_reason));
      show(training, call.drill);
      node.dataset.state = call.state;
      node.className = `card sheet tone-${worst(call)}`;
      stateBox.dataset.state = call.state;
      text(state, STATES[call.state] ?? call.state);
      text(where, [call.queue, call.answered_by && `answered by ${call.person ? `${call.person} at ` : ""}${call.answered_by}`, `for ${number(call.called)}`].filter(Boolean).join(" · "));
      numberTile.set(numberLight(call), call.banner?.number_text);
      voiceTile.set(voiceLight(call), call.banner?.voice_text);
      node.setAttribute("aria-label", `Call from ${caller.textContent}. Number: ${numberLight(call).is}. Voice: ${voiceLight(call).is}.`);
      const wanted = (call.banner?.reasons ?? []).slice(0, 3);
      if (wanted.join("\n") !== [...reasons.children].map((item) => item.textContent).join("\n")) {
        reasons.replaceChildren(...wanted.map((reason) => h("li", {}, reason)));
      }
      show(reasons, wanted.length > 0);
      text(sayText, [call.banner?.say, callBack(call)].filter(Boolean).join(" "));
      show(say, Boolean(sayText.textContent));
      draw(chart, call.evidence);
      text(total, call.voice ? `${signed(call.voice.llr)} in ${Math.round(call.voice.speech_seconds)} s speech` : "nothing heard yet");
      for (const button of verdicts) button.setAttribute("aria-pressed", String(call.report?.verdict === button.dataset.verdict));
      for (const button of verdicts) show(button, may().report && !call.call_back_of);
      show(back, may().order && call.direction !== "outbound");
      // Nobody is screened whom one calls oneself.
      show(lights, !call.call_back_of);
      show(evidence, !call.call_back_of);
      show(hang, may().order);
      hang.disabled = call.state === "ended";
      orders.update(call);
      card.tick();
    },
    tick() {
      const { call } = card;
      const now = Date.now() + offset;
      const since = call.state === "talking" ? call.started_ms + (call.timings.answered_ms ?? 0) : call.started_ms;
      const ended = call.timings.ended_ms;
      text(time, call.state === "ended" && ended !== null ? clock(ended - (call.timings.answered_ms ?? 0)) : clock(now - since));
      if (sureUntil && Date.now() > sureUntil) {
        sureUntil = 0;
        delete hang.dataset.sure;
        text(hang, "Hang up");
      }
    },
    async report(verdict) {
      if (!may().report) return;
      try {
        card.update({ ...card.call, report: await report(first.id, verdict) });
        tell(null);
      } catch (error) {
        tell(error);
      }
    },
    challenge: () => orders.challenge(),
    move: () => orders.move(),
    callBack() {
      if (may().order && card.call.direction !== "outbound") callback.open(card.call);
    },
    async hangUp() {
      if (card.call.state === "ended" || !may().order) return;
      if (!sureUntil) {
        sureUntil = Date.now() + SURE_MS;
        hang.dataset.sure = "";
        text(hang, "Press again");
        return;
      }
      sureUntil = 1;
      try {
        await hangUp(first.id);
        tell(null);
      } catch (error) {
        tell(error);
      }
    },
  };
  return card;
}

function makeLight(of) {
  const is = h("p", { class: "is" });
  const more = h("p", { class: "more" });
  const shape = h("span");
  const node = h("div", { class: "light" }, shape, h("p", { class: "of" }, of), is, more);
  let shown = "";
  return {
    node,
    set(light, line) {
      text(is, light.is);
      text(more, detail(line, light.is));
      show(more, more.textContent !== "");
      if (shown === light.tone) return;
      shown = light.tone;
      node.className = `light tone-${light.tone}`;
      node.replaceChild(icon(light.tone), node.firstChild);
    },
  };
}

const BADNESS = { genuine: 0, unproven: 1, forged: 2, person: 0, pending: 1, unsure: 1, synthetic: 2 };

/** Whether a light of a call that goes on says something worse than it did. */
function isWorse(before, now) {
  if (!now.banner || now.state === "ended") return false;
  // Before its first banner nothing was known of it.
  const badness = (call, light) => BADNESS[call.banner?.[light] ?? "pending"];
  return ["number", "voice"].some((light) => badness(now, light) > badness(before, light));
}

/** Says a change of light aloud, once. */
function speak(before, now) {
  const lights = (call) => `Number ${numberLight(call).is}. Voice ${voiceLight(call).is}.`;
  const isNew = before === now;
  if (!isNew && lights(before) === lights(now)) return;
  if (now.state === "ended") return;
  text(spoken, `${isNew ? "New call" : "Call"} from ${nameOf(now) ?? number(now.caller)}. ${lights(now)}`);
}

function select(id) {
  if (selected === id) return;
  if (selected !== null) cards.get(selected)?.node.removeAttribute("data-selected");
  selected = id;
  if (id !== null) cards.get(id)?.node.setAttribute("data-selected", "");
}

function remove(id) {
  cards.get(id)?.node.remove();
  cards.delete(id);
  if (selected === id) {
    selected = null;
    const next = cards.keys().next();
    if (!next.done) select(next.value);
  }
}

function tidy() {
  const going = [...cards.values()].filter((card) => !card.endedAt).length;
  text(document.getElementById("live-count"), String(going));
  show(document.getElementById("quiet"), cards.size === 0);
  document.title = going > 0 ? `(${going}) Ringward` : "Ringward";
}

function tick() {
  for (const [id, card] of cards) {
    card.tick();
    const isWatched = card.node.contains(document.activeElement) || card.node.matches(":hover");
    if (card.endedAt && Date.now() - card.endedAt > LINGER_MS && !isWatched) remove(id);
  }
  tidy();
}

const KEYS = { g: "good", u: "unsure", s: "scam" };

function onKey(event) {
  const isTyping = event.target instanceof Element && event.target.closest("input, select, textarea, dialog");
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const ids = [...cards.keys()];
  if ((event.key === "ArrowDown" || event.key === "ArrowUp") && ids.length > 0 && isOnCards(event.target)) {
    const at = ids.indexOf(selected);
    const next = ids[(at + (event.key === "ArrowDown" ? 1 : ids.length - 1)) % ids.length];
    cards.get(next).node.focus();
    event.preventDefault();
    return;
  }
  const card = cards.get(selected);
  if (!card) return;
  const key = event.key.toLowerCase();
  if (KEYS[key]) card.report(KEYS[key]);
  else if (key === "h") card.hangUp();
  else if (key === "b") card.callBack();
  else if (key === "c") card.challenge();
  else if (key === "m") card.move();
  else if (key === "w") openWhy(selected);
  else return;
  event.preventDefault();
}

/** Arrows scroll the page unless a card, or nothing, has the focus. */
function isOnCards(target) {
  return target === document.body || (target instanceof Element && target.closest(".card"));
}
