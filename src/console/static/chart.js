// Evidence second by second: up speaks for a person, down for a machine.

import { svg } from "./dom.js";

/** Half of the height; past it bars grow ever less. */
const HALF = 1.5;
const HEIGHT = 40;
const LEAST_SLOTS = 60;

/**
 * Draws into `chart` (an svg made by `makeChart`). Windows are {at, llr}; missing seconds stay empty. `from`: the second at which it was
 * begun to listen, where what came before is drawn too.
 */
export function draw(chart, windows, slots = LEAST_SLOTS, from = null) {
  const first = from !== null ? -from : windows.length > 0 ? Math.floor(windows[0].at) : 0;
  const last = windows.length > 0 ? Math.floor(windows[windows.length - 1].at) : 0;
  const width = Math.max(slots, last - first + 1);
  const bars = windows.map((window) => {
    const llr = window.llr ?? 0;
    const size = Math.max(1, (Math.abs(llr) / (Math.abs(llr) + HALF)) * (HEIGHT / 2));
    return svg("rect", {
      class: llr < 0 ? "spoof" : "person", x: Math.floor(window.at) - first + 0.12, width: 0.76,
      y: llr < 0 ? HEIGHT / 2 : HEIGHT / 2 - size, height: size,
    });
  });
  chart.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
  chart.replaceChildren(svg("line", { class: "zero", x1: 0, x2: width, y1: HEIGHT / 2, y2: HEIGHT / 2 }), ...bars);
}

export function makeChart(label, isTall = false) {
  const chart = svg("svg", { class: isTall ? "chart tall" : "chart", preserveAspectRatio: "none", role: "img", "aria-label": label });
  draw(chart, []);
  return chart;
}
