"""The card of a model folder, `card.md`: what it was trained on and how often it is wrong, out of the figures that lie beside it.

    python3 models/train/card.py FOLDER

Written by train.py and again by models/eval/run, which adds what it measured. What a model is for, and the limits that no figure here
shows, stand in models/README.md.
"""

import collections
import json
import os
import sys

SHOWN = 5       # sources and engines that are named at each end
LICENCES = 3    # of one source or engine, the most frequent
LARGER = 10     # clips from which on a source or engine is named


def trained_on(clips):
    """What of `clips` was trained on: counts by source, engine, language and licence, for figures.json."""
    train = [clip for clip in clips if not clip.dev]
    out = {"real": {}, "synthetic": {}, "languages": collections.Counter(clip.language or "not said" for clip in train)}
    for name, is_real in (("real", True), ("synthetic", False)):
        mine = [clip for clip in train if clip.real == is_real]
        for group in sorted({clip.group for clip in mine}):
            licences = collections.Counter(clip.licence or "no licence stated" for clip in mine if clip.group == group)
            out[name][group] = {"clips": licences.total(), "licences": [licence for licence, _ in licences.most_common(LICENCES)]}
    return out


def write(folder):
    """card.md of this model folder, from manifest.json, figures.json and (where there is one) evaluation.json."""
    manifest, figures, evaluation = (_read(folder, name) for name in ("manifest.json", "figures.json", "evaluation.json"))
    if evaluation and any(evaluation["model"].get(key) != manifest[key]["sha256"] for key in ("trunk", "second") if key in manifest):
        evaluation = {}  # of other networks than these
    stages = [(key, name) for key, name in (("both", "both stages"), ("first", "stage 1 alone")) if key in figures]
    lines = [f"# The voice model `{manifest['name']}`", "", "What a model of this kind is for, and its limits, stand in `models/README.md`. This page is made from the figures beside it.", ""]
    lines += _data(figures.get("trained_on"), manifest.get("training", {}))
    lines += _quality(figures, stages) + _labels(figures, stages, manifest)
    lines += _ends(figures[stages[0][0]]["by_group"])
    if evaluation:
        lines += _evaluation(evaluation, stages)
    with open(os.path.join(folder, "card.md"), "w", encoding="utf-8") as file:
        file.write("\n".join(lines).rstrip() + "\n")


def _read(folder, name):
    path = os.path.join(folder, name)
    if not os.path.exists(path):
        return {}
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def _data(data, training):
    taken = {"all": "every clip, whatever its licence", "clean": "only clips whose stated licence lets a product be sold"}
    lines = ["## What it was trained on", "", f"Licences: {taken.get(training.get('licences'), 'not known')}. Seed {training.get('seed', 'not known')}.", ""]
    if not data:
        return lines
    for name, what in (("real", "sources"), ("synthetic", "engines")):
        clips = sum(group["clips"] for group in data[name].values())
        lines += [f"{clips:,} {name} clips of {len(data[name])} {what}.", ""]
    lines += [_table(["", "source or engine", "clips", "licences stated"],
                     [[name, f"`{group}`", f"{known['clips']:,}", "; ".join(known["licences"])]
                      for name in ("real", "synthetic") for group, known in sorted(data[name].items(), key=lambda one: -one[1]["clips"])]), ""]
    total = sum(data["languages"].values())
    languages = sorted(data["languages"].items(), key=lambda one: -one[1])
    return lines + ["Languages: " + ", ".join(f"{name} {_percent(count / total)}" for name, count in languages) + ".", ""]


def _quality(figures, stages):
    clips = figures[stages[0][0]]["clips"]
    rows = []
    for title, key, interval in (("EER", "eer", "eer_95"), ("caught at 1 % false alarms", "caught_at_1_percent_false_alarms", "caught_at_1_percent_95")):
        rows.append([title] + [f"{_percent(figures[k][key])} ({_percent(figures[k][interval][0])} to {_percent(figures[k][interval][1])})" for k, _ in stages])
    for title, key in (("minCllr (1 = says nothing)", "min_cllr"), ("Cllr, calibrated on the other half", "cllr_cross_fitted")):
        rows.append([title] + [f"{figures[k][key]:.2f}" for k, _ in stages])
    return ["## How good it is", "", f"{clips['real']} real and {clips['synthetic']} synthetic dev clips through mu-law; sources and engines weigh the same; intervals (95 %) draw them again.", "",
            _table([""] + [name for _, name in stages], rows), ""]


