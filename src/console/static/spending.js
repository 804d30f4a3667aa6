// What calls to the outside came to, beside what they may.

import { ask } from "./api.js";
import { h, show, text } from "./dom.js";
import { $ } from "./page.js";

export async function open() {
  const { currency, all, persons, queues, limits } = await ask("/api/v1/spending");
  const words = currency ? `${all.spent_in_hour} ${currency} in the last hour, ${all.spent_in_day} ${currency} in the last day` : "no tariff says what they cost";
  const may = [
    [limits.all.spent_in_hour, "in an hour"],
    [limits.all.spent_in_day, "in a day"],
  ].filter(([most]) => most !== null).map(([most, when]) => `${most} ${currency} ${when}`);
  text($("spending-state"), `${all.calls} go on; ${all.calls_in_hour} began in the last hour: ${words}.${may.length ? ` They may come to ${may.join(" and ")}.` : ""}`);
  const rows = [...persons.map((one) => row(one, limits.person, "phone or person")), ...queues.map((one) => row(one, limits.queue, "queue"))];
  $("spending-rows").replaceChildren(...rows);
  show($("spending-empty"), rows.length === 0);
}

function row(one, limit, kind) {
  const of = (spent, most) => (most === null ? String(spent) : `${spent} of ${most}`);
  const cells = [of(one.calls, limit.calls), of(one.calls_in_hour, limit.calls_in_hour), of(one.minutes_in_hour, limit.minutes_in_hour), of(one.spent_in_hour, limit.spent_in_hour), of(one.spent_in_day, limit.spent_in_day)];
  return h("tr", {}, h("th", { scope: "row" }, one.name), h("td", {}, kind), ...cells.map((cell) => h("td", { class: "right" }, cell)));
}
