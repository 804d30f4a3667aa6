"""Writes what the gateway loads: trunk.onnx, second.onnx, manifest.json, and beside them figures.json, golden.json and card.md."""

import hashlib
import inspect
import json
import os

import numpy as np
import onnx
import onnxruntime
import soundfile
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

import calibrate
import card
import data
import evaluate
import first
import g711
from limits import (BINS, FLOOR, FORGET_FRAMES, FRAME, HIGH_BIN, HOP, K0, LOW_BIN, MEL_BANDS, MEL_FRAMES, MEL_POSITIONS,
                    MEMORY_WINDOWS, MIN_WINDOW_SPEECH, RATE, SCORE_CLIP, SCORE_HOP, WINDOW_HOPS)
from model import FixedTrunk
from stream import Stream, normalise, pairs_at

DEMO = os.path.join(os.path.dirname(data.HERE), "demo")
GOLDEN_FRAMES = 6
SECOND_ABOUT = {"name": "Whisper tiny.en encoder, first 2 layers", "licence": "MIT, OpenAI"}
TAUGHT = ", taught through noise"
HALF_FROM = 4096     # weights of at least so many numbers are stored in float16


class Deployed(nn.Module):
    """A SecondOpinion whose standardisation is part of its last layer."""

    def __init__(self, model):
        super().__init__()
        self.encoder = model.encoder
        weight = model.head.weight[0] / model.spread
        self.head = nn.Linear(len(weight), 1)
        with torch.no_grad():
            self.head.weight.copy_(weight[None])
            self.head.bias.copy_(model.head.bias - (weight * model.mean).sum())

    def forward(self, mel, weights):
        w = weights.unsqueeze(2)
        out = []
        for h in self.encoder(mel):
            mean = (h * w).sum(dim=1)
            out += [mean, torch.sqrt(torch.relu((h * h * w).sum(dim=1) - mean * mean) + 1e-4)]
        return self.head(torch.cat(out, dim=1)).squeeze(1)


class Session:
    """An ONNX file in onnxruntime, the arithmetic all figures are taken from."""

    def __init__(self, path):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.names = [i.name for i in self.session.get_inputs()]

    def __call__(self, *arrays):
        return self.session.run(None, dict(zip(self.names, arrays)))[0]

    def each(self, mel, weights):
        """Raw scores, one window at a time, as the gateway does it."""
        return np.array([self(mel[i:i + 1].astype(np.float32), weights[i:i + 1])[0] for i in range(len(mel))])


def graphs(trunk, second, folder):
    """Writes both graphs; gives back their sessions (None where there is no second)."""
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "trunk.onnx")
    onnx.save(trunk_graph(trunk.eval()), path)
    sessions = [Session(path), None]
    if second is not None:
        path = os.path.join(folder, "second.onnx")
        weights = torch.full((1, MEL_POSITIONS), 1.0 / MEL_POSITIONS)
        # Newer versions of PyTorch have another way of export by default, which needs a package more.
        traced = {"dynamo": False} if "dynamo" in inspect.signature(torch.onnx.export).parameters else {}
        torch.onnx.export(Deployed(second).eval(), (torch.zeros(1, MEL_BANDS, MEL_FRAMES), weights), path,
                          input_names=["mel", "weights"], output_names=["raw"], opset_version=13, **traced)
        _tidy(path, halve=True)
        sessions[1] = Session(path)
    return sessions


