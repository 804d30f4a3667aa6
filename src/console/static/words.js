// Words before colour. A light says what is known, never that all is well.

export const NUMBER = {
  genuine: { is: "Proven", tone: "ok" },
  unproven: { is: "Not proven", tone: "warn" },
  forged: { is: "Forged", tone: "bad" },
};

export const VOICE = {
  person: { is: "No sign of synthesis", tone: "ok" },
  unsure: { is: "Unsure", tone: "warn" },
  synthetic: { is: "Likely synthetic", tone: "bad" },
  pending: { is: "Listening…", tone: "wait" },
};

const PENDING = { is: "Checking…", tone: "wait" };
const NOT_HEARD = { is: "Not heard", tone: "wait" };

export const LABELS = {
  genuine: ["Genuine number", "ok"], known: ["Known caller", "wait"], unproven: ["Unproven", "warn"],
  suspect: ["Suspect", "warn"], forged: ["Forged", "bad"], synthetic: ["Synthetic", "bad"],
  campaign: ["Known scam", "bad"], emergency: ["Emergency", "wait"],
};

/** What a recording is that came from several numbers. */
export const CAMPAIGNS = {
  repeated: { is: "From two numbers", tone: "wait", means: "From a third number on it is a campaign." },
  campaign: { is: "Campaign", tone: "warn", means: "Its calls are marked: the same recording from several numbers.", done: "It is a campaign again: the next call with it is marked." },
  allowed: { is: "Allowed", tone: "ok", means: "It is wanted here, whoever it comes from: its calls are not marked.", done: "Allowed. The next call with it is not marked." },
};

export const STATES = { screening: "Checking", ringing: "Ringing", talking: "Talking", ended: "Ended" };

export const ENDINGS = {
  completed: "Answered", cancelled: "Caller gave up", no_answer: "No answer", refused: "Refused", failed: "Failed",
};

export const VERDICTS = { good: "Good", unsure: "Unsure", scam: "Scam" };

export function numberLight(call) {
  return NUMBER[call.banner?.number] ?? PENDING;
}

/** After the end nobody listens any more. */
export function voiceLight(call) {
  const light = VOICE[call.banner?.voice] ?? PENDING;
  return call.state === "ended" && light.tone === "wait" ? NOT_HEARD : light;
}

/** For the edge of a card: only what calls for care. Two good lights do not add up to a good call. */
export function worst(call) {
  const tones = [numberLight(call).tone, voiceLight(call).tone];
  return ["bad", "warn"].find((tone) => tones.includes(tone)) ?? "wait";
}

/** "Number: forged, signed for another number" without the part the tile already says. */
export function detail(line, is) {
  const rest = (line ?? "").replace(/^(Number|Voice):\s*/i, "").trim();
  if (!rest.toLowerCase().startsWith(is.toLowerCase())) return capital(rest);
  return capital(rest.slice(is.length).replace(/^[\s,:;]+/, ""));
}

function capital(words) {
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** The name that is signed with the number, else the one the caller gives himself. */
export function nameOf(call) {
  return call.signed_name ?? call.caller_name;
}

/** Where to call an organisation whose name or number is shown. */
export function callBack(call) {
  return call.call_back ? `${call.call_back.organisation} publishes ${number(call.call_back.number)}: call back there.` : null;
}

/** Of a call that one of us made to call an organisation back: whom. */
export function calledBack(call) {
  return call.call_back_of ? `Called back: ${call.call_back_of.organisation}` : null;
}

/** Whose call it is: his number, or when all that was known of him was erased. */
export function whose(call) {
  return call.erased_ms ? `Erased on ${new Date(call.erased_ms).toLocaleDateString()}` : number(call.caller);
}

/** North American numbers in groups; others as they are. */
export function number(value) {
  if (!value) return "Number hidden";
  const parts = /^\+1(\d{3})(\d{3})(\d{4})$/.exec(value);
  return parts ? `+1 ${parts[1]} ${parts[2]} ${parts[3]}` : value;
}

export function clock(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const two = (value) => String(value).padStart(2, "0");
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}

/** Milliseconds for people: "41 ms", "4.0 s". */
export function span(ms) {
  if (ms === null || ms === undefined) return "–";
  return ms < 1000 ? `${ms} ms` : `${(ms / 1000).toFixed(1)} s`;
}

export function when(ms, hasSeconds = true) {
  const date = new Date(ms);
  const isToday = date.toDateString() === new Date().toDateString();
  const time = date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: hasSeconds ? "2-digit" : undefined, hour12: false });
  const year = date.getFullYear() === new Date().getFullYear() ? undefined : "numeric";
  return isToday ? time : `${date.toLocaleDateString([], { year, month: "short", day: "numeric" })} ${time}`;
}

export function talked(call) {
  const { answered_ms: from, ended_ms: to } = call.timings;
  return from === null || to === null ? "–" : clock(to - from);
}

export function signed(value, digits = 1) {
  return `${value > 0 ? "+" : value < 0 ? "−" : ""}${Math.abs(value).toFixed(digits)}`;
}

export function capitalised(name) {
  return capital(String(name).replaceAll("_", " "));
}
