// Building nodes. Text is always text: nothing here, or anywhere else, parses markup.

/** h("p", {class: "quiet"}, "text", node, null) */
export function h(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value === true ? "" : String(value));
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export function svg(name, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, String(value));
  node.append(...children);
  return node;
}

/** Sets text only when it differs, so that screen readers and selections are left alone. */
export function text(node, value) {
  const wanted = value ?? "";
  if (node.textContent !== wanted) node.textContent = wanted;
}

export function show(node, isShown) {
  node.hidden = !isShown;
}

const SHAPES = {
  ok: "M5 10.5l3.300 3.300L15 7",
  warn: "M10 5.500v5.500M10 14.200v.1",
  bad: "M6.500 6.500l7 7M13.500 6.500l-7 7",
  wait: "M6 10h.1M10 10h.1M14 10h.1",
};

/** A shape for each tone, so that colour is never the only sign. */
export function icon(tone) {
  return svg("svg", { viewBox: "0 0 20 20", "aria-hidden": "true" },
    svg("circle", { cx: 10, cy: 10, r: 8.6, fill: "none", stroke: "currentColor", "stroke-width": 1.6 }),
    svg("path", { d: SHAPES[tone] ?? SHAPES.wait, fill: "none", stroke: "currentColor", "stroke-width": 2.1, "stroke-linecap": "round", "stroke-linejoin": "round" }));
}
