// What a person may want of a call while it lasts, on its card: each order and what came of it.

import { ask, order } from "./api.js";
import { h, show, text } from "./dom.js";
import { LABELS, capitalised } from "./words.js";

/** What a queue of the security team is called. */
const SECURITY = "security";
/** A key that the caller hears of has to be pressed twice within this time. */
const SURE_MS = 3000;
/** What people may say that a call is: a warning. Nobody can vouch against what was found. */
const WARNINGS = ["suspect", "forged", "synthetic", "campaign"];
const DONE = { begun: "under way", done: "done", failed: "came to nothing", not_now: "not possible at that moment" };
const WHATS = { relabel: "warn", whisper: "tell the person", challenge: "ask for digits", move: "move", end: "hang up" };

let queues = [];
let mayOrder = false;
let mayReport = false;

/** Whoever has signed in: may he order anything, and which queues are there? */
export async function enter(roles) {
  mayOrder = roles.some((role) => ["admin", "receptionist", "supervisor"].includes(role));
  mayReport = roles.some((role) => ["admin", "receptionist", "supervisor", "analyst"].includes(role));
  const status = mayOrder ? await ask("/api/v1/status").catch(() => null) : null;
  queues = status?.gateway?.queues ?? [];
}

/** Whether this person may end calls, and say what they were: the others are shown no buttons for it. */
export const may = () => ({ order: mayOrder, report: mayReport });

/** The row of a card. `tell` is told of a problem, or of none. */
export function makeOrders(id, tell) {
  const give = async (body) => {
    try {
      await order(id, body);
      tell(null);
    } catch (error) {
      tell(error);
    }
  };
  const button = (word, title, body) => h("button", { type: "button", title, onclick: () => give(body) }, word);
  /** A list whose first entry only says what it is, and the button that does it: who walks a list with the keys has chosen nothing yet. */
  const list = (word, does, chosen) => {
    const go = h("button", { type: "button", disabled: true, onclick: () => {
      const body = chosen(node.value);
      node.value = "";
      go.disabled = true;
      give(body);
    } }, does);
    const node = h("select", { "aria-label": word, onchange: () => { go.disabled = node.value === ""; } }, h("option", { value: "" }, word));
    return { node, go };
  };
  /** The button stays beside its list where the row is broken. */
  const pair = (...parts) => h("span", { class: "pair" }, ...parts);
  const digits = button("Ask for digits", "The caller is told two digits and asked to press them", { do: "challenge" });
  let sure = 0;
  const calm = () => {
    clearTimeout(sure);
    sure = 0;
    text(digits, "Ask for digits");
  };
  const { node: warn, go: warnNow } = list("Warn…", "Warn", (label) => ({ do: "relabel", label }));
  warn.append(...WARNINGS.map((label) => h("option", { value: label }, LABELS[label][0])));
  const { node: move, go: moveNow } = list("Move to…", "Move", (queue) => ({ do: "move", queue }));
  const last = h("p", { class: "last-order", hidden: true });
  const doing = h("div", { class: "orders", hidden: true },
    button("Tell person", "Whispers to whoever has the call what it is", { do: "whisper" }),
    digits, pair(warn, warnNow), pair(move, moveNow));
  return {
    node: h("div", {}, doing, last),
    /** By key: twice, since it is heard by the caller. */
    challenge() {
      if (doing.hidden) return;
      if (sure === 0) {
        text(digits, "C again to ask");
        sure = setTimeout(calm, SURE_MS);
        return;
      }
      calm();
      give({ do: "challenge" });
    },
    /** By key: to the list of queues, or, where the security team has one, to the button that moves the call there. */
    move() {
      if (doing.hidden || move.hidden) return;
      if (![...move.options].some((option) => option.value === SECURITY)) {
        move.focus();
        return;
      }
      move.value = SECURITY;
      moveNow.disabled = false;
      moveNow.focus();
    },
    update(call) {
      // A call that one of our phones made can only be ended.
      show(doing, mayOrder && call.state === "talking" && call.direction !== "outbound");
      const others = queues.filter((queue) => queue !== call.queue);
      if (others.join("\n") !== [...move.options].slice(1).map((option) => option.value).join("\n")) {
        move.replaceChildren(move.options[0], ...others.map((queue) => h("option", { value: queue }, queue)));
        moveNow.disabled = true;
      }
      for (const part of [move, moveNow]) show(part, others.length > 0);
      const latest = (call.orders ?? []).at(-1);
      text(last, latest ? said(latest) : "");
      show(last, Boolean(latest));
    },
  };
}

/** "ann: move to security, done" */
export function said(latest) {
  const to = latest.to ? ` to ${LABELS[latest.to]?.[0] ?? latest.to}` : "";
  return `${latest.by}: ${WHATS[latest.what] ?? capitalised(latest.what)}${to}, ${DONE[latest.outcome] ?? latest.outcome}`;
}
