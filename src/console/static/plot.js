// Bars over time, in parts that stand on each other. What they show is always beside them as a table too.

import { h, svg } from "./dom.js";

const HEIGHT = 100;

/**
 * Draws into `place`. `bars`: [{name, parts: [number, …]}] from left to right; `kinds`: a class for each part;
 * `words(bar)`: what a bar says when it is pointed at; `label`: what the whole is, for who does not see it.
 */
export function plot(place, { bars, kinds, words, label }) {
  const sums = bars.map(({ parts }) => parts.reduce((sum, part) => sum + part, 0));
  const top = nice(Math.max(1, ...sums));
  const drawing = svg("svg", { viewBox: `0 0 ${Math.max(bars.length, 1)} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": label });
  bars.forEach((bar, at) => {
    let base = HEIGHT;
    const rects = bar.parts.map((part, kind) => {
      const height = (part / top) * HEIGHT;
      base -= height;
      return svg("rect", { class: kinds[kind], x: at + 0.18, width: 0.64, y: base, height });
    });
    drawing.append(svg("g", {}, svg("title", {}, words(bar)), svg("rect", { x: at, width: 1, y: 0, height: HEIGHT, "fill-opacity": 0 }), ...rects));
  });
  const names = [bars[0], bars[Math.floor((bars.length - 1) / 2)], bars[bars.length - 1]].filter((bar, at, all) => bar && all.indexOf(bar) === at);
  place.replaceChildren(
    h("div", { class: "scale", "aria-hidden": "true" }, h("span", {}, top.toLocaleString()), h("span", {}, "0")),
    drawing,
    h("div", { class: "times", "aria-hidden": "true" }, ...names.map((bar) => h("span", {}, bar.name))));
}

/** The next of 1, 2, 5, 10, 20, 50, … */
function nice(value) {
  const ten = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * ten).find((step) => step >= value);
}

/** A share of 0 to 1 as a bar. */
export function meter(share) {
  return svg("svg", { class: "meter", viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true" },
    svg("rect", { class: "back", width: 100, height: 8, rx: 2 }), svg("rect", { width: 100 * share, height: 8, rx: 2 }));
}
