"""OpenAI's Whisper tiny.en encoder: its weights out of a CTranslate2 file, its log-mel taken straight from 8 kHz, its first layers.

`second.py` fine-tunes these layers; src/voice/second.rs repeats `log_mel` and the golden file proves that they agree.
"""

import struct

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from limits import FRAME, HOP, MEL_BANDS, MEL_FRAME, MEL_FRAMES, MEL_HOP, MEL_POSITIONS

HEADS = 6
WIDTH = 384
HANN = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(MEL_FRAME) / MEL_FRAME)  # periodic
# Whisper's frames are 400 samples at 16 kHz: twice the samples of the same sound, so four times the power.
POWER_SCALE = 4.0
QUIETEST = 1e-10
RANGE = 8.0        # log10 units below the loudest value of the window that still count
LOUDEST = 1.5      # where the loudest value of a window is put, log10 units: level says nothing
SILENCE = (LOUDEST - RANGE + 4.0) / 4.0


def slaney_bank():
    """(MEL_BANDS, 101): the part up to 4 kHz of Whisper's own bank (16 kHz, 400 points, Slaney scale and area)."""
    def hertz(mel):
        return np.where(mel < 15.0, mel * 200.0 / 3.0, 1000.0 * np.exp((mel - 15.0) * np.log(6.4) / 27.0))
    top = 15.0 + 27.0 * np.log(8000.0 / 1000.0) / np.log(6.4)
    edges = hertz(np.linspace(0.0, top, MEL_BANDS + 2))
    at = np.arange(MEL_FRAME // 2 + 1) * 8000.0 / MEL_FRAME
    rise = (at - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    fall = (edges[2:, None] - at) / (edges[2:] - edges[1:-1])[:, None]
    return np.maximum(0.0, np.minimum(rise, fall)) * (2.0 / (edges[2:] - edges[:-2]))[:, None]


BANK = slaney_bank()


def mel_power(samples):
    """log10 of the power in each mel band, (frames, MEL_BANDS) float32. Frame k has its middle at sample 80 k; zeros outside.

    `samples` are in [-1, 1); there are as many frames as whole MEL_HOPs.
    """
    count = len(samples) // MEL_HOP
    if count == 0:
        return np.zeros((0, MEL_BANDS), dtype=np.float32)
    x = np.pad(np.asarray(samples, dtype=np.float64), MEL_FRAME // 2)
    frames = np.lib.stride_tricks.as_strided(x, (count, MEL_FRAME), (x.strides[0] * MEL_HOP, x.strides[0]))
    spectrum = np.fft.rfft(frames * HANN, axis=1)
    p = (spectrum.real ** 2 + spectrum.imag ** 2) * POWER_SCALE
    return np.log10(np.maximum(p @ BANK.T, QUIETEST)).astype(np.float32)


def speech_at(flags, middles):
    """For each sample: does the front end's frame whose middle is nearest hold speech? Samples before the call do not."""
    if len(flags) == 0:
        return np.zeros(len(middles), dtype=bool)
    frames = np.clip((middles - FRAME // 2 + HOP // 2) // HOP, 0, len(flags) - 1)
    return (middles >= 0) & flags[frames]


def frame(part, flags, start):
    """The encoder's inputs, mel (80, 400) and weights (200,): the mel frames `part` of the window that starts at sample `start`.

    Fewer frames stand at the right, before them is silence, and so are frames without speech: pauses say nothing. The
    loudest value of speech is put at LOUDEST, what lies more than RANGE below it is cut off. The weights spread 1 over the
    positions that hold speech; they are all zero where there is none. `flags` are those of the call up to the window's end.
    """
    heard = speech_at(flags, start + MEL_HOP * np.arange(MEL_FRAMES))
    heard[:MEL_FRAMES - len(part)] = False
    x = np.full((MEL_FRAMES, MEL_BANDS), SILENCE, dtype=np.float32)
    weights = np.zeros(MEL_POSITIONS, dtype=np.float32)
    if heard.any():
        spoken = part[heard[MEL_FRAMES - len(part):]]
        loudest = spoken.max()
        x[heard] = (np.maximum(spoken, loudest - RANGE) - loudest + (LOUDEST + 4.0)) / 4.0
        weights[:] = speech_at(flags, start + 2 * MEL_HOP * np.arange(MEL_POSITIONS) + MEL_HOP)
    return x.T.copy(), weights / max(1.0, float(weights.sum()))


def window(samples, flags, end):
    """`frame` for the 4 s of a call (samples in [-1, 1)) that end at sample `end`; `flags`: of all frames complete by then."""
    start = end - MEL_FRAMES * MEL_HOP
    return frame(mel_power(samples[max(0, start):end]), flags, start)


def read_ctranslate2(path):
    """Every tensor of a CTranslate2 model file (version 6, little endian), by name."""
    with open(path, "rb") as file:
        octets = file.read()
    at = 0

    def take(kind):
        nonlocal at
        value = struct.unpack_from("<" + kind, octets, at)
        at += struct.calcsize("<" + kind)
        return value

    def text():
        nonlocal at
        (length,) = take("H")
        value = octets[at:at + length - 1].decode()
        at += length
        return value

    (version,) = take("I")
    if version != 6:
        raise SystemExit(f"{path}: CTranslate2 version {version}, want 6")
    text()
    _, count = take("II")
    tensors = {}
    for _ in range(count):
        name = text()
        (rank,) = take("B")
        shape = take(f"{rank}I")
        kind, size = take("BI")
        dtype = np.dtype({0: "<f4", 1: "i1", 2: "<i2", 3: "<i4", 4: "<f2"}[kind])
        tensors[name] = np.frombuffer(octets, dtype, count=size // dtype.itemsize, offset=at).reshape(shape)
        at += size
    return tensors


class Layer(nn.Module):
    """One pre-norm transformer layer."""

    def __init__(self, dropout=0.0):
        super().__init__()
        self.attention_norm = nn.LayerNorm(WIDTH)
        self.attention_in = nn.Linear(WIDTH, 3 * WIDTH)
        self.attention_out = nn.Linear(WIDTH, WIDTH)
        self.forward_norm = nn.LayerNorm(WIDTH)
        self.forward_in = nn.Linear(WIDTH, 4 * WIDTH)
        self.forward_out = nn.Linear(4 * WIDTH, WIDTH)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x):
        q, k, v = self.attention_in(self.attention_norm(x)).view(-1, MEL_POSITIONS, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)
        scores = torch.softmax(q @ k.transpose(2, 3) * (WIDTH // HEADS) ** -0.5, dim=3)
        x = x + self.dropout(self.attention_out((scores @ v).transpose(1, 2).reshape(-1, MEL_POSITIONS, WIDTH)))
        return x + self.dropout(self.forward_out(F.gelu(self.forward_in(self.forward_norm(x)))))


def _convolve(x, conv):
    """`conv` (kernel 3, one zero on each side) of x (N, T, C), as one matrix product: Debian's PyTorch 1.13 gives wrong
    gradients for the convolution with GELU behind it (oneDNN, with and without AMX)."""
    stride, count = conv.stride[0], x.shape[1]
    x = F.pad(x, (0, 0, 1, 1))
    taps = torch.cat([x[:, k:k + count:stride] for k in range(3)], dim=2)
    return F.linear(taps, conv.weight.permute(0, 2, 1).reshape(conv.weight.shape[0], -1), conv.bias)


class Encoder(nn.Module):
    """mel (N, 80, 400) -> the output of the convolutions and of each of the first `layers` layers, each (N, 200, 384)."""

    def __init__(self, layers, dropout=0.0):
        super().__init__()
        self.conv1 = nn.Conv1d(MEL_BANDS, WIDTH, 3, padding=1)
        self.conv2 = nn.Conv1d(WIDTH, WIDTH, 3, stride=2, padding=1)
        self.register_buffer("places", torch.zeros(MEL_POSITIONS, WIDTH))
        self.layers = nn.ModuleList([Layer(dropout) for _ in range(layers)])

    def forward(self, mel):
        if torch.onnx.is_in_onnx_export():
            x = F.gelu(self.conv2(F.gelu(self.conv1(mel)))).transpose(1, 2) + self.places
        else:
            x = _convolve(F.gelu(_convolve(mel.transpose(1, 2), self.conv1)), self.conv2)
            x = F.gelu(x) + self.places
        out = [x]
        for layer in self.layers:
            x = layer(x)
            out.append(x)
        return out

    def load(self, path):
        """Takes the weights from a CTranslate2 file of Whisper tiny.en."""
        tensors = read_ctranslate2(path)

        def put(parameter, name):
            value = torch.from_numpy(tensors["encoder/" + name].astype(np.float32))
            with torch.no_grad():
                parameter.copy_(value[:parameter.shape[0]])

        for mine, name in ((self.conv1, "conv1"), (self.conv2, "conv2")):
            put(mine.weight, name + "/weight")
            put(mine.bias, name + "/bias")
        put(self.places, "position_encodings/encodings")
        for i, layer in enumerate(self.layers):
            for mine, name in ((layer.attention_norm, "self_attention/layer_norm"), (layer.forward_norm, "ffn/layer_norm")):
                put(mine.weight, f"layer_{i}/{name}/gamma")
                put(mine.bias, f"layer_{i}/{name}/beta")
            for mine, name in ((layer.attention_in, "self_attention/linear_0"), (layer.attention_out, "self_attention/linear_1"),
                               (layer.forward_in, "ffn/linear_0"), (layer.forward_out, "ffn/linear_1")):
                put(mine.weight, f"layer_{i}/{name}/weight")
                put(mine.bias, f"layer_{i}/{name}/bias")
        return self
