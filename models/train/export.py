"""Writes what the gateway loads: model.onnx, manifest.json, and beside them figures.json and golden.json."""

import hashlib
import json
import os
import platform

import numpy as np
import onnx
import onnxruntime
import soundfile
import torch

import augment
import calibrate
import data
import evaluate
import frontend
import g711
import refit
from limits import (BINS, FLOOR, FRAME, HIGH_BIN, HOP, LOW_BIN, MEMORY_WINDOWS, MIN_WINDOW_SPEECH, POOL_FRAMES, RATE,
                    SCORE_CLIP, WINDOW_FRAMES)
from model import Countermeasure

DEMO = os.path.join(os.path.dirname(data.HERE), "demo")
GOLDEN_FRAMES = 6


def write(weights_file, clips, samples, chosen):
    os.makedirs(chosen.out, exist_ok=True)
    model = Countermeasure().eval()
    model.load_state_dict(torch.load(weights_file))
    refitted = refit.refit(model, clips, samples, augment.noises(clips, samples, chosen.seed), chosen.seed)
    path = os.path.join(chosen.out, "model.onnx")
    torch.onnx.export(model, (torch.zeros(1, BINS, WINDOW_FRAMES), torch.full((1, POOL_FRAMES), 1.0 / POOL_FRAMES)), path,
                      input_names=["features", "weights"], output_names=["score"], opset_version=13)
    graph = onnx.load(path)
    graph.doc_string = ""
    for node in graph.graph.node:
        node.doc_string = ""
    onnx.checker.check_model(graph)
    onnx.save(graph, path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def run(x, weights):
        return np.concatenate([session.run(None, {"features": x[i:i + 1], "weights": weights[i:i + 1]})[0] for i in range(len(x))])

    dev = [clip for clip in clips if clip.dev]
    scored = evaluate.score(run, evaluate.prepare(dev, samples))
    calibration, spoof, bona_fide, figures = calibrate.measure(scored, dev)
    with open(path, "rb") as file:
        octets = file.read()
    name = os.path.basename(os.path.normpath(chosen.out))
    manifest = {
        "format": 1,
        "name": name,
        "onnx_sha256": hashlib.sha256(octets).hexdigest(),
        "input": {"sample_rate": RATE, "frame": FRAME, "step": HOP, "low_bin": LOW_BIN, "high_bin": HIGH_BIN, "floor": FLOOR,
                  "window_frames": WINDOW_FRAMES, "pool_frames": POOL_FRAMES, "min_window_speech_frames": MIN_WINDOW_SPEECH,
                  "score_clip": SCORE_CLIP, "memory_windows": MEMORY_WINDOWS},
        "calibration": {"slope": calibration.slope, "slope_per_ln": calibration.slope_per_ln, "offset": calibration.offset,
                        "net_seconds_low": calibrate.NET_LOW, "net_seconds_high": calibrate.NET_HIGH, "llr_max": calibrate.LLR_MAX},
        "decision": {"spoof_at_most": round(spoof, 4), "bona_fide_at_least": round(bona_fide, 4),
                     "net_seconds_min": calibrate.NET_MIN, "agreeing_windows_min": calibrate.AGREEING},
        "training": {"seed": chosen.seed, "steps": chosen.steps, "torch": torch.__version__, "python": platform.python_version(),
                     "train_clips": sum(not clip.dev for clip in clips), "dev_eer": figures["eer"],
                     **refitted, "parameters": sum(p.numel() for p in model.parameters())},
    }
    _save(os.path.join(chosen.out, "manifest.json"), manifest)
    _save(os.path.join(chosen.out, "figures.json"), figures)
    _save(os.path.join(chosen.out, "golden.json"), [golden(file, run, calibration, spoof, bona_fide) for file in sorted(os.listdir(DEMO))
                                                   if file.endswith(".wav")], indent=None)
    shown = ("eer", "eer_95", "cllr_cross_fitted", "min_cllr", "caught_at_1_percent_false_alarms", "labels", "labels_cross_fitted")
    print(json.dumps({key: figures[key] for key in shown}, indent=1))


def golden(file, run, calibration, spoof, bona_fide):
    """What the Rust engine must hear in a demo clip: speech flags, some features, every window's evidence, the end."""
    samples, rate = soundfile.read(os.path.join(DEMO, file), dtype="int16")
    if rate != RATE:
        raise SystemExit(f"{file}: {rate} Hz")
    samples = g711.through(samples)
    p = frontend.power(samples / 32768.0)
    flags, features = frontend.speech(p), frontend.log_power(p)
    windows = evaluate.windows(samples)
    scored = evaluate.score(run, [windows])[0]
    course = evaluate.mean_course(scored)
    lowest, highest = calibrate.extremes(calibration, [scored], [course])
    frames = np.linspace(3, len(p) - 3, GOLDEN_FRAMES).astype(int)
    return {
        "file": file,
        "speech": "".join("1" if flag else "0" for flag in flags),
        "features": {str(k): [round(float(v), 5) for v in features[k]] for k in frames},
        "windows": [{"at": round(at, 4), "llr": round(float(calibration.llr(raw, own)), 5)} for at, _, raw, own in scored],
        "llr": [round(float(calibration.llr(mean, net)), 5) for net, mean in course],
        "ever": ["spoof"] * bool(lowest[0] <= spoof) + ["bona_fide"] * bool(highest[0] >= bona_fide),
    }


def _save(path, value, indent=1):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(value, file, indent=indent)
        file.write("\n")
