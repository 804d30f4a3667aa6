"""One call as the gateway hears it: frames, hops and windows, exactly as src/voice/listener.rs counts them."""

import numpy as np

import frontend
import whisper
from limits import BINS, FORGET_FRAMES, FRAME, HOP, K0, MIN_WINDOW_SPEECH, RATE, SCORE_HOP, SECOND_EVERY, WINDOW_HOPS

FRAME_SECONDS = HOP / RATE


def frames_at(sample):
    """Frames that are complete at this sample."""
    return max(0, (sample - FRAME) // HOP + 1)


def pairs_at(hop):
    """Frames that the trunk has been given at the end of this hop: an even number, since it halves the rate."""
    return frames_at(hop * SCORE_HOP) // 2 * 2 if hop > 0 else 0


class Stream:
    """int16 samples with their features, speech flags and hops; a tail shorter than a hop is not scored."""

    def __init__(self, samples):
        self.samples = samples / 32768.0
        p = frontend.power(self.samples)
        self.features, self.flags = frontend.log_power(p), frontend.speech(p)
        self.hops = len(samples) // SCORE_HOP
        self.spoken = self.count()

    def count(self):
        """Speech frames of each hop."""
        return [int(self.flags[pairs_at(k):pairs_at(k + 1)].sum()) for k in range(self.hops)]

    def net(self, hop):
        """Seconds of speech in the first `hop` hops."""
        return sum(self.spoken[:hop]) * FRAME_SECONDS

    def own(self, hop):
        """Seconds of speech in the window that ends with hop number `hop`."""
        return sum(self.spoken[max(0, hop - WINDOW_HOPS):hop]) * FRAME_SECONDS

    def first_hops(self):
        """Ends (1 = after one second) of the windows that stage 1 scores."""
        return [k for k in range(1, self.hops + 1)
                if sum(self.spoken[max(0, k - WINDOW_HOPS):k]) >= MIN_WINDOW_SPEECH
                and self.flags[pairs_at(k - WINDOW_HOPS):pairs_at(k):2].any()]

    def second_hops(self):
        """Ends of the windows that stage 2 hears."""
        out, last = [], 0
        for k in self.first_hops():
            if k >= 2 and k - last >= SECOND_EVERY:
                out.append(k)
                last = k
        return out

    def second_window(self, hop):
        """Stage 2's inputs for the window that ends with this hop."""
        end = hop * SCORE_HOP
        return whisper.window(self.samples[:end], self.flags[:frames_at(end)], end)


def normalise(features, flags, prior):
    """x (frames, 96): speech frames less the mean of speech so far (itself included), which starts at `prior`; others zero."""
    x = np.zeros_like(features, dtype=np.float32)
    total, count = np.zeros(BINS), 0.0
    start = K0 * np.asarray(prior, dtype=np.float64)
    spoken = np.flatnonzero(flags)
    at_once = spoken[:FORGET_FRAMES]
    if len(at_once):
        sums = np.cumsum(features[at_once], axis=0, dtype=np.float64)
        x[at_once] = features[at_once] - ((start + sums) / (K0 + np.arange(1, len(at_once) + 1))[:, None])
        total, count = sums[-1], float(len(at_once))
    for k in spoken[FORGET_FRAMES:]:
        total, count = total * ((FORGET_FRAMES - 1) / FORGET_FRAMES) + features[k], float(FORGET_FRAMES)
        x[k] = features[k] - (start + total) / (K0 + count)
    return x
