"""What the production tags of the vocabulary do to a mix. Stereo float32 [2, n] in, the same out.

The background sounds of the atmosphere tags are in textures.py; which tag calls for which effect is in synth.py.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, fftconvolve, sosfilt

Stereo = NDArray[np.float32]
Rng = np.random.Generator


def lowpass(mix: Stereo, rate: int, cutoff: float, order: int = 2) -> Stereo:
    """Remove what lies above `cutoff` Hz (Butterworth)."""
    sections = butter(order, min(cutoff, 0.45 * rate), fs=rate, output="sos")
    return np.asarray(sosfilt(sections, mix, axis=1), dtype=np.float32)


def reverb(mix: Stereo, rate: int, seconds: float, wet: float, rng: Rng) -> Stereo:
    """Add the reverberation of a hall: noise that falls by 60 dB in `seconds`, at the level `wet`."""
    if wet <= 0:
        return mix
    frames = int(seconds * rate)
    fall = np.exp(-6.9 * np.arange(frames) / frames)
    response = rng.standard_normal((2, frames)) * fall
    response /= np.sqrt((response**2).sum(axis=1, keepdims=True))
    tail = fftconvolve(mix, response.astype(np.float32), axes=1)[:, : mix.shape[1]]
    return (mix + wet * tail).astype(np.float32)


def wobble(mix: Stereo, rate: int) -> Stereo:
    """Wow and flutter of tape: the time axis is shifted by a slow and a fast sine."""
    frames = mix.shape[1]
    t = np.arange(frames) / rate
    bend = 0.0022 * np.sin(2 * np.pi * 0.6 * t + 1) + 0.00015 * np.sin(2 * np.pi * 6.3 * t)
    where = np.clip(np.arange(frames) + bend * rate, 0, frames - 2)
    left = where.astype(np.int64)
    share = (where - left).astype(np.float32)
    return mix[:, left] * (1 - share) + mix[:, left + 1] * share


def crackle(
    frames: int,
    rate: int,
    rng: Rng,
    clicks_per_second: float = 14.0,
    level: float = 0.35,
) -> Stereo:
    """Vinyl: sparse clicks of uneven loudness, float32 [2, frames]."""
    count = max(1, int(clicks_per_second * frames / rate))
    clicks = np.zeros(frames)
    clicks[rng.integers(0, frames, count)] = rng.standard_normal(count) * (0.5 + rng.pareto(3, count))
    band = butter(1, [1000, min(7000, 0.45 * rate)], "band", fs=rate, output="sos")
    return np.repeat((level * np.asarray(sosfilt(band, clicks)))[None].astype(np.float32), 2, axis=0)


def hiss(frames: int, rate: int, rng: Rng, level: float = 0.012) -> Stereo:
    """Tape: steady noise above 2.5 kHz, float32 [2, frames]."""
    noise = rng.standard_normal((2, frames)).astype(np.float32)
    return (
        level * np.asarray(sosfilt(butter(1, 2500, "high", fs=rate, output="sos"), noise, axis=1))
    ).astype(np.float32)


def crush(mix: Stereo, rate: int) -> Stereo:
    """Reduce to about 50 levels and a sample rate of 8 kHz."""
    hold = max(1, rate // 8000)
    coarse = np.repeat(mix[:, ::hold], hold, axis=1)[:, : mix.shape[1]]
    return (np.round(coarse * 24) / 24).astype(np.float32)


def chop(mix: Stereo, rate: int, beat: float) -> Stereo:
    """Cut the sound short: a gate that opens on each half beat; `beat` in seconds."""
    t = np.arange(mix.shape[1]) / rate
    gate = np.clip((0.32 - (t / beat % 0.5)) / 0.02, 0, 1)
    return (mix * gate).astype(np.float32)


def widen(mix: Stereo, rate: int) -> Stereo:
    """Widen the stereo image: louder sides, and the middle added 12 ms later, more of it on the right."""
    middle, side = mix.mean(axis=0), 0.5 * (mix[0] - mix[1])
    late = np.concatenate((np.zeros(int(0.012 * rate), np.float32), middle))[: len(middle)]
    return np.stack(
        (
            0.7 * middle + 1.5 * side + 0.25 * late,
            0.7 * middle - 1.5 * side + 0.5 * late,
        )
    ).astype(np.float32)
