// Calling back: whom a caller says he is from, the number that organisation publishes, and a yes. Never the number that was shown.

import { ask } from "./api.js";
import { h, show, text } from "./dom.js";
import { nameOf, number, when } from "./words.js";

/** All that is said here. */
const WORDS = {
  title: "Call back",
  rule: "Only numbers that your directory has are called. The number that the caller shows is not.",
  none: "The caller names nobody whom the directory has. Search for the organisation he spoke of.",
  search: "Search the directory",
  nothing: "The directory has nothing of that name with a number to call.",
  close: "Close",
  yes: (organisation, to) => `Call ${organisation} at ${to}`,
  phones: (phones) => `Your phone rings first (${phones.join(", ")}). Pick it up, and the number is called.`,
  begun: (organisation, to) => `Your phone rings. Pick it up, and ${organisation} is called at ${to}.`,
  entered: (entry) => `Entered by ${entry.by}, ${when(entry.at_ms, false)}: ${entry.reason}`,
  claims: {
    signed_name: "The name is signed with the caller's number.",
    name: "The caller gives this name. Nothing proves it.",
    number: "The number shown is one that it publishes. Anybody can show it.",
  },
};

const dialog = document.getElementById("call-back");
dialog.addEventListener("click", (event) => {
  if (event.target === dialog) dialog.close();
});

/** Opens for one call. Whoever may not is told so by the gateway, in words. */
export async function open(call) {
  const told = h("p", { class: "notice", role: "status", hidden: true });
  const claimed = h("div", { class: "organisations" });
  const found = h("div", { class: "organisations" });
  const phones = h("p", { class: "hint" });
  const wanted = h("input", { id: "call-back-search", type: "search", minlength: "2", maxlength: "64", autocomplete: "off", spellcheck: "false" });
  const form = h("form", { class: "filters", onsubmit: (event) => { event.preventDefault(); look(wanted.value.trim()); } },
    h("label", { for: "call-back-search" }, WORDS.search), wanted, h("button", { type: "submit" }, "Search"));
  const path = `/api/v1/calls/${encodeURIComponent(call.id)}/call-back`;
  const tell = (words, isProblem) => {
    text(told, words);
    told.className = isProblem ? "notice problem" : "notice done";
    show(told, words !== "");
  };

  const one = (entry, isOpen) => h("section", { class: "sheet", "data-entry": entry.entry },
    h("h3", {}, entry.organisation),
    entry.claim ? h("p", {}, WORDS.claims[entry.claim] ?? "") : null,
    h("p", { class: "hint" }, WORDS.entered(entry)),
    h("div", { class: "doing" }, entry.numbers.map((to) => h("button", {
      type: "button", class: "primary", disabled: !isOpen, onclick: (event) => begin(event.currentTarget, entry, to),
    }, WORDS.yes(entry.organisation, number(to))))));

  async function begin(button, entry, to) {
    button.disabled = true;
    try {
      await ask(path, { method: "POST", body: { entry: entry.entry, number: to } });
      tell(WORDS.begun(entry.organisation, number(to)), false);
    } catch (error) {
      button.disabled = false;
      tell(error.message, true);
    }
  }

  async function look(search) {
    let all;
    try {
      all = await ask(search ? `${path}?${new URLSearchParams({ search })}` : path);
    } catch (error) {
      tell(error.message, true);
      return;
    }
    const isOpen = all.not_now === null;
    tell(isOpen ? "" : `${all.not_now}.`, true);
    text(phones, isOpen ? WORDS.phones(all.phones) : "");
    const nobody = h("p", { class: "quiet" }, WORDS.none);
    claimed.replaceChildren(...(all.claimed.length > 0 ? all.claimed.map((entry) => one(entry, isOpen)) : [nobody]));
    const nothing = search ? [h("p", { class: "quiet" }, WORDS.nothing)] : [];
    found.replaceChildren(...(all.found.length > 0 ? all.found.map((entry) => one(entry, isOpen)) : nothing));
  }

  dialog.replaceChildren(
    h("div", { class: "why-head" }, h("h2", { id: "call-back-title" }, WORDS.title), h("p", {}, [nameOf(call), number(call.caller)].filter(Boolean).join(" · ")),
      h("button", { type: "button", onclick: () => dialog.close(), autofocus: true }, WORDS.close)),
    h("div", { class: "why-body" }, h("p", {}, WORDS.rule), told, phones, claimed, form, found));
  if (!dialog.open) dialog.showModal();
  await look("");
}

export function close() {
  if (dialog.open) dialog.close();
}
