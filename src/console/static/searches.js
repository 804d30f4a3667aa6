// Searches that people keep: what the fields above the history say, under a name.

import { ask } from "./api.js";
import { h, show, text } from "./dom.js";

const filters = document.getElementById("filters");
const saved = document.getElementById("saved");
const form = document.getElementById("save-search");
const name = document.getElementById("search-name");
const told = document.getElementById("search-told");
const forget = document.getElementById("forget-search");
const FIELDS = ["label", "ending", "queue"];

let kept = [];
let onChange = () => {};

/** For accounts: a token keeps no searches. */
export function start(isAccount, changed) {
  onChange = changed;
  for (const node of [saved.parentElement, form]) show(node, isAccount);
  show(forget, false);
  said("");
  if (isAccount) load().catch((error) => said(error.message));
}

async function load(chosen = "") {
  ({ searches: kept } = await ask("/api/v1/account/searches"));
  saved.replaceChildren(h("option", { value: "" }, kept.length > 0 ? "Choose…" : "None yet"), ...kept.map((search) => h("option", { value: search.name }, search.name)));
  saved.value = chosen;
  show(forget, chosen !== "");
}

saved.addEventListener("input", (event) => {
  // Not one of the fields that narrow the history.
  event.stopPropagation();
  const search = kept.find((one) => one.name === saved.value);
  show(forget, Boolean(search));
  said("");
  if (!search) return;
  filters.elements.number.value = "";
  for (const field of FIELDS) filters.elements[field].value = search[field] ?? "";
  filters.elements.person.checked = search.mine;
  name.value = search.name;
  onChange();
});

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const wanted = name.value.trim();
  const body = { mine: filters.elements.person.checked };
  for (const field of FIELDS) body[field] = filters.elements[field].value.trim() || null;
  await attempt(async () => {
    await ask(`/api/v1/account/searches/${encodeURIComponent(wanted)}`, { method: "PUT", body });
    await load(wanted);
    return filters.elements.number.value ? `“${wanted}” is kept, without the number: numbers are not kept with searches.` : `“${wanted}” is kept.`;
  });
});

forget.addEventListener("click", async () => {
  const gone = saved.value;
  await attempt(async () => {
    await ask(`/api/v1/account/searches/${encodeURIComponent(gone)}`, { method: "DELETE" });
    await load();
    name.value = "";
    saved.focus();
    return `“${gone}” is forgotten.`;
  });
});

async function attempt(what) {
  try {
    said(await what());
  } catch (error) {
    if (error.status !== 401) said(error.message);
  }
}

function said(words) {
  text(told, words);
}
