// One call from left to right: checked, rung, talked; a stroke where something was done with it; under it what was heard of the voice.

import { draw, makeChart } from "./chart.js";
import { h, svg } from "./dom.js";
import { span } from "./words.js";

const WORDS = {
  phases: { checked: "Checked", rang: "Rang", talked: "Talked" },
  move: "Something was done with it",
  voice: "Voice: up speaks for a person, down for synthesis",
  label: (phases, moves) => `The call over time: ${phases.join(", ")}; ${moves} ${moves === 1 ? "move" : "moves"}. The steps are listed below.`,
  evidence: "Voice evidence over time",
};
const HEIGHT = 14;

/** `moves`: milliseconds since the call arrived. */
export function timeline(why, moves) {
  const { timings } = why.call;
  const last = why.evidence.at(-1)?.at ?? 0;
  const end = Math.max(timings.ended_ms ?? Date.now() - why.call.started_ms, 1000);
  const rung = timings.ringing_ms ?? end;
  const answered = timings.answered_ms ?? end;
  const phases = [["checked", 0, Math.min(rung, answered, end)], ["rang", Math.min(rung, answered), Math.min(answered, end)], ["talked", answered, end]].filter(([, from, to]) => to > from);
  const words = phases.map(([name, from, to]) => `${WORDS.phases[name].toLowerCase()} ${span(to - from)}`);
  const inside = moves.filter((at) => at <= end);
  const band = svg("svg", { class: "timeline", viewBox: `0 0 ${end} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": WORDS.label(words, inside.length) },
    ...phases.map(([name, from, to]) => svg("rect", { class: name, x: from, width: to - from, y: 2, height: HEIGHT - 4 })),
    ...inside.map((at) => svg("line", { x1: at, x2: at, y1: 0, y2: HEIGHT })));
  const legend = h("ul", { class: "phases" },
    phases.map(([name, from, to]) => h("li", {}, h("i", { class: name, "aria-hidden": "true" }), `${WORDS.phases[name]} ${span(to - from)}`)),
    inside.length > 0 ? h("li", {}, h("i", { class: "move", "aria-hidden": "true" }), WORDS.move) : null);
  if (why.evidence.length === 0) return h("figure", { class: "evidence" }, band, legend);
  const chart = makeChart(WORDS.evidence, true);
  // We listen from the answer on, or from before it to whom we talked ourselves: what was heard last was heard at the end.
  const from = Math.max(0, Math.min(answered / 1000, end / 1000 - last));
  draw(chart, why.evidence, Math.ceil(end / 1000), from);
  return h("figure", { class: "evidence" }, band, chart, legend, h("figcaption", {}, h("span", {}, WORDS.voice), h("span", {}, `${why.evidence.length} scored seconds`)));
}
