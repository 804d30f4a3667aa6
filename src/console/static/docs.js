// Lists the API from openapi.json.

import { h } from "./dom.js";

const TONES = { get: "wait", post: "ok", delete: "bad", put: "warn", patch: "warn" };
const $ = (id) => document.getElementById(id);

const answer = await fetch("/openapi.json").then((response) => response.json()).catch(() => null);
if (answer === null) {
  $("about").textContent = "The document cannot be read right now.";
} else {
  $("title").textContent = `${answer.info.title} API ${answer.info.version}`;
  $("about").replaceChildren(...prose(answer.info.description));
  const operations = Object.entries(answer.paths).flatMap(([path, methods]) =>
    Object.entries(methods).filter(([method]) => method in TONES).map(([method, operation]) => one(path, method, operation)));
  $("operations").replaceChildren(...operations);
  const shapes = Object.entries(answer.components?.schemas ?? {}).map(([name, schema]) => shape(name, schema));
  $("shapes").replaceChildren(...shapes);
}

function one(path, method, operation) {
  const isOpen = (operation.security ?? []).some((way) => Object.keys(way).length === 0);
  const parameters = (operation.parameters ?? []).map((parameter) => row(parameter.name, typeOf(parameter.schema), parameter.description));
  const bodies = Object.values(operation.requestBody?.content ?? {}).map((content) => row("body", typeOf(content.schema), operation.requestBody.description));
  const responses = Object.entries(operation.responses ?? {}).map(([status, response]) =>
    row(status, Object.values(response.content ?? {}).map((content) => typeOf(content.schema)).join(" "), response.description));
  return h("article", { class: "operation sheet" },
    h("header", {}, h("span", { class: `method tone-${TONES[method]}` }, method.toUpperCase()), h("code", {}, path), isOpen ? h("span", { class: "quiet" }, "open to all") : null),
    h("p", {}, prose([operation.summary, operation.description].filter(Boolean).join(" "))),
    h("table", {}, h("tbody", {}, parameters, bodies, responses)));
}

function shape(name, schema) {
  const fields = Object.entries(schema.properties ?? {}).map(([field, of]) => row(field, typeOf(of), of.description));
  return h("article", { class: "shape sheet", id: `shape-${name}` }, h("h3", {}, name), schema.description ? h("p", {}, prose(schema.description)) : null,
    fields.length > 0 ? h("table", {}, h("tbody", {}, fields)) : h("p", { class: "mono" }, typeOf(schema)));
}

function row(name, type, words) {
  return h("tr", {}, h("th", { scope: "row" }, name), h("td", { class: "type" }, type), h("td", {}, prose(words)));
}

/** `words` in back quotes become code; the rest is text. */
function prose(words) {
  return (words ?? "").split("`").map((part, place) => (place % 2 === 1 ? h("code", {}, part) : part));
}

function typeOf(schema) {
  if (!schema) return "";
  if (schema.$ref) return schema.$ref.split("/").pop();
  const either = schema.oneOf ?? schema.anyOf;
  if (either) return either.map(typeOf).join(" or ");
  if (schema.enum) return schema.enum.join(" | ");
  const type = Array.isArray(schema.type) ? schema.type.join(" or ") : (schema.type ?? "any");
  return type === "array" ? `list of ${typeOf(schema.items)}` : type;
}
