"""What a player draws of a track."""

from __future__ import annotations

import numpy as np
import pytest

from lofi_pipeline.audio import SAMPLE_RATE, clipped, gaps, waveform_peaks


def noise(seconds: float, level: float = 0.3) -> np.ndarray:
    found = np.random.default_rng(0).uniform(-level, level, (2, int(seconds * SAMPLE_RATE)))
    return found.astype(np.float32)


def test_peaks_are_where_they_sound_and_of_their_channel() -> None:
    samples = np.zeros((2, 16_000), np.float32)
    samples[0, 4_000], samples[1, 12_000] = -0.5, 2.0
    left, right = waveform_peaks(samples)
    assert (len(left), max(left), max(right)) == (1600, 0.5, 1.0)
    assert (left.index(0.5), right.index(1.0)) == (400, 1200)


@pytest.mark.parametrize("count", [0, 1, 5, 1599, 1601])
def test_any_length_is_drawn(count: int) -> None:
    found = waveform_peaks(np.full((2, count), 0.25, np.float32))
    assert [len(channel) for channel in found] == [min(count, 1600)] * 2
    assert all(level == 0.25 for channel in found for level in channel)


def test_silence_is_found_where_it_is_and_short_rests_are_none() -> None:
    samples = noise(20)
    for begin, end in ((3, 5), (9, 9.6), (18.5, 20)):
        samples[:, int(begin * SAMPLE_RATE) : int(end * SAMPLE_RATE)] *= 1e-5
    assert gaps(samples) == [(3.0, 5.0), (18.5, 20.0)]
    assert gaps(noise(0.05)) == [] and gaps(noise(5)) == []


def test_clipping_is_found_where_it_is() -> None:
    """Music is loud at two places; a converter cuts off what goes beyond its range."""
    seconds = np.arange(20 * SAMPLE_RATE) / SAMPLE_RATE
    tune = np.stack([np.sin(2 * np.pi * 220 * seconds), np.sin(2 * np.pi * 331 * seconds)])
    loud = np.where((seconds > 4) & (seconds < 5) | (seconds > 15) & (seconds < 15.3), 1.6, 0.4)
    samples = np.clip(tune * loud, -0.9, 0.9).astype(np.float32)
    assert clipped(samples) == pytest.approx(np.array([(4.0, 5.0), (15.0, 15.3)]), abs=0.02)
    assert clipped((tune * 0.5).astype(np.float32)) == [] and clipped(np.zeros((2, 99), np.float32)) == []
