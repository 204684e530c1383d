"""Loudness and true peak against an independent implementation and against theory; the limiter's promises."""

from __future__ import annotations

import numpy as np
import pyloudnorm
import pytest
import soxr

from lofi_pipeline import audio
from lofi_pipeline.audio.mastering.limiter import limit
from lofi_pipeline.audio.mastering.loudness import k_weighted_power, power_after
from lofi_pipeline_tests.audio.levelled import levelled
from lofi_pipeline_tests.audio.music import loop


@pytest.mark.parametrize("seed", range(3))
def test_loudness_agrees_with_pyloudnorm(seed: int) -> None:
    samples = loop(12.0, bpm=70 + 7 * seed, seed=seed, level=0.05 + 0.3 * seed)
    samples[:, : 3 * 48_000] *= 0.01  # something for the gates
    expected = pyloudnorm.Meter(48_000).integrated_loudness(samples.T.astype(np.float64))
    assert audio.integrated_loudness(samples) == pytest.approx(expected, abs=0.1)


def test_a_full_scale_sine_on_both_sides_has_0_lufs() -> None:
    """EBU Tech 3341 calibrates the meter with 1 kHz: -23 dBFS peak in both channels reads -23 LUFS."""
    time = np.arange(5 * 48_000) / 48_000
    tone = np.stack([10 ** (-23 / 20) * np.sin(2 * np.pi * 1000 * time)] * 2).astype(np.float32)
    assert audio.integrated_loudness(tone) == pytest.approx(-23.0, abs=0.05)


def test_silence_has_no_loudness() -> None:
    assert audio.integrated_loudness(np.zeros((2, 480_000), np.float32)) is None
    assert audio.integrated_loudness(np.zeros((2, 100), np.float32)) is None


def test_true_peak_sees_between_the_samples() -> None:
    time = np.arange(48_000)
    hidden = np.stack([np.sin(np.pi / 2 * time + np.pi / 4)] * 2).astype(np.float32)  # every sample at 0.707
    hidden[:, :100] *= np.linspace(0, 1, 100)
    hidden[:, -100:] *= np.linspace(1, 0, 100)
    assert audio.true_peak_dbtp(hidden) == pytest.approx(0.0, abs=0.05)


@pytest.mark.parametrize("at", [40, 65_535, 65_536, 65_537, 65_538, 131_072, 131_073])
def test_a_true_peak_is_found_wherever_it_lies(at: int) -> None:
    """The search goes piece by piece; between two of them nothing is lost."""
    time = np.arange(-30, 31)
    burst = (np.sin(np.pi / 2 * time + np.pi / 4) * np.hanning(61)).astype(
        np.float32
    )  # highest between two samples
    track, alone = np.zeros((2, 140_000), np.float32), np.zeros((2, 1000), np.float32)
    track[0, at - 30 : at + 31] = burst
    alone[0, 470:531] = burst
    assert audio.true_peak_dbtp(alone) > 20 * np.log10(np.abs(burst).max()) + 1
    assert audio.true_peak_dbtp(track) == pytest.approx(audio.true_peak_dbtp(alone), abs=1e-4)


def test_true_peak_agrees_with_full_oversampling() -> None:
    samples = loop(6.0, seed=3)
    full = max(abs(soxr.resample(channel, 48_000, 384_000, quality="VHQ")).max() for channel in samples)
    assert audio.true_peak_dbtp(samples) == pytest.approx(20 * np.log10(full), abs=0.15)


def test_the_limiter_holds_the_ceiling_and_leaves_the_rest_alone() -> None:
    samples = loop(10.0, level=0.4)
    samples[:, 200_000:200_040] *= 4
    limited = samples.copy()
    turned_down = limit(limited, 0.5)
    assert audio.true_peak_dbtp(limited) <= 20 * np.log10(0.5) + 0.05
    assert np.array_equal(limited[:, :190_000], samples[:, :190_000])
    assert np.array_equal(limited[:, 210_000:], samples[:, 210_000:])
    changed = np.flatnonzero((limited != samples).any(axis=0))
    assert all(any(start <= at < end for start, end in turned_down) for at in changed)


def test_the_power_of_what_was_limited_is_that_of_the_whole() -> None:
    samples = loop(10.0, level=0.4)
    before = k_weighted_power(samples)
    for at, length in ((0, 100), (95_999, 2), (200_000, 60_000), (samples.shape[1] - 3000, 3000)):
        changed = samples.copy()
        changed[:, at : at + length] *= 0.5
        after = power_after(before, changed, [(at, at + length), (at, at + 1)])
        assert after == pytest.approx(k_weighted_power(changed), rel=1e-5)
        assert not np.array_equal(after, before)
    assert np.array_equal(power_after(before, samples, []), before)


def _level(samples: np.ndarray, target: float) -> tuple[float, float, float]:
    lufs = audio.integrated_loudness(samples)
    assert lufs is not None
    done = levelled(samples, target, ceiling=-1.3, limiter=3.0)
    reached = audio.integrated_loudness(done.samples)
    assert reached is not None
    assert audio.true_peak_dbtp(done.samples) <= -1.2
    assert done.loudness_shortfall_db == pytest.approx(max(0.0, target - reached), abs=0.051)
    return lufs, reached, done.loudness_shortfall_db


def test_where_there_is_room_the_gain_is_linear_and_exact() -> None:
    _, reached, shortfall = _level(loop(10.0, level=0.9), -30.0)
    assert reached == pytest.approx(-30.0, abs=0.01)
    assert shortfall == 0


def test_a_little_limiting_still_reaches_the_target() -> None:
    samples = loop(10.0, level=0.4)
    lufs = audio.integrated_loudness(samples)
    assert lufs is not None
    room = -1.3 - audio.true_peak_dbtp(samples)
    _, reached, shortfall = _level(samples, lufs + room + 1.5)
    assert reached == pytest.approx(lufs + room + 1.5, abs=0.06)
    assert shortfall == 0


def test_too_much_limiting_is_not_done_and_the_shortfall_recorded() -> None:
    samples = loop(10.0, level=0.05)
    samples[:, 300_000] = 0.9
    _, reached, shortfall = _level(samples, -14.0)
    assert reached < -14.5
    assert shortfall > 0.5
