"""What a player draws of a track: its peaks over time, and where its faults are."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from lofi_pipeline.audio.analysis.faults import RATE, flat_tops, peaks_of_moments, silent_stretches

COLUMNS = 1_600
"""More than a screen shows of a track at once."""
_SHORTEST_GAP = 1.0
_TOGETHER = 0.5
"""Seconds between clipped places that are shown as one."""
_BLOCK = 4_800
"""Samples of 100 ms at 48 kHz."""


def waveform_peaks(samples: np.ndarray) -> list[list[float]]:
    """The highest level, 0 to 1, of each channel of float32 [2, n] in each of up to `COLUMNS` equal stretches."""
    count = samples.shape[1]
    edges = np.linspace(0, count, min(COLUMNS, count) + 1).astype(int)
    if len(edges) < 2:
        return [[] for _ in samples]
    size = np.maximum.reduceat(np.abs(samples), edges[:-1], axis=1)
    return [[round(float(level), 3) for level in channel] for channel in np.minimum(size, 1.0)]


def gaps(samples: np.ndarray) -> list[tuple[float, float]]:
    """(begin, end) in seconds of each silence of a second or more in float32 [2, n] at 48 kHz."""
    blocks = samples[:, : samples.shape[1] // _BLOCK * _BLOCK].reshape(2, -1, _BLOCK)
    power = np.einsum("cbs,cbs->b", blocks, blocks) / (2 * _BLOCK)
    silent = silent_stretches(10 * np.log10(power + 1e-14)) if power.size else np.zeros(0, bool)
    turns = np.flatnonzero(np.diff(np.concatenate(([False], silent, [False])).astype(int)))
    found = [(first / 10, last / 10) for first, last in list(pairwise(turns.tolist()))[::2]]
    return [(begin, end) for begin, end in found if end - begin >= _SHORTEST_GAP]


def clipped(samples: np.ndarray) -> list[tuple[float, float]]:
    """(begin, end) in seconds of each place where float32 [2, n] at 48 kHz sits on flat tops, those near each other together."""
    channels = zip(samples, peaks_of_moments(samples), strict=True)
    tops = [np.stack(flat_tops(channel, peaks), axis=1) for channel, peaks in channels]
    found: list[tuple[float, float]] = []
    for first, last in sorted(np.concatenate(tops).tolist()):
        begin, end = first / RATE, (last + 1) / RATE
        if found and begin - found[-1][1] <= _TOGETHER:
            begin, end = found[-1][0], max(end, found.pop()[1])
        found.append((begin, end))
    return [(round(begin, 2), round(end, 2)) for begin, end in found]
