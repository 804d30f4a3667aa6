// Accounts: who may sign in, and what an administrator does about it.

import { ask } from "./api.js";
import { h, show, text } from "./dom.js";
import { $, dialog, submitted, sure } from "./page.js";
import { when } from "./words.js";

const ROLES = ["receptionist", "supervisor", "analyst", "policy-author", "policy-approver", "auditor", "admin"];
const STATES = { open: ["Open", "ok"], invited: ["Invited", "wait"], disabled: ["Disabled", "bad"], shut: ["No password", "warn"] };

export const boxes = (chosen) => ROLES.map((role) =>
  h("label", {}, h("input", { type: "checkbox", name: "role", value: role, checked: chosen.includes(role) }), ` ${role}`));
export const ticked = (form) => [...form.querySelectorAll("input[name=role]:checked")].map((box) => box.value);

$("user-roles").append(...boxes(["receptionist"]));

export async function open() {
  await submitted(look);
}

async function look() {
  const { users } = await ask("/api/v1/users");
  $("user-rows").replaceChildren(...users.map(row));
  show($("users-empty"), users.length === 0);
}

function row(user) {
  const [state, tone] = STATES[user.state] ?? [user.state, "wait"];
  const second = user.has_second_factor ? "Yes" : user.needs_second_factor ? "To be enrolled" : "No";
  return h("tr", {},
    h("td", {}, user.name),
    h("td", {}, user.person),
    h("td", { class: "wide" }, user.roles.join(", ")),
    h("td", {}, h("span", { class: `chip tone-${tone}` }, state)),
    h("td", {}, second),
    h("td", {}, user.last_used_ms === null ? "Never" : when(user.last_used_ms, false)),
    h("td", { class: "right" }, String(user.sessions)),
    h("td", { class: "right" }, h("button", { type: "button", "aria-label": `Manage ${user.name}`, onclick: () => manage(user.name) }, "Manage…")));
}

const at = (name, rest = "") => `/api/v1/users/${encodeURIComponent(name)}${rest}`;

const manage = (name) => submitted(async () => {
  const { user, sessions } = await ask(at(name));
  const act = (what, done) => {
    $("dialog").close();
    submitted(async () => {
      await what();
      await look();
    }, done);
  };
  const change = (body, done) => act(() => ask(at(name), { method: "PUT", body }), done);
  const roles = h("form", { class: "fields", method: "post" },
    h("fieldset", { class: "roles" }, h("legend", {}, "Roles (other ones end the sessions)"), boxes(user.roles)),
    h("div", { class: "buttons" }, h("button", { type: "submit", class: "primary" }, "Save roles")));
  roles.addEventListener("submit", (event) => {
    event.preventDefault();
    change({ roles: ticked(roles) }, `${name} has other roles.`);
  });
  const open = sessions.map((session) => h("li", {}, `from ${session.address || "an unknown address"}, since ${when(session.opened_ms, false)}, used ${when(session.used_ms, false)}`));
  const isDisabled = user.state === "disabled";
  dialog(`${user.name}: ${user.person}`, [
    roles,
    h("h3", {}, "Sessions"),
    open.length > 0 ? h("ul", { class: "list" }, open) : h("p", { class: "dim" }, "None is open."),
    h("div", { class: "buttons" },
      open.length > 0 ? h("button", { type: "button", onclick: () => act(() => ask(at(name, "/sessions"), { method: "DELETE" }), `${name} is signed out everywhere.`) }, "End all sessions") : null,
      h("button", { type: "button", onclick: () => change({ is_disabled: !isDisabled }, isDisabled ? `${name} is enabled.` : `${name} is disabled.`) }, isDisabled ? "Enable" : "Disable"),
      sure(h("button", { type: "button" }, "Invite again"), () => act(async () => invited(await ask(at(name, "/reset"), { method: "POST" })), "")),
      sure(h("button", { type: "button", class: "danger" }, "Delete"), () => act(() => ask(at(name), { method: "DELETE" }), `${name} is deleted.`))),
  ]);
});

$("user-add").addEventListener("submit", (event) => {
  event.preventDefault();
  submitted(async () => {
    const body = { name: $("user-name").value.trim(), person: $("user-person").value, roles: ticked($("user-add")) };
    invited(await ask("/api/v1/users", { method: "POST", body }));
    $("user-add").reset();
    await look();
  });
});

/** The link is shown once; whoever has it sets the password. */
function invited({ name, link, expires_ms }) {
  const whole = new URL(link, location.origin).href;
  const field = h("input", { class: "mono", readonly: true, value: whole, "aria-label": `Invitation of ${name}` });
  field.addEventListener("focus", () => field.select());
  const gone = h("button", { type: "button", onclick: () => { $("invitation").replaceChildren(); show($("invitation"), false); } }, "I have given it");
  $("invitation").replaceChildren(
    h("p", {}, `With this link ${name} sets a password, once, until ${when(expires_ms, false)}. It is shown this once: give it to nobody else.`),
    h("div", { class: "line" }, field, gone));
  show($("invitation"), true);
  text($("done"), "");
  field.focus();
}
