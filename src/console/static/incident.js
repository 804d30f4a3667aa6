// Lockdown: one person orders it, two people undo it.

import { lockdown as words } from "./alarms.js";
import { ask } from "./api.js";
import { h, show, text } from "./dom.js";
import { $, sure, submitted } from "./page.js";

let isReady = false;

export async function open() {
  if (!isReady) begin();
  isReady = true;
  await look();
}

function begin() {
  $("lockdown-order").addEventListener("submit", (event) => {
    event.preventDefault();
    $("lockdown-button").click();
  });
  sure($("lockdown-button"), () => $("lockdown-order").reportValidity() && change(order));
  $("undo-ask").addEventListener("click", () => change(() => undo("", "Asked for. Another administrator has to confirm it.")));
  $("undo-confirm").addEventListener("click", () => change(() => undo("/confirm", "The lockdown has ended. What it ended stays ended.")));
}

/** What failed may have been done all the same, or somebody else was first: what is so now is shown. */
function change(what) {
  return submitted(async () => {
    try {
      return await what();
    } catch (error) {
      await look().catch(() => null);
      throw error;
    }
  });
}

async function order() {
  const body = { why: $("lockdown-why").value, rotate_devices: $("lockdown-rotate").checked };
  const ordered = await ask("/api/v1/lockdown", { method: "POST", body });
  $("lockdown-order").reset();
  secrets(ordered);
  shown(ordered.lockdown);
  return "Locked down.";
}

async function undo(path, done) {
  shown(await ask(`/api/v1/lockdown/undo${path}`, { method: "POST" }));
  return done;
}

async function look() {
  shown(await ask("/api/v1/lockdown"));
}

function shown({ is_locked, last }) {
  text($("lockdown-state"), is_locked ? words(last) : "There is no lockdown.");
  show($("lockdown-order"), !is_locked);
  show($("lockdown-undo"), is_locked);
  show($("undo-ask"), is_locked && !last.undo_asked_by);
  show($("undo-confirm"), is_locked && Boolean(last.undo_asked_by));
}

/** Shown this once, until the page is left. */
function secrets({ devices, devices_left }) {
  const rows = devices.map(({ name, secret }) => h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, h("code", {}, secret))));
  const left = devices_left.map((name) => h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, "has its old password still")));
  const head = h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Phone"), h("th", { scope: "col" }, "New password, shown this once")));
  $("lockdown-secrets").replaceChildren(h("table", { class: "table" }, head, h("tbody", {}, rows, left)));
  show($("lockdown-secrets"), rows.length + left.length > 0);
}
