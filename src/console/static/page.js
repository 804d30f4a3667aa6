// What the pages beside the desk share: who is signed in, and one line for what went well or wrong.

import { lockdown as words } from "./alarms.js";
import { ask } from "./api.js";
import { h, show, text } from "./dom.js";

export const $ = (id) => document.getElementById(id);

/** Begins the page for whoever is signed in; everybody else goes to the door. */
export async function start(begin) {
  document.addEventListener("signed-out", toTheDoor);
  $("leave").addEventListener("click", async () => {
    await ask("/api/v1/session", { method: "DELETE" }).catch(() => null);
    toTheDoor();
  });
  try {
    const session = await ask("/api/v1/session");
    if (!session.is_to_enrol) locked();
    await begin(session);
  } catch (error) {
    if (error.status === 401) {
      toTheDoor();
      return;
    }
    // A page that shows itself once it has something to show shows this.
    show(document.querySelector("main"), true);
    said("problem", error.message);
  }
}

/** A lockdown is said on every page. */
async function locked() {
  const lockdown = await ask("/api/v1/lockdown").catch(() => null);
  if (!lockdown?.is_locked) return;
  document.querySelector("main")?.prepend(h("p", { class: "notice", role: "status" }, words(lockdown.last)));
}

function toTheDoor() {
  location.assign("/");
}

/** Does what was asked for, and says how it went: in its own words where it gives some. */
export async function submitted(what, done = "") {
  said("problem", "");
  said("done", "");
  try {
    const words = await what();
    said("done", typeof words === "string" ? words : done);
  } catch (error) {
    if (error.status !== 401) said("problem", error.message);
  }
}

/** The same for a form, which is sent once however often its button is pressed. */
export async function sent(form, what, done = "") {
  const button = form.querySelector("button[type=submit]");
  if (button.disabled) return;
  button.disabled = true;
  try {
    await submitted(what, done);
  } finally {
    button.disabled = false;
  }
}

export function said(id, words) {
  text($(id), words);
  show($(id), words !== "");
  if (id === "problem" && words !== "") $(id).scrollIntoView({ block: "nearest" });
}

/** A sheet over the page; the keyboard stays in it until it is closed. */
export function dialog(title, content) {
  const close = h("button", { type: "button", onclick: () => $("dialog").close() }, "Close");
  $("dialog").replaceChildren(h("div", { class: "bar" }, h("h2", { id: "dialog-title" }, title), close), ...content);
  $("dialog").showModal();
}

/** A button that asks once more before it does what cannot be undone. */
export function sure(button, what) {
  const words = button.textContent;
  let timer = 0;
  button.addEventListener("click", () => {
    if (button.hasAttribute("data-sure")) {
      clearTimeout(timer);
      calm();
      what();
      return;
    }
    button.setAttribute("data-sure", "");
    text(button, "Sure?");
    timer = setTimeout(calm, 4000);
  });
  function calm() {
    button.removeAttribute("data-sure");
    text(button, words);
  }
  return button;
}
