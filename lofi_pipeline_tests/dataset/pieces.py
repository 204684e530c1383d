"""Three synthetic pieces that are no copies of each other, and what is made of them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import soundfile
import soxr

from lofi_pipeline.demo.synth import RATE, SongSpec, render

BAND = ("rhodes", "vibraphone", "upright bass", "boom bap drums")
PIECES = {
    "rain": SongSpec(seed=3, bpm=82.0, key="A", mode="minor", seconds=34.0, instruments=BAND),
    "snow": SongSpec(seed=50, bpm=71.0, key="D", mode="major", seconds=34.0, instruments=BAND),
    "fog": SongSpec(seed=51, bpm=93.0, key="F", mode="minor", seconds=34.0, instruments=BAND),
}


@cache
def piece(name: str) -> np.ndarray:
    """A synthetic piece, float32 [2, n]."""
    return render(PIECES[name]).samples


def at_speed(samples: np.ndarray, speed: float) -> np.ndarray:
    return np.asarray(soxr.resample(samples.T, RATE * speed, RATE)).T


def mixed(one: str, other: str, level: float) -> np.ndarray:
    length = min(piece(one).shape[1], piece(other).shape[1])
    return piece(one)[:, :length] + level * piece(other)[:, :length]


def seconds(samples: np.ndarray, start: float, end: float) -> np.ndarray:
    return samples[:, int(start * RATE) : int(end * RATE)]


def write(folder: Path, name: str, samples: np.ndarray) -> Path:
    path = folder / name
    soundfile.write(path, samples.T, RATE)
    return path
