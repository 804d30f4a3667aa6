"""Reads the training speech: the folders given by --data and --more (manifest.csv and FLAC), once, into one array kept in the work folder.

manifest.csv has a line for each recording: path (from the folder; mono 8 kHz), label (real, synthetic), source, engine_or_speaker,
language, licence, pair (an id that a real clip and its synthetic twins share, or nothing), split (train, dev). The path of a
synthetic clip is synthetic/ENGINE/FILE. A further corpus (--more) is a folder of the same layout; its clips may be in either split.
"""

import csv
import hashlib
import os
import subprocess

import numpy as np
import soundfile

from limits import RATE

HERE = os.path.dirname(os.path.abspath(__file__))
CODECS = ("amr-475", "amr-74", "amr-122", "gsm", "g726-24", "g726-32", "opus-12", "speex")
LAST_CODECS = ("gsm", "g726-32", "opus-12")  # what a voice that has been through a codec goes through next


UNCLEAN = ("no licence stated", "unclear", "-nc", "non-commercial", "free for research", "excerpt", "see repo", "not named", "few film", "/ repo")
CLEAN = ("cc0", "cc-by", "public domain", "apache", "mit", "bsd", "mpl", "gpl", "output ours")


class Clip:
    """One recording. `real` is the label; `group` what sampling balances (a real source or an engine); `page` where it came from."""
    __slots__ = ("path", "real", "group", "page", "speaker", "language", "licence", "pair", "dev", "start", "length")


def excluded():
    """sha256 of every file that training must not read (demo clips and what they were made of)."""
    with open(os.path.join(HERE, "exclude.txt"), encoding="utf-8") as lines:
        return {line.split()[0] for line in lines if line.strip() and not line.startswith("#")}


def is_clean(licence):
    """Does this licence let a product be trained and sold? Everything unstated, mixed with unstated or non-commercial does not."""
    words = licence.lower()
    return not any(word in words for word in UNCLEAN) and any(word in words for word in CLEAN)


def load(folders, work, licences="all"):
    """All clips, and all samples as one int16 array. The first call decodes; later ones map the kept array."""
    shut_out = excluded()
    rows, key = [], hashlib.sha256((licences + "".join(sorted(shut_out))).encode())
    for folder in folders:
        with open(os.path.join(folder, "manifest.csv"), encoding="utf-8", newline="") as file:
            text = file.read()
        key.update(text.encode())
        rows += [(os.path.join(folder, row["path"]), row) for row in csv.DictReader(text.splitlines())]
    # Dev stays whole: it is only measured on.
    rows = [(path, row) for path, row in rows if licences == "all" or row["split"] == "dev" or is_clean(row["licence"])]
    key = key.hexdigest()[:16]
    kept, index = os.path.join(work, f"speech-{key}.npy"), os.path.join(work, f"speech-{key}.txt")
    if not os.path.exists(index):
        parts, lines, at = [], [], 0
        for path, _ in rows:
            with open(path, "rb") as file:
                digest = hashlib.sha256(file.read()).hexdigest()
            if digest in shut_out:
                continue
            samples, rate = soundfile.read(path, dtype="int16")
            if rate != RATE or samples.ndim != 1:
                raise SystemExit(f"{path}: want mono at {RATE} Hz, have {rate}")
            parts.append(samples)
            lines.append(f"{path}\t{at}\t{len(samples)}\n")
            at += len(samples)
        np.save(kept, np.concatenate(parts))
        with open(index, "w", encoding="utf-8") as file:
            file.writelines(lines)
    place = {}
    with open(index, encoding="utf-8") as lines:
        for line in lines:
            path, start, length = line.rstrip("\n").split("\t")
            place[path] = (int(start), int(length))
    clips = []
    for path, row in rows:
        if path not in place:
            continue
        clip = Clip()
        clip.path, clip.real, clip.dev = row["path"], row["label"] == "real", row["split"] == "dev"
        clip.page, clip.speaker, clip.pair = row["source"], row["engine_or_speaker"], row["pair"]
        clip.language, clip.licence = row.get("language", ""), row.get("licence", "")
        clip.group = row["source"] if clip.real else row["path"].split("/")[1]
        clip.start, clip.length = place[path]
        clips.append(clip)
    return clips, np.load(kept, mmap_mode="r"), key


