// Lists, policies and accounts: what of it is shown is what the roles of whoever is signed in may see.

import * as audit from "./audit.js";
import * as campaigns from "./campaigns.js";
import { show } from "./dom.js";
import * as drills from "./drills.js";
import * as incident from "./incident.js";
import * as lists from "./lists.js";
import { $, start } from "./page.js";
import * as model from "./model.js";
import * as policies from "./policies.js";
import * as signers from "./signers.js";
import * as tokens from "./tokens.js";
import * as users from "./users.js";
import * as watch from "./watch.js";

const POLICIES = ["supervisor", "analyst", "policy-author", "policy-approver", "auditor"];
const WATCHERS = ["supervisor", "analyst", "auditor"];
const SECTIONS = [
  { id: "lists", page: lists, for: POLICIES },
  { id: "campaigns", page: campaigns, for: POLICIES },
  { id: "signers", page: signers, for: POLICIES },
  { id: "policies", page: policies, for: POLICIES },
  { id: "model", page: model, for: POLICIES },
  { id: "users", page: users, for: [] },
  { id: "tokens", page: tokens, for: [] },
  { id: "audit", page: audit, for: ["auditor"] },
  { id: "watch", page: watch, for: WATCHERS },
  { id: "drills", page: drills, for: WATCHERS },
  { id: "incident", page: incident, for: [] },
];
let mine = [];
let roles = [];
let who = "";

start(async (session) => {
  roles = session.roles;
  who = session.who;
  show($("to-account"), session.is_account);
  if (session.is_to_enrol) {
    location.assign("/account");
    return;
  }
  mine = SECTIONS.filter(({ for: those }) => has(...those));
  if (mine.length === 0) {
    location.assign("/");
    return;
  }
  for (const { id } of mine) show(document.querySelector(`#tabs a[href="#${id}"]`), true);
  window.addEventListener("hashchange", turn);
  await turn();
});

/** Whether one of the roles is one of these; an administrator's is every one. */
export function has(...wanted) {
  return roles.includes("admin") || wanted.some((role) => roles.includes(role));
}

async function turn() {
  const wanted = mine.find(({ id }) => `#${id}` === location.hash) ?? mine[0];
  for (const { id } of SECTIONS) {
    show($(id), id === wanted.id);
    document.querySelector(`#tabs a[href="#${id}"]`).toggleAttribute("aria-current", id === wanted.id);
  }
  await wanted.page.open(has, who);
}
