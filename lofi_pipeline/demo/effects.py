"""What the production and atmosphere tags of the vocabulary do to a mix. Stereo float32 [2, n] in, the same out."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, fftconvolve, sosfilt

Stereo = NDArray[np.float32]
Rng = np.random.Generator


def lowpass(mix: Stereo, rate: int, cutoff: float, order: int = 2) -> Stereo:
    """Everything above `cutoff` Hz taken away."""
    sections = butter(order, min(cutoff, 0.45 * rate), fs=rate, output="sos")
    return np.asarray(sosfilt(sections, mix, axis=1), dtype=np.float32)


def reverb(mix: Stereo, rate: int, seconds: float, wet: float, rng: Rng) -> Stereo:
    """A room of decaying noise, `seconds` to fall by 60 dB."""
    if wet <= 0:
        return mix
    frames = int(seconds * rate)
    fall = np.exp(-6.9 * np.arange(frames) / frames)
    room = rng.standard_normal((2, frames)) * fall
    room /= np.sqrt((room**2).sum(axis=1, keepdims=True))
    tail = fftconvolve(mix, room.astype(np.float32), axes=1)[:, : mix.shape[1]]
    return (mix + wet * tail).astype(np.float32)


def wobble(mix: Stereo, rate: int) -> Stereo:
    """Tape wow and flutter: the time axis bent by slow and fast sines."""
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
    """Vinyl: sparse clicks of uneven loudness."""
    count = max(1, int(clicks_per_second * frames / rate))
    clicks = np.zeros(frames)
    clicks[rng.integers(0, frames, count)] = rng.standard_normal(count) * (0.5 + rng.pareto(3, count))
    band = butter(1, [1000, min(7000, 0.45 * rate)], "band", fs=rate, output="sos")
    return np.repeat((level * np.asarray(sosfilt(band, clicks)))[None].astype(np.float32), 2, axis=0)


def hiss(frames: int, rate: int, rng: Rng, level: float = 0.012) -> Stereo:
    """Tape: a steady breath of bright noise."""
    noise = rng.standard_normal((2, frames)).astype(np.float32)
    return (
        level * np.asarray(sosfilt(butter(1, 2500, "high", fs=rate, output="sos"), noise, axis=1))
    ).astype(np.float32)


def crush(mix: Stereo, rate: int) -> Stereo:
    """Few bits and a low sample rate."""
    hold = max(1, rate // 8000)
    held = np.repeat(mix[:, ::hold], hold, axis=1)[:, : mix.shape[1]]
    return (np.round(held * 24) / 24).astype(np.float32)


def chop(mix: Stereo, rate: int, beat: float) -> Stereo:
    """Samples cut short: a gate on the half beat."""
    t = np.arange(mix.shape[1]) / rate
    gate = np.clip((0.32 - (t / beat % 0.5)) / 0.02, 0, 1)
    return (mix * gate).astype(np.float32)


def widen(mix: Stereo, rate: int) -> Stereo:
    """The sides louder, and a little later on the right."""
    middle, side = mix.mean(axis=0), 0.5 * (mix[0] - mix[1])
    late = np.concatenate((np.zeros(int(0.012 * rate), np.float32), middle))[: len(middle)]
    return np.stack(
        (
            0.7 * middle + 1.5 * side + 0.25 * late,
            0.7 * middle - 1.5 * side + 0.5 * late,
        )
    ).astype(np.float32)


# Atmosphere tags by the texture that stands for them.
TEXTURE_OF = {
    "rain": "rain", "rainy window": "rain", "thunderstorm": "storm",
    "ocean waves": "waves", "summer breeze": "wind", "snowfall": "wind", "autumn leaves": "leaves",
    "campfire": "fire", "forest": "birds", "spring blossom": "birds", "early morning": "birds",
    "temple garden": "water", "golden hour": "wind", "night": "crickets", "late night": "crickets",
    "starry sky": "shimmer", "winter holiday": "sleigh", "coffee shop": "murmur", "library": "room",
    "bedroom": "room", "city street": "traffic", "road trip": "traffic", "train ride": "train",
    "empty arcade": "beeps",
}  # fmt: skip
LEVEL_OF_TEXTURE = {"room": 0.25, "murmur": 0.8, "shimmer": 0.7, "wind": 0.7}


def atmosphere(tag: str, frames: int, rate: int) -> Stereo:
    """The texture of an atmosphere tag, RMS about 0.03; the tag itself seeds it."""
    rng = np.random.default_rng(zlib.crc32(tag.encode()))
    texture = TEXTURE_OF.get(tag, "room")
    mono = _texture(texture, frames, rate, rng)
    mono = mono / max(1e-9, float(np.sqrt(np.mean(mono**2)))) * 0.03 * LEVEL_OF_TEXTURE.get(texture, 1.0)
    shift = int(0.013 * rate)
    return np.stack((mono, np.roll(mono, shift))).astype(np.float32)


def _band(noise: NDArray[Any], rate: int, low: float, high: float) -> NDArray[Any]:
    return np.asarray(sosfilt(butter(1, [low, min(high, 0.45 * rate)], "band", fs=rate, output="sos"), noise))


def _events(frames: int, rate: int, rng: Rng, per_second: float, shape: NDArray[Any]) -> NDArray[Any]:
    train = np.zeros(frames)
    count = max(1, int(per_second * frames / rate))
    train[rng.integers(0, frames, count)] = rng.uniform(0.3, 1, count)
    return fftconvolve(train, shape)[:frames]


def _texture(texture: str, frames: int, rate: int, rng: Rng) -> NDArray[Any]:
    t = np.arange(frames) / rate
    noise = rng.standard_normal(frames)
    short = np.arange(int(0.12 * rate)) / rate
    if texture == "rain":
        drops = _events(
            frames,
            rate,
            rng,
            60,
            np.sin(2 * np.pi * 3500 * short) * np.exp(-short / 0.004),
        )
        return _band(noise, rate, 2500, 9000) * 0.5 + 1.2 * drops
    if texture == "storm":
        rumble = _band(noise, rate, 30, 120) * (1 + np.sin(2 * np.pi * 0.21 * t)) * 2.5
        return _band(rng.standard_normal(frames), rate, 2500, 9000) * 0.4 + rumble
    if texture == "waves":
        return _band(noise, rate, 300, 3500) * (0.5 - 0.5 * np.cos(2 * np.pi * t / 4.0)) ** 2
    if texture == "wind":
        return _band(noise, rate, 300, 900) * (0.6 + 0.4 * np.sin(2 * np.pi * 0.3 * t))
    if texture == "leaves":
        return _band(noise, rate, 3000, 8000) * np.clip(
            np.sin(2 * np.pi * 0.9 * t) + 0.3 * np.sin(2 * np.pi * 2.3 * t), 0, 1
        )
    if texture == "fire":
        pops = _events(
            frames,
            rate,
            rng,
            9,
            np.exp(-short / 0.002) * np.sin(2 * np.pi * 1800 * short),
        )
        return 4 * pops + 0.4 * _band(noise, rate, 80, 400)
    if texture == "birds":
        chirp = np.sin(2 * np.pi * (3800 * short + 9000 * short**2)) * np.sin(np.pi * short / short[-1])
        return _events(frames, rate, rng, 2.5, chirp) + 0.02 * noise
    if texture == "water":
        drip = np.sin(2 * np.pi * (900 * short + 4000 * short**2)) * np.exp(-short / 0.03)
        return _events(frames, rate, rng, 5, drip) + 0.05 * _band(noise, rate, 400, 2000)
    if texture == "crickets":
        return (
            np.sin(2 * np.pi * 4600 * t)
            * (np.sin(2 * np.pi * 17 * t) > 0)
            * (np.sin(2 * np.pi * 1.1 * t) > 0.1)
        )
    if texture == "shimmer":
        return sum((np.sin(2 * np.pi * f * t) * (0.5 + 0.5 * np.sin(2 * np.pi * r * t + r)) for f, r in ((5200, 0.7), (6600, 1.1), (7900, 0.4))), np.zeros(frames))  # fmt: skip
    if texture == "sleigh":
        return _events(
            frames,
            rate,
            rng,
            4,
            np.sin(2 * np.pi * 6200 * short) * np.exp(-short / 0.03),
        )
    if texture == "murmur":
        syllables = _events(frames, rate, rng, 12, np.sin(np.pi * short / short[-1]))
        return _band(noise, rate, 250, 1200) * (0.15 + syllables)
    if texture == "traffic":
        return _band(noise, rate, 50, 350) * (0.55 + 0.45 * np.sin(2 * np.pi * 0.16 * t))
    if texture == "train":
        clack = np.exp(-((t % 0.9) / 0.03)) + np.exp(-(((t - 0.16) % 0.9) / 0.03))
        return _band(noise, rate, 200, 1500) * (0.12 + clack)
    if texture == "beeps":
        return np.sign(np.sin(2 * np.pi * 880 * 2 ** (np.floor(t * 3) * 5 % 12 / 12) * t)) * (
            t * 3 % 1 < 0.15
        )
    return _band(noise, rate, 60, 500)