def codec_bank(clips, samples, work, key, seed, before=None):
    """Another array of the same layout: every train clip through one speech codec, drawn for the clip, aligned to the original.

    `before`: an array that has been through codecs already; most clips are taken from there (chained codecs).
    """
    name = "chained" if before is not None else "codecs"
    kept = os.path.join(work, f"{name}-{key}-{seed}.npy")
    if os.path.exists(kept):
        return np.load(kept, mmap_mode="r")
    rng = np.random.default_rng([seed, 0 if before is None else 1])
    codecs = CODECS if before is None else LAST_CODECS
    draw, twice = rng.integers(0, len(codecs), len(clips)), rng.random(len(clips)) < 0.7
    bank = np.array(samples)
    for number, codec in enumerate(codecs):
        mine = [(clip, before if before is not None and again else samples)
                for clip, drawn, again in zip(clips, draw, twice) if drawn == number and not clip.dev]
        gap = np.zeros(RATE // 10, dtype=np.int16)
        joined = np.concatenate([part for clip, source in mine for part in (source[clip.start:clip.start + clip.length], gap)])
        coded = through_codec(codec, joined, work)
        at = 0
        for clip, _ in mine:
            bank[clip.start:clip.start + clip.length] = coded[at:at + clip.length]
            at += clip.length + len(gap)
        print(f"codec bank ({name}): {codec} for {len(mine)} clips", flush=True)
    np.save(kept + ".part.npy", bank)
    os.replace(kept + ".part.npy", kept)
    return bank


def through_codec(codec, samples, work):
    """int16 samples through a codec and back, aligned by cross-correlation, of the same length."""
    raw, coded, back = (os.path.join(work, name) for name in ("raw.s16", "coded", "back.s16"))
    samples.astype("<i2").tofile(raw)
    s16 = ["-t", "raw", "-r", str(RATE), "-e", "signed", "-b", "16", "-c", "1"]
    ffmpeg = ["ffmpeg", "-loglevel", "error", "-y", "-f", "s16le", "-ar", str(RATE), "-ac", "1", "-i", raw]
    name, _, rate = codec.partition("-")
    if name == "amr":
        mode = {"475": "0", "74": "4", "122": "7"}[rate]
        steps = [["sox", *s16, raw, "-t", "amr-nb", "-C", mode, coded], ["sox", "-t", "amr-nb", coded, *s16, back]]
    elif name == "gsm":
        steps = [["sox", *s16, raw, "-t", "gsm", coded], ["sox", "-t", "gsm", "-r", str(RATE), coded, *s16, back]]
    else:
        kind = {"g726": ["-c:a", "g726", "-b:a", f"{rate}k", "-f", "wav"],
                "opus": ["-c:a", "libopus", "-b:a", f"{rate}k", "-application", "voip", "-f", "ogg"],
                "speex": ["-c:a", "libspeex", "-b:a", "11k", "-f", "ogg"]}[name]
        steps = [ffmpeg + kind + [coded],
                 ["ffmpeg", "-loglevel", "error", "-y", "-i", coded, "-ar", str(RATE), "-ac", "1", "-f", "s16le", back]]
    for step in steps:
        subprocess.run(step, check=True)
    return align(samples, np.fromfile(back, dtype="<i2"))


def align(samples, out):
    """`out` moved to where it best agrees with `samples`, and cut to its length."""
    lag = _lag(samples, out)
    out = out[lag:] if lag >= 0 else np.concatenate([np.zeros(-lag, dtype=np.int16), out])
    return np.pad(out, (0, max(0, len(samples) - len(out))))[:len(samples)]


def _lag(a, b):
    """By how many samples `b` is late, from the first half minute."""
    count = min(len(a), len(b), 30 * RATE)
    size = 1 << (2 * count - 1).bit_length()
    cross = np.fft.irfft(np.fft.rfft(b[:count].astype(float), size) * np.conj(np.fft.rfft(a[:count].astype(float), size)), size)
    reach = RATE // 4
    near = np.concatenate([cross[-reach:], cross[:reach + 1]])
    return int(near.argmax()) - reach
