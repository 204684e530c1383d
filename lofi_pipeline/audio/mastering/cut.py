"""Shortening of a track that is too long: it ends at a quiet bar line near the limit, with a fade."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lofi_pipeline.audio.analysis.rhythm import beat_times, onset_strength, tempo_of
from lofi_pipeline.audio.analysis.spectrum import mono_at

_RATE = 48_000
_WINDOW_SECONDS = 60.0
"""Stretch before the limit in which the beat is measured; over longer ones a constant tempo may not fit."""
_SEARCH_SECONDS = 24.0
"""How much music may be given up for a better end."""
_AROUND_SECONDS = 0.25
_DB_PER_SECOND = 0.15
"""Decibels of loudness at the end that one more second of music outweighs."""
_LONGEST_FADE = 0.5
_SURE_OF_BEAT = 0.1
_BEATS_A_BAR = 4


@dataclass(frozen=True)
class Cut:
    """The samples that are kept, float32 [2, n] at 48 kHz, and why they end where they do."""

    samples: np.ndarray
    reason: str


def cut(samples: np.ndarray, *, min_seconds: float, max_seconds: float) -> Cut:
    """Shorten float32 [2, n] to at most `max_seconds`, with a short fade at the end; the beginning stays."""
    limit = min(int(max_seconds * _RATE), samples.shape[1])
    start = max(0, limit - int(_WINDOW_SECONDS * _RATE))
    window = samples[:, start:limit]
    mono = mono_at(window, 22_050)
    strength = onset_strength(mono)
    tempo = tempo_of(strength)
    lines = _bar_lines(mono, strength, tempo.bpm) if tempo.confidence >= _SURE_OF_BEAT else np.zeros(0)
    latest = window.shape[1] / _RATE
    earliest = max(latest - _SEARCH_SECONDS, min_seconds - start / _RATE)
    lines = lines[lines >= earliest]
    where = "at a bar line"
    if not len(lines):
        lines = np.append(np.arange(earliest, latest, 0.1), latest)
        where = "in a quiet place (no steady beat)"
    end = start + int(lines[int(np.argmax(_worth(window, lines)))] * _RATE)
    fade = min(_LONGEST_FADE, 60 / tempo.bpm)
    kept = samples[:, :end].copy()
    slope = np.cos(np.linspace(0, np.pi / 2, min(int(fade * _RATE), end), dtype=np.float32))
    kept[:, end - len(slope) :] *= slope
    seconds = end / _RATE
    reason = f"longer than {max_seconds:g} s; ended {where} at {seconds:.2f} s with a fade of {fade:.2f} s"
    return Cut(kept, reason)


def _bar_lines(mono: np.ndarray, strength: np.ndarray, bpm: float) -> np.ndarray:
    """The times of the bar lines in seconds: of each four beats the one with the strongest onsets in the bass."""
    beats = beat_times(strength, bpm)
    if len(beats) < 2 * _BEATS_A_BAR:
        return beats
    low = _bass_onsets(mono, beats)
    phase = int(np.argmax([low[first::_BEATS_A_BAR].mean() for first in range(_BEATS_A_BAR)]))
    return beats[phase::_BEATS_A_BAR]


def _bass_onsets(mono: np.ndarray, beats: np.ndarray) -> np.ndarray:
    """Growth of the power below 150 Hz from just before each beat to just after it: float64 [beats]."""
    block = 1024
    count = len(mono) // block
    frames = np.abs(np.fft.rfft(mono[: count * block].reshape(count, block), axis=1))
    low = np.log1p(frames[:, 1:8].sum(axis=1))
    at = np.clip((beats * 22_050 / block).astype(int), 1, count - 2)
    return np.maximum(low[at], low[at + 1]) - low[at - 1]


def _worth(window: np.ndarray, lines: np.ndarray) -> np.ndarray:
    """How well the track can end at each time, in decibels: the quieter around it and the later, the better."""
    count = window.shape[1]
    energy = np.concatenate(([0.0], np.cumsum(np.square(window, dtype=np.float64).sum(axis=0))))
    middle = (lines * _RATE).astype(int)
    reach = int(_AROUND_SECONDS * _RATE)
    first, last = np.maximum(0, middle - reach), np.minimum(count, middle + reach)
    quiet = -10 * np.log10((energy[last] - energy[first]) / np.maximum(1, last - first) + 1e-9)
    return quiet + _DB_PER_SECOND * lines
