"""The meters against EBU Tech 3341's and 3342's synthetic signals (built here) and against an independent implementation."""

from __future__ import annotations

import numpy as np
import pyloudnorm
import pytest
import soxr
from scipy.signal import sosfilt

from lofi_pipeline import audio
from lofi_pipeline.audio.mastering.loudness import K_WEIGHTING, k_weighted_power, loudness_range
from lofi_pipeline.demo.drop import spec_of
from lofi_pipeline.demo.synth import render
from lofi_pipeline.styles import load_presets
from lofi_pipeline_tests.audio.music import RATE, loop

WITHIN_LU = 0.1
"""Tolerance of EBU Tech 3341, table 1."""


def _tones(*stretches: tuple[float, float]) -> np.ndarray:
    """1 kHz on both sides, phase unbroken: (peak in dBFS, seconds) one after the other: float32 [2, n]."""
    gain = np.concatenate([np.full(round(seconds * RATE), 10 ** (db / 20)) for db, seconds in stretches])
    tone = gain * np.sin(2 * np.pi * 1000 * np.arange(len(gain)) / RATE)
    return np.stack([tone, tone]).astype(np.float32)


CASES = {
    "1": (((-23, 20),), -23.0),
    "2": (((-33, 20),), -33.0),
    "3, relative gate": (((-36, 10), (-23, 60), (-36, 10)), -23.0),
    "4, both gates": (((-72, 10), (-36, 10), (-23, 60), (-36, 10), (-72, 10)), -23.0),
    "5, nothing gated": (((-26, 20), (-20, 20.1), (-26, 20)), -23.0),
}


@pytest.mark.parametrize("case", CASES)
def test_integrated_loudness_of_tech_3341(case: str) -> None:
    stretches, expected = CASES[case]
    assert audio.integrated_loudness(_tones(*stretches)) == pytest.approx(expected, abs=WITHIN_LU)


RANGES = {
    "1": (((-20, 20), (-30, 20)), 10.0),
    "2": (((-20, 20), (-15, 20)), 5.0),
    "3": (((-40, 20), (-20, 20)), 20.0),
    "4, gated": (((-50, 20), (-35, 20), (-20, 20), (-35, 20), (-50, 20)), 15.0),
}


@pytest.mark.parametrize("case", RANGES)
def test_loudness_range_of_tech_3342(case: str) -> None:
    """Tolerance 1 LU, as in its table 1."""
    stretches, expected = RANGES[case]
    assert loudness_range(k_weighted_power(_tones(*stretches))) == pytest.approx(expected, abs=1.0)


# Case: frequency as a fraction of the rate, phase in degrees, amplitude, true peak in dBTP. Every sample of 16 to 18
# lies up to 3 dB below the wave's crest; 19 exceeds full scale between and on the samples.
PEAKS = {
    "15": (1 / 4, 0.0, 0.50, -6.0),
    "16": (1 / 4, 45.0, 0.50, -6.0),
    "17": (1 / 6, 60.0, 0.50, -6.0),
    "18": (1 / 8, 67.5, 0.50, -6.0),
    "19": (1 / 4, 45.0, 1.41, 3.0),
}


@pytest.mark.parametrize("case", PEAKS)
def test_true_peak_of_tech_3341(case: str) -> None:
    """Tolerance +0.2 / -0.4 dB, as in its table 1."""
    fraction, degrees, amplitude, expected = PEAKS[case]
    wave = amplitude * np.sin(2 * np.pi * fraction * np.arange(RATE) + np.radians(degrees))
    ramp = np.minimum(1, np.arange(RATE) / 2400)  # a hard start would overshoot in any interpolation
    both = np.stack([wave * ramp * ramp[::-1]] * 2).astype(np.float32)
    assert expected - 0.4 <= audio.true_peak_dbtp(both) <= expected + 0.2


@pytest.mark.parametrize("quarters", range(4))
def test_true_peak_of_a_single_period_between_the_samples(quarters: int) -> None:
    """Cases 20 to 23: one louder period at 4x the rate, sampled at each of four offsets, hits -6 dBFS or close below."""
    fine = 4 * RATE
    time = np.arange(fine)
    wave = 0.25 * np.sin(2 * np.pi * time / 16)
    at = fine // 2 // 16 * 16
    wave[at : at + 16] *= 2
    smooth = soxr.resample(np.roll(wave, quarters), fine, RATE, quality="VHQ")
    full = np.abs(soxr.resample(smooth, RATE, 16 * RATE, quality="VHQ")).max()
    both = np.stack([smooth, smooth]).astype(np.float32)
    assert audio.true_peak_dbtp(both) == pytest.approx(20 * np.log10(full), abs=0.2)
    assert -6.4 <= audio.true_peak_dbtp(both) <= -5.8


def _noise(tilt: float) -> np.ndarray:
    """Noise whose power falls by `tilt` times 3 dB an octave: float32 [2, 12 s]."""
    spectrum = np.fft.rfft(np.random.default_rng(5).standard_normal((2, 12 * RATE)), axis=1)
    spectrum /= np.maximum(1, np.arange(spectrum.shape[1])) ** (tilt / 2)
    wave = np.fft.irfft(spectrum, axis=1)
    return (0.3 * wave / np.abs(wave).max()).astype(np.float32)


def _quiet_middle() -> np.ndarray:
    samples = loop(20.0, seed=4)
    samples[:, 6 * RATE : 13 * RATE] *= np.float32(0.02)
    return samples


def _one_sided() -> np.ndarray:
    samples = loop(12.0, seed=2)
    samples[1] = 0
    return samples


SIGNALS = {
    "a demo piece": lambda: render(spec_of(load_presets()["CORE-01"], 3, 20.0)).samples,
    "a demo piece with rain": lambda: render(spec_of(load_presets()["SEASON-03"], 4, 20.0)).samples,
    "white noise": lambda: _noise(0),
    "pink noise": lambda: _noise(1),
    "brown noise": lambda: _noise(2),
    "quiet middle": _quiet_middle,
    "one side silent": _one_sided,
    "very quiet": lambda: 0.02 * loop(12.0, seed=6),
    "far too loud": lambda: 3 * loop(12.0, seed=7, level=0.9),
    "off centre": lambda: 0.02 * loop(12.0, seed=8) + 0.1,
}


@pytest.mark.parametrize("name", SIGNALS)
def test_loudness_agrees_with_an_independent_meter(name: str) -> None:
    samples = np.ascontiguousarray(SIGNALS[name](), dtype=np.float32)
    expected = pyloudnorm.Meter(RATE).integrated_loudness(samples.T.astype(np.float64))
    assert audio.integrated_loudness(samples) == pytest.approx(expected, abs=WITHIN_LU)


@pytest.mark.parametrize("name", SIGNALS)
def test_the_power_of_a_block_is_that_of_the_filter_run_sample_by_sample(name: str) -> None:
    """The power comes from spectra; here it comes from the signal that BS.1770 describes. 0.0004 dB, each block for itself."""
    samples = np.asarray(SIGNALS[name](), dtype=np.float32)
    weighted = np.asarray(sosfilt(K_WEIGHTING, samples.astype(np.float64), axis=1))
    count = samples.shape[1] // 4800
    expected = np.square(weighted[:, : count * 4800]).reshape(2, count, 4800).mean(axis=2).sum(axis=0)
    assert k_weighted_power(samples) == pytest.approx(expected, rel=1e-4)
