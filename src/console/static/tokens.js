// Tokens: which programs may ask, in which roles and until when.

import { ask } from "./api.js";
import { h, show } from "./dom.js";
import { $, sent, submitted, sure } from "./page.js";
import { boxes, ticked } from "./users.js";
import { when } from "./words.js";

$("token-roles").append(...boxes(["auditor"]));

export async function open() {
  await submitted(look);
}

async function look() {
  const { tokens } = await ask("/api/v1/tokens");
  $("token-rows").replaceChildren(...tokens.map(row));
  show($("tokens-empty"), tokens.length === 0);
}

function row(token) {
  const revoke = () => submitted(async () => {
    await ask(`/api/v1/tokens/${encodeURIComponent(token.name)}`, { method: "DELETE" });
    await look();
  }, `${token.name} opens nothing any more.`);
  return h("tr", {},
    h("td", {}, token.name),
    h("td", { class: "wide" }, token.roles.join(", ")),
    h("td", {}, token.made_by, h("small", {}, when(token.made_ms, false))),
    h("td", {}, token.expires_ms === null ? "Never" : when(token.expires_ms, false)),
    h("td", { class: "right" }, sure(h("button", { type: "button", "aria-label": `Take ${token.name} back` }, "Take back"), revoke)));
}

$("token-add").addEventListener("submit", (event) => {
  event.preventDefault();
  sent($("token-add"), async () => {
    const body = { name: $("token-name").value.trim(), roles: ticked($("token-add")) };
    if ($("token-days").value) body.days = Number($("token-days").value);
    made(await ask("/api/v1/tokens", { method: "POST", body }));
    $("token-add").reset();
    await look();
  });
});

/** The secret is shown once. */
function made({ name, token }) {
  const field = h("input", { class: "mono", readonly: true, value: token, "aria-label": `Token of ${name}` });
  field.addEventListener("focus", () => field.select());
  const gone = h("button", { type: "button", onclick: () => { $("token-made").replaceChildren(); show($("token-made"), false); } }, "I have kept it");
  $("token-made").replaceChildren(h("p", {}, `The token of ${name}. It is shown this once: give it to nobody else.`), h("div", { class: "line" }, field, gone));
  show($("token-made"), true);
  field.focus();
}
