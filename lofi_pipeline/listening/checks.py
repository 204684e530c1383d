"""Sounds that check the listener: tones that only headphones tell apart, and clips that only a listener tells apart.

The headphone check is that of Woods, Siegel, Traer and McDermott (2017): of three tones one is quieter, and another has its
channels in opposite phase. Loudspeakers cancel that one, so that it seems the quietest; with headphones it does not.
"""

from __future__ import annotations

import numpy as np

from lofi_pipeline.audio import SAMPLE_RATE
from lofi_pipeline.listening.sound import faded

TONE_HZ = 200.0
TONE_SECONDS = 1.0
GAP_SECONDS = 0.5
QUIETER_DB = -6.0
_LEVEL = 0.1
HEADPHONE_SECONDS = 3 * TONE_SECONDS + 2 * GAP_SECONDS
_HISS_SECONDS = 0.4
HISSES = 3


def three_tones(quieter: int, opposed: int) -> np.ndarray:
    """float32 [2, n]: three tones, of which one is quieter and another has its channels in opposite phase (0, 1 or 2)."""
    times = np.arange(round(TONE_SECONDS * SAMPLE_RATE)) / SAMPLE_RATE
    tone = (_LEVEL * np.sin(2 * np.pi * TONE_HZ * times)).astype(np.float32)
    gap = np.zeros((2, round(GAP_SECONDS * SAMPLE_RATE)), np.float32)
    parts = []
    for place in range(3):
        gain = np.float32(10 ** (QUIETER_DB / 20) if place == quieter else 1.0)
        other_side = np.float32(-1.0 if place == opposed else 1.0)
        parts += [faded(np.stack([gain * tone, gain * other_side * tone]), 0.1), gap]
    return np.concatenate(parts[:-1], axis=1)


def with_hisses(samples: np.ndarray, noise: np.random.Generator) -> np.ndarray:
    """The clip with bursts of noise that nobody who listens can miss."""
    found, length = samples.copy(), round(_HISS_SECONDS * SAMPLE_RATE)
    level = max(3 * float(np.sqrt(np.mean(samples**2))), 0.05)
    for number in range(HISSES):
        start = round((number + 0.5) / HISSES * samples.shape[1]) - length // 2
        burst = noise.normal(0, level, (1, length)).astype(np.float32)
        found[:, start : start + length] += faded(burst)
    return found