def _labels(figures, stages, manifest):
    rows = []
    for key, name in stages:
        for part, words in (("labels", ""), ("labels_cross_fitted", ", thresholds of the other half")):
            for kind in ("real", "synthetic"):
                said = figures[key][part][kind]["by_group"]
                rows.append([f"{name}{words}: {kind}"] + [_percent(said[label]) for label in ("spoof", "bona_fide", "never_either")])
    limits = "; ".join(f"{name}: `spoof` at llr {manifest['decision'][key]['spoof_at_most']} or below, `bona_fide` at {manifest['decision'][key]['bona_fide_at_least']} or above" for key, name in stages)
    return ["What the labels do, given at any moment of a clip:", "", _table(["", "said `spoof`", "said `bona_fide`", "unsure to the end"], rows), "", limits[0].upper() + limits[1:] + ".", ""]


def _ends(groups):
    """Whom it accuses wrongly and whom it misses."""
    real = {name[5:]: g for name, g in groups.items() if name.startswith("real ") and g["clips"] >= LARGER}
    engines = {name[10:]: g for name, g in groups.items() if name.startswith("synthetic ") and g["clips"] >= LARGER}
    accused = [f"`{name}` {_percent(g['spoof'])}" for name, g in sorted(real.items(), key=lambda one: -one[1]["spoof"]) if g["spoof"] > 0][:SHOWN]
    nearest = [f"`{name}` {g['mean_llr']:+.2f}" for name, g in sorted(real.items(), key=lambda one: one[1]["mean_llr"])][:SHOWN]
    missed = [f"`{name}` {g['mean_llr']:+.2f} ({_percent(g['bona_fide'])})" for name, g in sorted(engines.items(), key=lambda one: -one[1]["mean_llr"])][:SHOWN]
    return ["## Whom it accuses wrongly, and whom it misses", "", f"Of sources and engines with {LARGER} clips or more:", "",
            "- Real clips called `spoof` at some moment: " + (", ".join(accused) or "none") + ".",
            "- Real sources with the least evidence in their favour (mean llr): " + (", ".join(nearest) or "none") + ".",
            "- Engines it hears least (mean llr; share called `bona_fide`): " + (", ".join(missed) or "none") + ".", ""]


def _evaluation(report, stages):
    rows = []
    for line, known in report["conditions"].items():
        best = known[stages[0][0]]
        rows.append([line, _percent(best["eer"]), f"{best['cllr']:.2f}", _percent(best["caught_at_1_percent"]), _percent(best["real"]["spoof"]), _percent(best["synthetic"]["spoof"]),
                     _percent(known["first"]["eer"])])
    lines = ["## Through other lines", "", _table(["line", "EER", "Cllr", "caught at 1 %", "real called `spoof`", "synthetic called `spoof`", "EER of stage 1 alone"], rows), ""]
    calls = report.get("long_calls", {})
    if calls.get("median_net_seconds_to_decision") is not None:
        lines += [f"First label in calls of 15 to 30 s: after a median of {calls['median_net_seconds_to_decision']} s of net speech, where there is one.", ""]
    if calls.get("undecided"):
        kinds = ("real", "synthetic")
        lines += [_table(["net speech", *(f"{kind} calls still undecided" for kind in kinds)],
                         [[seconds, *(f"{_percent(known[kind]['undecided'])} of {known[kind]['calls']}" if kind in known else "" for kind in kinds)] for seconds, known in calls["undecided"].items()]), ""]
    if report.get("beside"):
        beside = report["beside"]
        low, high = (f"{100 * v:.1f}" for v in beside["eer_gain_95"])
        lines += [f"Against the other system on the same {beside['clips']} clips: EER {_percent(beside['their_eer'])} against {_percent(beside['our_eer'])}, 95 % interval of the gain {low} to {high} points.", ""]
    return lines


def _percent(share):
    return f"{100 * share:.1f} %"


def _table(heads, rows):
    """Names and licences come from a manifest that anybody may have written."""
    clean = [[" ".join(cell.split()).replace("|", "\\|") for cell in row] for row in (heads, ["---"] * len(heads), *rows)]
    return "\n".join("| " + " | ".join(row) + " |" for row in clean)


if __name__ == "__main__":
    write(sys.argv[1])
