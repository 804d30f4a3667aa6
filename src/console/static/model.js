// The model that listens: which one it is, what it says, and how often it is wrong.

import { ask } from "./api.js";
import { h, show, text } from "./dom.js";
import { $, submitted } from "./page.js";

const percent = (share) => `${(share * 100).toFixed(1)} %`;
const many = (count) => count.toLocaleString("en");

export async function open() {
  await submitted(look);
}

async function look() {
  const { model, trial, last_trial: last } = await ask("/api/v1/model");
  text($("model-name"), model === null
    ? "No model listens here. What banners say of voices is “not checked”."
    : `${model.revision} listens to callers${model.has_second_opinion ? "; a larger network gives a second opinion on the calls that policy names" : ""}.`);
  text($("model-trial"), [trialled(trial), ended(last)].filter(Boolean).join(" "));
  const card = model?.card ?? null;
  show($("model-trial"), $("model-trial").textContent !== "");
  show($("model-card"), card !== null);
  $("model-words").replaceChildren(...(model === null ? [] : card === null ? [h("p", {}, `How often it is wrong is not known: ${model.card_problem}.`)] : words(card)));
  if (card) $("model-lines").replaceChildren(...card.lines.map(row));
}

function trialled(trial) {
  if (!trial) return "";
  const far = trial.distance === null ? "too few to compare yet" : `distance ${trial.distance.toFixed(2)} of 1`;
  return `On trial: ${trial.model} hears ${trial.percent} % of the calls (${many(trial.windows)} scores, ${far}).`;
}

const ended = (last) => (last ? `The last trial, of ${last.model}: ${last.was_kept ? "it was kept" : "its scores drifted, and it was taken back"}.` : "");

function words({ lines, real, synthetic }) {
  const plain = lines[0];
  const figures = plain && (plain.both ?? plain.first);
  const called = figures ? `Of 100 synthetic voices it calls about ${Math.round(figures.synthetic_called_spoof * 100)} so, and of 100 people ${figures.real_called_spoof < 0.005 ? "fewer than one" : `about ${Math.round(figures.real_called_spoof * 100)}`}; it says “a person” of about ${Math.round(figures.real_called_bona_fide * 100)} people and ${Math.round(figures.synthetic_called_bona_fide * 100)} synthetic voices, and of the others that it is unsure. ` : "";
  return [
    h("p", {}, `${called}It tells synthetic speech from people's, and nothing of honesty: a swindler's own voice is a person's, and a clinic's announcement may be synthetic.`),
    h("p", { class: "hint" }, `Measured by its maker on speech that it was not trained on. Trained on ${many(real.clips)} clips of ${many(real.groups)} sources of people and ${many(synthetic.clips)} clips of ${many(synthetic.groups)} engines. “Alone” is the model that hears every call, without its second opinion.`),
  ];
}

function row({ name, clips, first, both }) {
  const of = both ?? first;
  return h("tr", {}, h("th", { scope: "row" }, name), h("td", { class: "right" }, many(clips)),
    h("td", { class: "right" }, percent(of.synthetic_called_spoof)), h("td", { class: "right" }, percent(of.real_called_spoof)),
    h("td", { class: "right" }, percent(of.synthetic_called_bona_fide)), h("td", { class: "right" }, percent(of.eer)),
    h("td", { class: "right" }, both ? percent(first.synthetic_called_spoof) : "–"), h("td", { class: "right" }, both ? percent(first.eer) : "–"));
}
