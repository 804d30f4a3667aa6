// The console: signing in, and the desk behind it.

import * as alarms from "./alarms.js";
import { ask, follow } from "./api.js";
import * as callback from "./callback.js";
import * as desks from "./desks.js";
import { show, text } from "./dom.js";
import * as history from "./history.js";
import * as live from "./live.js";
import * as orders from "./orders.js";
import * as passkeys from "./passkeys.js";
import * as searches from "./searches.js";
import * as sound from "./sound.js";
import * as why from "./why.js";
import { when } from "./words.js";

const $ = (id) => document.getElementById(id);
let events = null;
/** The code of a link that invites somebody to set a password. */
let invitation = null;
/** Signed in elsewhere, and a code of the second factor is still to be shown. */
let awaitsCode = false;
/** May see what is unusual. */
let watches = false;
/** The call that a link on another page leads to. */
let linked = null;

/** What a sign-in elsewhere came back with. */
const ELSEWHERE = {
  "not-this-sign-in": "That was not an answer to a sign-in of this browser, or it took too long. Try again.",
  "refused-elsewhere": "The sign-in was refused where you went.",
  "not-believed": "What came back could not be believed. Try again; if it stays so, tell whoever runs the gateway.",
  "no-account": "You have no account here, or no role. Ask whoever runs the gateway.",
  "provider-away": "The place to sign in cannot be reached. Try again in a moment.",
};

sound.start($("sound"));
live.start({ openWhy: why.open, onEnded: () => history.soon() });
history.start({ openWhy: why.open });
why.start({
  onReport: (id, made) => {
    live.onReport(id, made);
    history.soon();
  },
});

document.addEventListener("signed-out", () => {
  awaitsCode = false;
  toSignIn("Your session has ended. Sign in again.");
});
$("leave").addEventListener("click", async () => {
  await ask("/api/v1/session", { method: "DELETE" }).catch(() => null);
  awaitsCode = false;
  toSignIn("");
});
$("signin-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const [name, password, code] = ["name", "password", "code"].map((id) => $(id).value);
  signIn("/api/v1/session", code.trim() ? { name, password, code } : { name, password });
});
$("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  signIn("/api/v1/session", { token: $("token").value.trim() });
});
$("passkey").addEventListener("click", async () => {
  try {
    enter(await passkeys.signIn());
  } catch (error) {
    toSignIn(error.message);
  }
});
$("code-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const code = $("shown-code").value;
  $("shown-code").value = "";
  try {
    await ask("/api/v1/session/code", { method: "POST", body: { code } });
    enter(await ask("/api/v1/session"));
  } catch (error) {
    toSignIn(error.message);
  }
});
$("invitation-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const password = $("new-password").value;
  if (password === $("new-again").value) signIn("/api/v1/invitation", { code: invitation, password });
  else toSignIn("The two passwords differ.");
});

// The same link pasted into a tab that is open already changes only the fragment.
window.addEventListener("hashchange", begin);
begin();

async function begin() {
  // A link with a token or an invitation in its fragment (never sent to any server): taken, and wiped from the address at once.
  const link = new URLSearchParams(location.hash.slice(1));
  const token = link.get("token");
  if (token) {
    window.history.replaceState(null, "", location.pathname);
    await signIn("/api/v1/session", { token: token.trim() });
    return;
  }
  if (link.get("invitation")) {
    window.history.replaceState(null, "", location.pathname);
    invitation = link.get("invitation");
    toSignIn("");
    return;
  }
  if (link.get("call")) {
    window.history.replaceState(null, "", location.pathname);
    linked = link.get("call");
  }
  const problem = link.get("sign-in");
  if (problem) {
    window.history.replaceState(null, "", location.pathname);
    toSignIn(ELSEWHERE[problem] ?? "The sign-in did not succeed.");
    return;
  }
  try {
    enter(await ask("/api/v1/session"));
  } catch (error) {
    toSignIn(error.status === 401 ? "" : error.message);
  }
}

/** Shows how and where else one can sign in, if any way. */
async function offerElsewhere() {
  const ways = await ask("/api/v1/session/ways").catch(() => null);
  show($("by-passkey"), Boolean(ways?.passkeys) && passkeys.isThere() && invitation === null && !awaitsCode);
  if (!ways?.oidc) return;
  text($("elsewhere-link"), `Sign in with ${ways.oidc.label}`);
  $("elsewhere-link").setAttribute("href", ways.oidc.path);
  show($("elsewhere"), invitation === null && !awaitsCode);
}

async function signIn(path, body) {
  try {
    const session = await ask(path, { method: "POST", body });
    for (const id of ["token", "password", "code", "new-password", "new-again"]) $(id).value = "";
    invitation = null;
    enter(session);
  } catch (error) {
    // An old code is of no use for the next try.
    $("code").value = "";
    toSignIn(error.status === 401 && body.token ? "This is not the token." : error.message);
  }
}

/** Whoever has to enrol a second factor first is brought to where that is done. */
function enter(session) {
  awaitsCode = session.is_to_prove;
  if (awaitsCode) {
    toSignIn("");
    return;
  }
  if (session.is_to_enrol) {
    location.assign("/account");
    return;
  }
  show($("to-account"), session.is_account);
  watches = session.roles.some((role) => ["supervisor", "analyst", "auditor", "admin"].includes(role));
  show($("to-overview"), watches);
  show($("to-administration"), session.roles.some((role) => role !== "receptionist"));
  // The desk waits for nothing; where a call may go the cards learn later.
  orders.enter(session.roles).then(live.refresh);
  desks.start(session);
  searches.start(session.is_account, () => history.soon(0));
  toDesk();
}

function toSignIn(problem) {
  events?.close();
  events = null;
  alarms.stop();
  desks.stop();
  live.stop();
  why.close();
  callback.close();
  for (const id of ["desk", "nav", "connection"]) show($(id), false);
  show($("signin"), true);
  text($("signin-problem"), problem);
  show($("signin-problem"), problem !== "");
  show($("invitation-form"), invitation !== null);
  show($("code-form"), awaitsCode);
  for (const id of ["signin-form", "token-door"]) show($(id), invitation === null && !awaitsCode);
  for (const id of ["elsewhere", "by-passkey"]) show($(id), false);
  offerElsewhere();
  $(awaitsCode ? "shown-code" : invitation === null ? "name" : "new-password").focus();
}

function toDesk() {
  show($("signin"), false);
  for (const id of ["desk", "nav", "connection"]) show($(id), true);
  alarms.start($("alarms"), watches);
  history.soon(0);
  if (linked) why.open(linked);
  linked = null;
  events?.close();
  events = follow({
    onSnapshot: (snapshot) => {
      live.onSnapshot(snapshot);
      const rest = snapshot.left_out > 0 ? `${snapshot.left_out} more live calls are not shown here.` : "";
      text($("notice"), rest);
      show($("notice"), rest !== "");
    },
    onCall: live.onCall,
    onState,
  });
}

/** Without a connection the lights may no longer be true: they fade, and a line says since when. */
function onState(isOn) {
  const wasOn = !$("desk").hasAttribute("data-stale");
  $("connection").dataset.state = isOn ? "on" : "off";
  text($("connection").lastElementChild, isOn ? "Live" : "Connection lost, trying again…");
  $("desk").toggleAttribute("data-stale", !isOn);
  if (!isOn && wasOn) text($("stale"), `Not up to date: the gateway has not been heard since ${when(Date.now())}. Do not rely on the lights below.`);
  show($("stale"), !isOn);
}