def trunk_graph(trunk):
    """The trunk by hand, as plain as can be: zeros padded on the left, a convolution with its norm folded in, Relu, the way around."""
    nodes, weights = [], []

    def constant(name, value):
        weights.append(numpy_helper.from_array(value, name))
        return name

    def convolve(x, name, conv, norm):
        scale = (norm.weight / torch.sqrt(norm.running_var + norm.eps)).detach()
        kernel = (conv.weight.detach() * scale[:, None, None]).numpy()
        bias = (norm.bias - norm.running_mean * scale).detach().numpy()
        reach = (conv.kernel_size[0] - 1) * conv.dilation[0]
        if reach:
            pads = constant(name + "_pads", np.array([0, 0, reach, 0, 0, 0], dtype=np.int64))
            nodes.append(helper.make_node("Pad", [x, pads], [name + "_padded"], mode="constant"))
            x = name + "_padded"
        nodes.append(helper.make_node("Conv", [x, constant(name + "_kernel", kernel), constant(name + "_bias", bias)], [name],
                                      dilations=list(conv.dilation), group=conv.groups, kernel_shape=list(conv.kernel_size),
                                      strides=list(conv.stride), pads=[0, 0]))
        return name

    def relu(x, name):
        nodes.append(helper.make_node("Relu", [x], [name]))
        return name

    at = relu(convolve("x", "enter", trunk.enter, trunk.enter_norm), "h0")
    for i, block in enumerate(trunk.blocks, start=1):
        y = relu(convolve(at, f"depth{i}", block.depth, block.depth_norm), f"depth{i}_relu")
        y = convolve(y, f"point{i}", block.point, block.point_norm)
        nodes.append(helper.make_node("Add", [at, y], [f"sum{i}"]))
        at = relu(f"sum{i}", "h" if i == len(trunk.blocks) else f"h{i}")
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, BINS, "T"])
    h = helper.make_tensor_value_info("h", TensorProto.FLOAT, [1, trunk.hidden, "U"])
    model = helper.make_model(helper.make_graph(nodes, "trunk", [x], [h], weights), opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    return model


def read_trunk(folder):
    """The trunk of a model folder, to go on training from, and its head (weight, bias)."""
    with open(os.path.join(folder, "manifest.json"), encoding="utf-8") as file:
        manifest = json.load(file)
    weights = {w.name: numpy_helper.to_array(w).copy() for w in onnx.load(os.path.join(folder, manifest["trunk"]["file"])).graph.initializer}
    trunk = FixedTrunk(manifest["trunk"]["hidden"], dropout=0.0).eval()
    for name, conv, norm in _convolutions(trunk):
        with torch.no_grad():
            conv.weight.copy_(torch.from_numpy(weights[name + "_kernel"]))
            norm.running_mean.zero_()
            norm.running_var.fill_(1 - norm.eps)
            norm.bias.copy_(torch.from_numpy(weights[name + "_bias"]))
    return trunk, (np.array(manifest["head"]["weight"], dtype=np.float32), manifest["head"]["bias"])


def _convolutions(trunk):
    yield "enter", trunk.enter, trunk.enter_norm
    for i, block in enumerate(trunk.blocks, start=1):
        yield f"depth{i}", block.depth, block.depth_norm
        yield f"point{i}", block.point, block.point_norm


def _tidy(path, halve=False):
    """Takes names of this machine out, and stores the large weights in float16 (widened again by a Cast)."""
    model = onnx.load(path)
    model.doc_string = ""
    for node in model.graph.node:
        node.doc_string = ""
    casts = []
    for weight in model.graph.initializer:
        if halve and weight.data_type == TensorProto.FLOAT and np.prod(weight.dims) >= HALF_FROM:
            name, value = weight.name, numpy_helper.to_array(weight).astype(np.float16)
            weight.CopyFrom(numpy_helper.from_array(value, name + "_f16"))
            casts.append(helper.make_node("Cast", [name + "_f16"], [name], to=TensorProto.FLOAT))
    nodes = casts + list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def courses(sessions, head, prior, streams):
    """What both files say of each stream."""
    trunk = sessions[0]
    outputs = [_h(trunk, stream, prior) for stream in streams]
    firsts = [[(k, stream.net(k), float(s @ head[0] + head[1]), stream.own(k)) for k, s in first.statistics(stream, h)]
              for stream, h in zip(streams, outputs)]
    seconds = [[] for _ in streams]
    if sessions[1] is not None:
        ready = [[(k, stream.net(k), *stream.second_window(k), stream.own(k)) for k in stream.second_hops()] for stream in streams]
        seconds = evaluate.score(sessions[1].each, [[row for row in rows if row[3].any()] for rows in ready])
    return [calibrate.Course(a, b) for a, b in zip(firsts, seconds)]


def _h(trunk, stream, prior):
    frames = max(2, pairs_at(stream.hops))
    x = np.zeros((1, BINS, frames), dtype=np.float32)
    heard = pairs_at(stream.hops)
    x[0, :, :heard] = normalise(stream.features[:heard], stream.flags[:heard], prior).T
    return trunk(x)[0].T


def write(folder, trunk, head, prior, second, clips, samples, training, heard=None):
    """All files of a model. `head`: (weight, bias) of stage 1; `heard`: the courses of the dev clips, where they are known already."""
    sessions = graphs(trunk, second, folder)
    about = SECOND_ABOUT | {"name": SECOND_ABOUT["name"] + TAUGHT * bool(training.get("distil_steps"))}
    dev = [clip for clip in clips if clip.dev]
    heard = heard or courses(sessions, head, prior, evaluate.streams(dev, samples))
    fitted, figures = {}, {"what": "dev split, every clip through mu-law at 8 kHz; sources and engines weigh the same unless said; "
                                   "a label counts if it is given at any moment; intervals draw whole sources and engines again"}
    for name, stages in (("first", 1), ("both", 2))[:1 + (second is not None)]:
        fitted[name], figures[name], _ = calibrate.measure(heard, dev, stages)
    manifest = {
        "format": 2,
        "name": os.path.basename(os.path.normpath(folder)),
        "trunk": {"file": "trunk.onnx", "sha256": _sha256(folder, "trunk.onnx"), "hidden": len(head[0]) // 2},
        "second": {"file": "second.onnx", "sha256": _sha256(folder, "second.onnx"), **about} if second is not None else None,
        "input": {"sample_rate": RATE, "frame": FRAME, "step": HOP, "low_bin": LOW_BIN, "high_bin": HIGH_BIN, "floor": FLOOR,
                  "window_hops": WINDOW_HOPS, "min_window_speech_frames": MIN_WINDOW_SPEECH, "score_clip": SCORE_CLIP,
                  "memory_windows": MEMORY_WINDOWS, "prior": [round(float(v), 5) for v in prior], "k0": K0,
                  "forget_frames": FORGET_FRAMES},
        "head": {"weight": [float(v) for v in np.float32(head[0])], "bias": float(np.float32(head[1]))},
        "calibration": {name: fit.calibration.written() for name, fit in fitted.items()},
        "decision": {name: {"spoof_at_most": round(fit.spoof, 4), "bona_fide_at_least": round(fit.bona_fide, 4),
                            "net_seconds_min": calibrate.NET_MIN, "agreeing_windows_min": calibrate.AGREEING}
                     for name, fit in fitted.items()},
        "training": training | {"dev_eer": figures["both" if second is not None else "first"]["eer"]},
    }
    if second is None:
        del manifest["second"]
    save(os.path.join(folder, "manifest.json"), manifest)
    save(os.path.join(folder, "figures.json"), figures | {"trained_on": card.trained_on(clips)})
    save(os.path.join(folder, "golden.json"), [golden(file, sessions, head, prior, fitted) for file in sorted(os.listdir(DEMO))
                                              if file.endswith(".wav")], indent=None)
    card.write(folder)
    return figures


def golden(file, sessions, head, prior, fitted):
    """What the Rust engine must hear in a demo clip."""
    samples, rate = soundfile.read(os.path.join(DEMO, file), dtype="int16")
    if rate != RATE:
        raise SystemExit(f"{file}: {rate} Hz")
    stream = Stream(g711.through(samples))
    h = _h(sessions[0], stream, prior)
    course = courses(sessions, head, prior, [stream])[0]
    one, both = fitted["first"], fitted.get("both")
    frames = np.linspace(3, pairs_at(stream.hops) - 3, GOLDEN_FRAMES).astype(int)
    x = normalise(stream.features, stream.flags, prior)
    out = {
        "file": file,
        "speech": "".join("1" if flag else "0" for flag in stream.flags),
        "features": {str(k): _round(stream.features[k]) for k in frames},
        "x": {str(k): _round(x[k]) for k in frames},
        "h": {str(k): _round(h[k]) for k in np.linspace(8, len(h) - 2, 3).astype(int)},
        "windows": [{"at": k, "raw": round(raw, 5), "llr": round(float(one.first.llr([raw], own)), 5)} for k, _, raw, own in course.first],
        "llr": _round(one.first.llr(course.means[:, :1], course.net)),
        "ever": _ever(course, one),
    }
    if both is not None:
        rows = {k: row for row, k in enumerate(course.hops)}
        out["second"] = [{"at": k, "raw": round(raw, 5), "llr": round(float(both.calibration.llr([course.means[rows[k], 0], raw], own)), 5)}
                         for k, _, raw, own in course.second]
        out["both"] = _round([one.first.llr(m[:1], n) if np.isnan(m[1]) else both.calibration.llr(m, n)
                              for m, n in zip(course.means, course.net)])
        out["ever_both"] = _ever(course, both)
        if course.second:
            mel, weights = stream.second_window(course.second[0][0])
            out["mel"] = {str(k): _round(mel[:, k]) for k in np.linspace(MEL_FRAMES // 2, MEL_FRAMES - 2, GOLDEN_FRAMES).astype(int)}
            out["weights_sum_positions"] = int((weights > 0).sum())
    return out


def _ever(course, fit):
    low, high = (v[0] for v in fit.extremes([course]))
    return ["spoof"] * bool(low <= fit.spoof) + ["bona_fide"] * bool(high >= fit.bona_fide)


def _round(values):
    return [round(float(v), 5) for v in values]


def _sha256(folder, name):
    with open(os.path.join(folder, name), "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def save(path, value, indent=1):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(value, file, indent=indent)
        file.write("\n")
