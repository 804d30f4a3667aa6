// A person's own account: second factor, password, sessions.

import { ask } from "./api.js";
import { h, show, svg, text } from "./dom.js";
import { $, said, start, submitted, sure } from "./page.js";
import { isThere, make } from "./passkeys.js";
import { when } from "./words.js";

start(async (session) => {
  if (!session.is_account) {
    said("problem", "You are signed in by a token. A token is no account: sign out, and in with your name.");
    return;
  }
  await look();
});

async function look() {
  const { account, sessions, passkeys, may_have_passkeys } = await ask("/api/v1/account");
  show($("must"), account.needs_second_factor && !account.has_second_factor);
  $("facts").replaceChildren(
    ...[
      ["Name", account.name],
      ["Person", account.person],
      ["Roles", account.roles.join(", ")],
      ["Password since", account.password_ms ? when(account.password_ms, false) : "–"],
    ].flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]),
  );
  text($("second-state"), account.has_second_factor
    ? `Enrolled; ${account.recovery_codes} recovery codes are left. A new telephone takes the place of the one you have.`
    : "None yet. With one, a password that was read over your shoulder opens nothing.");
  $("sessions").replaceChildren(...sessions.map(row));
  $("keys").replaceChildren(...(passkeys.length ? passkeys.map(passkey) : [h("tr", {}, h("td", { colspan: 4, class: "dim" }, "None yet."))]));
  const mayAll = !account.needs_second_factor || account.has_second_factor;
  for (const id of ["who", "second"]) show($(id), true);
  for (const id of ["change", "open"]) show($(id), mayAll);
  show($("passkeys"), mayAll && (passkeys.length > 0 || may_have_passkeys));
  show($("passkey-form"), may_have_passkeys && isThere());
}

function passkey({ id, name, made_ms, used_ms }) {
  const remove = async () => {
    await ask(`/api/v1/account/passkeys/${encodeURIComponent(id)}`, { method: "DELETE" });
    await look();
  };
  return h("tr", {},
    h("td", {}, name),
    h("td", {}, when(made_ms, false)),
    h("td", {}, used_ms ? when(used_ms, false) : "never"),
    h("td", { class: "right" }, sure(h("button", { type: "button", "aria-label": `Remove ${name}` }, "Remove"), () => submitted(remove, `${name} is removed; your other sessions have ended.`))));
}

$("passkey-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const [name, password] = ["passkey-name", "passkey-password"].map((id) => $(id).value);
  submitted(async () => {
    await make(name, password);
    $("passkey-form").reset();
    await look();
  }, "Your passkey is made. From now on it signs you in.");
});

function row(session) {
  const end = h("button", { type: "button", onclick: () => submitted(() => endSession(session)) }, "End");
  return h("tr", {},
    h("td", {}, session.address || "–"),
    h("td", {}, when(session.opened_ms, false)),
    h("td", {}, when(session.used_ms, false)),
    h("td", {}, when(session.ends_ms, false)),
    h("td", { class: "right" }, session.is_this ? h("span", { class: "dim" }, "this one") : end));
}

async function endSession(session) {
  await ask(`/api/v1/account/sessions/${session.id}`, { method: "DELETE" });
  await look();
}

$("begin").addEventListener("submit", (event) => {
  event.preventDefault();
  submitted(async () => {
    const path = "/api/v1/account/second-factor";
    const enrolment = await ask(path, { method: "POST", body: { password: $("begin-password").value } });
    $("begin-password").value = "";
    const { size, path: dark } = enrolment.qr;
    $("qr").replaceChildren(
      svg("svg", { viewBox: `-4 -4 ${size + 8} ${size + 8}`, role: "img", "aria-label": "QR code of the secret below", "shape-rendering": "crispEdges" },
        svg("rect", { x: -4, y: -4, width: size + 8, height: size + 8, fill: "#fff" }),
        svg("path", { d: dark, fill: "#000" })));
    text($("secret"), enrolment.secret.match(/.{1,4}/g).join(" "));
    show($("begin"), false);
    show($("enrolling"), true);
    $("prove-code").focus();
  });
});

$("prove").addEventListener("submit", (event) => {
  event.preventDefault();
  submitted(async () => {
    const path = "/api/v1/account/second-factor";
    const enrolled = await ask(path, { method: "PUT", body: { code: $("prove-code").value } });
    $("prove-code").value = "";
    $("qr").replaceChildren();
    text($("secret"), "");
    $("codes").replaceChildren(...enrolled.recovery_codes.map((code) => h("li", {}, code)));
    show($("enrolling"), false);
    show($("recovery"), true);
    $("written").focus();
  });
});

$("written").addEventListener("click", () => {
  $("codes").replaceChildren();
  show($("recovery"), false);
  show($("begin"), true);
  submitted(look, "Your second factor is enrolled. From now on you sign in with a code.");
});

$("password-form").addEventListener("submit", (event) => {
  event.preventDefault();
  submitted(async () => {
    const [before, after, again] = ["old", "new", "again"].map((id) => $(id).value);
    if (after !== again) throw new Error("The two new passwords differ.");
    await ask("/api/v1/account/password", { method: "PUT", body: { old: before, new: after } });
    $("password-form").reset();
    await look();
  }, "Your password is changed; your other sessions have ended.");
});
