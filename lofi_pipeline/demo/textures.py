"""Background textures for the atmosphere tags of the vocabulary: rain, fire, birds, traffic and so on.

What the production tags do to a mix is in effects.py.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, fftconvolve, sosfilt

from lofi_pipeline.demo.effects import Rng, Stereo

Wave = NDArray[Any]

TEXTURE_OF = {
    "rain": "rain", "rainy window": "rain", "thunderstorm": "storm",
    "ocean waves": "waves", "summer breeze": "wind", "snowfall": "wind", "autumn leaves": "leaves",
    "campfire": "fire", "forest": "birds", "spring blossom": "birds", "early morning": "birds",
    "temple garden": "water", "golden hour": "wind", "night": "crickets", "late night": "crickets",
    "starry sky": "shimmer", "winter holiday": "sleigh", "coffee shop": "murmur", "library": "room",
    "bedroom": "room", "city street": "traffic", "road trip": "traffic", "train ride": "train",
    "empty arcade": "beeps",
}  # fmt: skip
"""The texture of each atmosphere tag."""
LEVEL_OF_TEXTURE = {"room": 0.25, "murmur": 0.8, "shimmer": 0.7, "wind": 0.7}


def atmosphere(tag: str, frames: int, rate: int) -> Stereo:
    """The texture of an atmosphere tag, RMS about 0.03; the tag itself seeds it."""
    rng = np.random.default_rng(zlib.crc32(tag.encode()))
    texture = TEXTURE_OF.get(tag, "room")
    mono = TEXTURES[texture](_Input(frames, rate, rng))
    mono = mono / max(1e-9, float(np.sqrt(np.mean(mono**2)))) * 0.03 * LEVEL_OF_TEXTURE.get(texture, 1.0)
    shift = int(0.013 * rate)
    return np.stack((mono, np.roll(mono, shift))).astype(np.float32)


class _Input:
    """What a texture is made from: its length in samples, its sample rate, random numbers and white noise.

    The order of the draws is part of the result: the white noise is drawn before anything else.
    """

    def __init__(self, frames: int, rate: int, rng: Rng) -> None:
        self.frames, self.rate, self.rng = frames, rate, rng
        self.noise: Wave = rng.standard_normal(frames)

    @property
    def seconds(self) -> Wave:
        """The time of each sample, float64 [frames]."""
        return np.arange(self.frames) / self.rate

    @property
    def short(self) -> Wave:
        """The time of each sample of an event of 0.12 s."""
        return np.arange(int(0.12 * self.rate)) / self.rate

    def band(self, low: float, high: float, noise: Wave | None = None) -> Wave:
        """Noise between two frequencies in Hz; the white noise of this input unless other noise is passed."""
        sections = butter(1, [low, min(high, 0.45 * self.rate)], "band", fs=self.rate, output="sos")
        return np.asarray(sosfilt(sections, self.noise if noise is None else noise))

    def events(self, per_second: float, shape: Wave) -> Wave:
        """The shape at random times, each at a random level from 0.3 to 1."""
        train = np.zeros(self.frames)
        count = max(1, int(per_second * self.frames / self.rate))
        train[self.rng.integers(0, self.frames, count)] = self.rng.uniform(0.3, 1, count)
        return fftconvolve(train, shape)[: self.frames]


def _rain(given: _Input) -> Wave:
    drops = given.events(60, np.sin(2 * np.pi * 3500 * given.short) * np.exp(-given.short / 0.004))
    return given.band(2500, 9000) * 0.5 + 1.2 * drops


def _storm(given: _Input) -> Wave:
    rumble = given.band(30, 120) * (1 + np.sin(2 * np.pi * 0.21 * given.seconds)) * 2.5
    return given.band(2500, 9000, given.rng.standard_normal(given.frames)) * 0.4 + rumble


def _waves(given: _Input) -> Wave:
    return given.band(300, 3500) * (0.5 - 0.5 * np.cos(2 * np.pi * given.seconds / 4.0)) ** 2


def _wind(given: _Input) -> Wave:
    return given.band(300, 900) * (0.6 + 0.4 * np.sin(2 * np.pi * 0.3 * given.seconds))


def _leaves(given: _Input) -> Wave:
    t = given.seconds
    return given.band(3000, 8000) * np.clip(
        np.sin(2 * np.pi * 0.9 * t) + 0.3 * np.sin(2 * np.pi * 2.3 * t), 0, 1
    )


def _fire(given: _Input) -> Wave:
    pops = given.events(9, np.exp(-given.short / 0.002) * np.sin(2 * np.pi * 1800 * given.short))
    return 4 * pops + 0.4 * given.band(80, 400)


def _birds(given: _Input) -> Wave:
    short = given.short
    chirp = np.sin(2 * np.pi * (3800 * short + 9000 * short**2)) * np.sin(np.pi * short / short[-1])
    return given.events(2.5, chirp) + 0.02 * given.noise


def _water(given: _Input) -> Wave:
    drip = np.sin(2 * np.pi * (900 * given.short + 4000 * given.short**2)) * np.exp(-given.short / 0.03)
    return given.events(5, drip) + 0.05 * given.band(400, 2000)


def _crickets(given: _Input) -> Wave:
    t = given.seconds
    chirping = (np.sin(2 * np.pi * 17 * t) > 0) * (np.sin(2 * np.pi * 1.1 * t) > 0.1)
    return np.sin(2 * np.pi * 4600 * t) * chirping


def _shimmer(given: _Input) -> Wave:
    t, tones = given.seconds, ((5200, 0.7), (6600, 1.1), (7900, 0.4))
    return sum(
        (np.sin(2 * np.pi * f * t) * (0.5 + 0.5 * np.sin(2 * np.pi * r * t + r)) for f, r in tones),
        np.zeros(given.frames),
    )


def _sleigh(given: _Input) -> Wave:
    return given.events(4, np.sin(2 * np.pi * 6200 * given.short) * np.exp(-given.short / 0.03))


def _murmur(given: _Input) -> Wave:
    syllables = given.events(12, np.sin(np.pi * given.short / given.short[-1]))
    return given.band(250, 1200) * (0.15 + syllables)


def _room(given: _Input) -> Wave:
    return given.band(60, 500)


def _traffic(given: _Input) -> Wave:
    return given.band(50, 350) * (0.55 + 0.45 * np.sin(2 * np.pi * 0.16 * given.seconds))


def _train(given: _Input) -> Wave:
    t = given.seconds
    clack = np.exp(-((t % 0.9) / 0.03)) + np.exp(-(((t - 0.16) % 0.9) / 0.03))
    return given.band(200, 1500) * (0.12 + clack)


def _beeps(given: _Input) -> Wave:
    t = given.seconds
    return np.sign(np.sin(2 * np.pi * 880 * 2 ** (np.floor(t * 3) * 5 % 12 / 12) * t)) * (t * 3 % 1 < 0.15)


TEXTURES: dict[str, Callable[[_Input], Wave]] = {
    "rain": _rain,
    "storm": _storm,
    "waves": _waves,
    "wind": _wind,
    "leaves": _leaves,
    "fire": _fire,
    "birds": _birds,
    "water": _water,
    "crickets": _crickets,
    "shimmer": _shimmer,
    "sleigh": _sleigh,
    "murmur": _murmur,
    "room": _room,
    "traffic": _traffic,
    "train": _train,
    "beeps": _beeps,
}
