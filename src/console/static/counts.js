// Counts of calls as the API gives them: asked for page by page, and added up.

import { ask } from "./api.js";

/**
 * Counts all calls of a period. `scope`: what is asked for; `onPart(report)`: everything so far, after each page;
 * `signal`: stops between two pages. Gives the whole, or what there was when it was stopped.
 */
export async function count(scope, onPart, signal) {
  const whole = { all: {}, tables: {}, isWhole: false };
  let cursor = null;
  do {
    const query = new URLSearchParams(scope);
    if (cursor) query.set("cursor", cursor);
    const part = await ask(`/api/v1/reports?${query}`);
    if (signal.aborted) return whole;
    add(whole.all, part.all);
    for (const [by, lines] of Object.entries(part.tables)) {
      const table = (whole.tables[by] ??= {});
      for (const [name, line] of Object.entries(lines)) add((table[name] ??= {}), line);
    }
    cursor = part.next;
    whole.isWhole = cursor === null;
    onPart(whole);
  } while (cursor !== null && !signal.aborted);
  return whole;
}

function add(sum, line) {
  for (const [name, value] of Object.entries(line)) sum[name] = (sum[name] ?? 0) + value;
}

/** Part of a whole in per cent, as words; of nothing there is none. */
export function percent(part, whole) {
  return whole > 0 ? `${Math.round((1000 * part) / whole) / 10} %` : "–";
}

/** Milliseconds on average; null where there is nothing to take it of. */
export const mean = (sum, of) => (of > 0 ? Math.round(sum / of) : null);

/** Rows as a file for spreadsheets (RFC 4180). What would be a formula there has a quote before it. */
export function csv(rows) {
  const cell = (value) => {
    const text = String(value ?? "");
    const plain = typeof value !== "number" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
    return /[",\r\n]/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain;
  };
  return rows.map((row) => `${row.map(cell).join(",")}\r\n`).join("");
}
