// Asking the API. The session is a cookie that scripts cannot read.

export class Refused extends Error {
  constructor(status, detail, faults = []) {
    super(detail);
    this.status = status;
    /** What is wrong in a text that was sent: each with its line. */
    this.faults = faults;
  }
}

/** Gives the parsed answer, null for an empty one; throws Refused with words for people. */
export async function ask(path, { method = "GET", body, match } = {}) {
  const headers = { "X-Ringward": "1", Accept: "application/json" };
  if (match !== undefined) headers["If-Match"] = match;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body), cache: "no-store", credentials: "same-origin" });
  } catch {
    throw new Refused(0, "The gateway cannot be reached.");
  }
  // Whoever signs in next in this tab begins with nothing of it.
  if (method === "DELETE" && path === "/api/v1/session") sessionStorage.clear();
  const type = answer.headers.get("Content-Type") ?? "";
  const content = type.includes("json") ? await answer.json().catch(() => null) : null;
  if (!answer.ok) {
    if (answer.status === 401 && !["/api/v1/session", "/api/v1/session/passkey", "/api/v1/invitation"].includes(path)) document.dispatchEvent(new Event("signed-out"));
    throw new Refused(answer.status, words(answer, content), content?.faults ?? []);
  }
  return content;
}

/** What went wrong, for people: with all faults, and with how long to wait. */
function words(answer, content) {
  const wait = answer.status === 429 ? ` Try again in ${answer.headers.get("Retry-After")} s.` : "";
  const faults = (content?.faults ?? []).map((fault) => ` ${fault.line > 1 ? `Line ${fault.line}: ` : ""}${fault.message}.`);
  return `${content?.detail ?? `The gateway answered ${answer.status}`}.${faults.join("")}${wait}`.replace(/\.\.+/g, ".");
}

export const report = (id, verdict, note) =>
  ask(`/api/v1/calls/${encodeURIComponent(id)}/report`, { method: "POST", body: note ? { verdict, note } : { verdict } });

/** What is wanted of a live call: `{ do: "move", queue: "security" }`. */
export const order = (id, body) => ask(`/api/v1/calls/${encodeURIComponent(id)}/actions`, { method: "POST", body });

export const hangUp = (id) => order(id, { do: "hang_up" });

/** Three signs of life missed: a connection can die without anybody being told. */
const SILENCE_MS = 40000;

/**
 * Follows the events until `close()` is called. The browser reconnects by itself after a lost
 * connection; after a refusal (restart, session over) it does not, so that is done here.
 * Every new connection begins with a snapshot: nothing has to be remembered.
 */
export function follow({ onSnapshot, onCall, onState }) {
  let source = null;
  let wait = 1000;
  let isOver = false;
  let timer = 0;
  let silence = 0;

  /** Something was heard; if nothing is for long, starts over. */
  function heard() {
    clearTimeout(silence);
    silence = setTimeout(() => {
      onState(false);
      source?.close();
      connect();
    }, SILENCE_MS);
  }

  function connect() {
    clearTimeout(timer);
    heard();
    source = new EventSource("/api/v1/events");
    source.addEventListener("here", heard);
    source.addEventListener("snapshot", (event) => {
      heard();
      wait = 1000;
      onState(true);
      onSnapshot(JSON.parse(event.data));
    });
    source.addEventListener("call", (event) => {
      heard();
      onCall(JSON.parse(event.data));
    });
    source.addEventListener("error", async () => {
      if (isOver) return;
      onState(false);
      if (source.readyState !== EventSource.CLOSED) return;
      await ask("/api/v1/status").catch(() => null);
      if (isOver) return;
      timer = setTimeout(connect, wait);
      wait = Math.min(wait * 2, 10000);
    });
  }

  // A page that is left may be kept by the browser, for the way back. It must not keep its connection too: there are only a few to one
  // gateway, and the next pages would wait for them.
  const leave = () => {
    clearTimeout(timer);
    clearTimeout(silence);
    source?.close();
  };
  const comeBack = (event) => {
    if (!event.persisted || isOver) return;
    onState(false);
    connect();
  };
  window.addEventListener("pagehide", leave);
  window.addEventListener("pageshow", comeBack);
  connect();
  return {
    close() {
      isOver = true;
      window.removeEventListener("pagehide", leave);
      window.removeEventListener("pageshow", comeBack);
      clearTimeout(timer);
      clearTimeout(silence);
      source?.close();
    },
  };
}
