"""Drum kits of the vocabulary: their one-shots, and the patterns of a bar. They are mixed in synth.py."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt

Mono = NDArray[np.float32]
Rng = np.random.Generator


@dataclass(frozen=True)
class Hit:
    """A stroke: its time in the bar (in beats), its sound and its level."""

    beat: float
    sound: str
    level: float


def _noise(rng: Rng, seconds: float, rate: int, low: float, high: float) -> Mono:
    raw = rng.standard_normal(int(seconds * rate))
    band = [low, min(high, 0.45 * rate)]
    return np.asarray(sosfilt(butter(2, band, "band", fs=rate, output="sos"), raw), dtype=np.float32)


def _time(seconds: float, rate: int) -> Mono:
    return np.arange(int(seconds * rate), dtype=np.float32) / rate


def _kick(rate: int, pitch: float, drop: float, decay: float) -> Mono:
    t = _time(0.35, rate)
    sweep = pitch + drop * np.exp(-t / 0.03)
    return (np.sin(2 * np.pi * np.cumsum(sweep) / rate) * np.exp(-t / decay)).astype(np.float32)


def _burst(rng: Rng, rate: int, low: float, high: float, decay: float, tone: float = 0.0) -> Mono:
    t = _time(min(0.5, 6 * decay), rate)
    noise = _noise(rng, min(0.5, 6 * decay), rate, low, high)[: len(t)] * np.exp(-t / decay)
    body = np.sin(2 * np.pi * tone * t) * np.exp(-t / (0.7 * decay)) if tone else 0.0
    return (noise + 0.6 * body).astype(np.float32)


def _drop(rate: int, pitch: float, decay: float) -> Mono:
    t = _time(0.3, rate)
    return (np.sin(2 * np.pi * pitch * t * (1 + 0.15 * np.exp(-t / 0.02))) * np.exp(-t / decay)).astype(
        np.float32
    )


def kit(name: str, rng: Rng, rate: int) -> dict[str, Mono]:
    """The one-shots of a kit, float32 [n] at `rate`."""
    if name == "brushed drums":
        sweep = _noise(rng, 0.3, rate, 2000, 9000)
        sweep *= np.sin(np.linspace(0, np.pi, len(sweep), dtype=np.float32)) * 0.5
        return {
            "kick": 0.6 * _kick(rate, 55, 40, 0.09),
            "snare": sweep,
            "hat": 0.3 * _burst(rng, rate, 4000, 9000, 0.06),
            "open": 0.4 * _burst(rng, rate, 3500, 9000, 0.15),
        }
    if name == "drum machine":
        return {
            "kick": _kick(rate, 46, 120, 0.16),
            "snare": 0.8 * _burst(rng, rate, 1500, 11000, 0.05) + 0.0,
            "hat": 0.45 * _burst(rng, rate, 7500, 11500, 0.018),
            "open": 0.45 * _burst(rng, rate, 7500, 11500, 0.1),
        }
    if name == "soft percussion":
        return {"kick": 0.5 * _kick(rate, 60, 20, 0.08), "snare": 0.5 * _drop(rate, 820, 0.03), "hat": 0.2 * _burst(rng, rate, 5000, 10000, 0.03), "open": 0.3 * _drop(rate, 1250, 0.05)}  # fmt: skip
    if name == "bongos":
        return {"kick": 0.8 * _drop(rate, 210, 0.09), "snare": 0.8 * _drop(rate, 390, 0.06), "hat": 0.5 * _drop(rate, 470, 0.04), "open": 0.6 * _drop(rate, 300, 0.08)}  # fmt: skip
    if name == "shaker":
        shake = _noise(rng, 0.12, rate, 5000, 11000)
        shake *= np.sin(np.linspace(0, np.pi, len(shake), dtype=np.float32)) ** 2
        return {
            "kick": 0.9 * shake,
            "snare": 1.2 * shake,
            "hat": 0.6 * shake,
            "open": 0.8 * shake,
        }
    if name == "finger snaps":
        return {"kick": 0.4 * _kick(rate, 60, 20, 0.07), "snare": 1.0 * _burst(rng, rate, 1800, 4200, 0.018), "hat": 0.0 * shake_free(rate), "open": 0.5 * _burst(rng, rate, 1800, 4200, 0.012)}  # fmt: skip
    return {
        "kick": _kick(rate, 50, 90, 0.12),
        "snare": 0.7 * _burst(rng, rate, 700, 7500, 0.075, tone=190),
        "hat": 0.32 * _burst(rng, rate, 6000, 11000, 0.03),
        "open": 0.35 * _burst(rng, rate, 6000, 11000, 0.12),
    }


def shake_free(rate: int) -> Mono:
    """A silent one-shot, for kits that lack a sound."""
    return np.zeros(int(0.02 * rate), np.float32)


def pattern(kit_name: str, groove: str, swing: float, bar: int, rng: Rng) -> list[Hit]:
    """The strokes of one 4/4 bar. `groove` is "four", "backbeat", "boom bap" or "half"; `swing` is the time of off-beats."""
    kicks = {
        "four": (0, 1, 2, 3),
        "backbeat": (0, 2, 2.5),
        "boom bap": (0, 1.5, 2.5),
        "half": (0, 2.5),
    }[groove]
    snares = {"four": (1, 3), "backbeat": (1, 3), "boom bap": (1, 3), "half": (2,)}[groove]
    late = lambda beat: beat + (swing - 0.5) if beat % 1 == 0.5 else beat  # noqa: E731 - one line, used thrice
    hits = [Hit(late(k), "kick", 1.0 if k == 0 else 0.85) for k in kicks]
    hits += [Hit(s, "snare", 0.9) for s in snares]
    hat_level = 0.9 if kit_name in ("shaker", "bongos") else 0.7
    steps = np.arange(0, 4, 0.5)
    hits += [Hit(late(float(s)), "hat", hat_level * (1.0 if s % 1 == 0 else 0.75)) for s in steps]
    if groove == "four":
        hits += [Hit(s + 0.5, "open", 0.9) for s in range(4)]
    elif bar % 4 == 3 and rng.random() < 0.7:
        hits.append(Hit(late(3.5), "open", 0.8))
    return hits
