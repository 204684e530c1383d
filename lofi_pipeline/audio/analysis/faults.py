"""Measurements of faults: clipping, gaps, noise, missing bandwidth, wrong phase. Input of the quality score.

The penalties and the sentences that people read are in quality.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lofi_pipeline.audio.analysis.spectrum import frequencies, magnitudes
from lofi_pipeline.audio.mastering.loudness import decibel, decibels, loud_level

RATE = 48_000
_SIZE = 4096
_MOMENT = RATE // 200
_MOST_FRAMES = 400
_SILENCE_DB = -60.0
_SILENCE_BELOW_LOUD_DB = -40.0


@dataclass(frozen=True)
class Analysis:
    """What the parts of the score are computed from."""

    samples: np.ndarray
    """float32 [2, n] at 48 kHz, before any gain."""
    power_db: np.ndarray
    """Mean power of each 100 ms in dB: float64 [blocks]."""
    moment_peaks: np.ndarray
    """The highest sample of each 5 ms: float32 [2, moments]."""
    moment_power: np.ndarray
    """Mean power of each 5 ms: float32 [2, moments]."""
    spectrum_db: np.ndarray
    """Smoothed mean power spectrum of the louder half: float64 [2049]."""
    usual_spectrum_db: np.ndarray
    """The same with the median over time, on which a few clicks have no influence."""
    floor_snr_db: float
    """Ratio of the music to the steady noise between 1.5 and 9 kHz."""
    lufs: float
    peak_dbtp: float
    correlation: float
    """Of left and right, -1..1."""
    balance_db: float
    """Left over right."""
    side_db: float
    """Side over middle."""
    lost_share: float

    @cached_property
    def flat_top_share(self) -> float:
        """Share of the samples that sit on flat tops."""
        return flat_top_share(self.samples, self.moment_peaks)


def ramp(value: float, nothing: float, everything: float) -> float:
    """0 up to `nothing`, 1 from `everything` on, a straight line in between."""
    return float(np.clip((value - nothing) / (everything - nothing), 0, 1))


def analyse(samples: np.ndarray, *, lufs: float, peak_dbtp: float, lost_share: float) -> Analysis:
    """Measure float32 [2, n] at 48 kHz once for all parts of the score."""
    left, right = samples
    count = samples.shape[1] // _MOMENT
    moments = samples[:, : count * _MOMENT].reshape(2, count, _MOMENT)
    moment_power = np.einsum("cbs,cbs->cb", moments, moments) / _MOMENT
    power = moment_power[:, : count // 20 * 20].reshape(2, -1, 20).mean(axis=(0, 2), dtype=np.float64)
    ll, rr, lr = (float(np.dot(one, other)) for one, other in ((left, left), (right, right), (left, right)))
    middle = left if lr < -0.5 * np.sqrt(ll * rr) else (left + right) * np.float32(0.5)
    spectra = np.square(magnitudes(middle, _SIZE, _SIZE))
    energy = spectra.sum(axis=1)
    loud = spectra[energy >= np.median(energy)]
    mean = loud.mean(axis=0, dtype=np.float64)
    usual = np.median(loud[:: len(loud) // _MOST_FRAMES + 1], axis=0)
    return Analysis(
        samples=samples,
        power_db=decibels(power),
        moment_peaks=peaks_of_moments(samples),
        moment_power=moment_power,
        spectrum_db=_smoothed_db(mean),
        usual_spectrum_db=_smoothed_db(usual),
        floor_snr_db=_floor_snr(spectra, energy),
        lufs=lufs,
        peak_dbtp=peak_dbtp,
        correlation=lr / (np.sqrt(ll * rr) + 1e-12),
        balance_db=decibel(ll) - decibel(rr),
        side_db=decibel(ll + rr - 2 * lr) - decibel(ll + rr + 2 * lr),
        lost_share=lost_share,
    )


def _smoothed_db(spectrum: np.ndarray) -> np.ndarray:
    return np.convolve(10 * np.log10(spectrum + 1e-14), np.full(9, 1 / 9), mode="same")


def _floor_snr(spectra: np.ndarray, energy: np.ndarray) -> float:
    """Ratio of the music to the steady noise between 1.5 and 9 kHz, in dB, by minimum statistics.

    Steady noise is the level that a bin never falls below. The power of a noise bin is exponentially distributed: its 5th
    percentile is 0.0513 of its mean.
    """
    hertz = frequencies(_SIZE, RATE)
    loud_enough = energy > np.percentile(energy, 99) * 1e-6
    high = spectra[loud_enough][:, (hertz > 1500) & (hertz < 9000)]
    floor = float(np.median(np.percentile(high, 5, axis=0))) / 0.0513
    band = (hertz > 100) & (hertz < 9000)
    music = float(spectra[loud_enough].mean(axis=0)[band].sum())
    return 10 * np.log10(music / (floor * band.sum() + 1e-20) + 1e-20)


def flat_top_share(samples: np.ndarray, moment_peaks: np.ndarray) -> float:
    """Share of samples on plateaus at their channel's peak."""
    found = [flat_tops(channel, peaks) for channel, peaks in zip(samples, moment_peaks, strict=True)]
    flat = sum(int((last - first + 1).sum()) for first, last in found)
    return flat / max(1, samples.size)


def flat_tops(channel: np.ndarray, peaks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first and the last sample of each plateau at the peak of a channel, float32 [n], of whose 5 ms `peaks` are the peaks.

    They are looked for in the 5 ms that come near the peak. A plateau is entered or left by a step much larger than those
    within: a round bass note has none.
    """
    peak = float(peaks.max(initial=0.0))
    if peak < 0.05:
        return np.zeros(0, int), np.zeros(0, int)
    near = (np.flatnonzero(peaks >= 0.985 * peak)[:, None] * _MOMENT + np.arange(_MOMENT)).ravel()
    top = near[np.abs(channel[near]) >= 0.985 * peak]
    begins = np.flatnonzero(np.diff(top, prepend=-2) > 1)
    ends = np.append(begins[1:], len(top)) - 1
    first, last = top[begins], top[ends]
    whole = (last - first >= 2) & (first >= 2) & (last < len(channel) - 2)
    first, last, begins, ends = first[whole], last[whole], begins[whole], ends[whole]
    travelled = np.cumsum(np.abs(np.diff(channel[top], prepend=channel[top[:1]])), dtype=np.float64)
    within = (travelled[ends] - travelled[begins]) / (last - first)
    around = [np.abs(channel[first] - channel[first - 2]), np.abs(channel[last + 2] - channel[last])]
    is_flat = (np.maximum(*around) / 2 > 5 * within) & (within < 0.003 * peak)
    return first[is_flat], last[is_flat]


def peaks_of_moments(samples: np.ndarray) -> np.ndarray:
    """float32 [2, n // 240]: the peak of each 5 ms of float32 [2, n] at 48 kHz."""
    moments = samples[:, : samples.shape[1] // _MOMENT * _MOMENT].reshape(2, -1, _MOMENT)
    return np.maximum(moments.max(axis=2), -moments.min(axis=2))


_HEIGHTS = np.arange(-9.0, 3.01, 0.25)


def pile_up(peaks: np.ndarray, power: np.ndarray) -> float:
    """How surely (0 to 1) the peaks of 5 ms pile up at one level, as they do where clipped audio was coded afterwards.

    At a clipping level, 1 dB holds several times as many peaks as each dB just below it. Repeated notes pile up too, but
    those moments are equally loud, and clipped ones are not. So a pile counts as far as the loudness within it varies;
    a very large pile needs less variation.
    """
    surest = 0.0
    for height, loudness in zip(peaks, decibels(power), strict=True):
        top = float(np.percentile(height, 99.9)) if len(height) else 0.0
        if top < 0.02:
            continue
        below_top = 2 * decibels(height / np.float32(top))
        count = np.concatenate(([0.0], np.cumsum(np.histogram(below_top, _HEIGHTS)[0]))) / len(below_top)
        at = np.arange(14, len(count) - 4)
        here, below = count[at + 4] - count[at], (count[at - 2] - count[at - 14]) / 3
        times = np.where(here >= 0.03, here / (below + 0.004), 0.0)
        best = int(np.argmax(times))
        low = _HEIGHTS[at[best]]
        spread = float(np.std(loudness[(below_top >= low) & (below_top < low + 1)], dtype=np.float64))
        variation = max(ramp(spread, 1.25, 1.6), ramp(times[best], 20, 60) * ramp(spread, 0.5, 0.9))
        surest = max(surest, ramp(times[best], 2.2, 6) * variation)
    return surest


_AROUND = np.arange(-RATE // 500, RATE // 500 + 1)
_MOST_PEAKS = 400


def blunt_wall(samples: np.ndarray, peaks: np.ndarray, power: np.ndarray) -> float:
    """Evidence for clipping before coding: how much loudness varies among the highest peaks, by how much the peaks do.

    It is multiplied by how broad these peaks are against the track's peaks of half that height, cubed. Clipped peaks are
    equally high whatever is played, and broad. A limiter makes them even more equal, whence the least difference of 0.4 dB,
    but it leaves them as sharp as the others.
    """
    most = 0.0
    for channel, height, loudness in zip(samples, peaks, decibels(power), strict=True):
        audible = 1 + np.flatnonzero(height[1:-1] > 0.01 * height.max(initial=0.0))
        if len(audible) < 200:
            continue
        level = height[audible]
        high, higher, highest = np.percentile(level, (92, 98, 99.6))
        softer, louder = np.percentile(loudness[audible[level >= high]], (10, 90))
        differs = (louder - softer) / max(0.4, 2 * decibel(highest / high))
        top, middle = audible[level >= higher], audible[(level > 0.4 * higher) & (level < 0.65 * higher)]
        if len(middle) >= 20:
            differs *= (_breadth(channel, top) / _breadth(channel, middle)) ** 3
        most = max(most, float(differs))
    return most


def _breadth(channel: np.ndarray, moments: np.ndarray) -> float:
    """Breadth of peaks, 0 to 1: in the 2 ms on either side, the samples above 0.8 of the peak by those above 0.6 of it."""
    chosen = moments[np.linspace(0, len(moments) - 1, min(len(moments), _MOST_PEAKS)).astype(int)]
    within = np.abs(channel[chosen[:, None] * _MOMENT + np.arange(_MOMENT)])
    at = chosen * _MOMENT + within.argmax(axis=1)
    around = channel[at[:, None] + _AROUND] / channel[at][:, None]
    return float((around > 0.8).sum() / (around > 0.6).sum())


def near_peak_share(moment_peaks: np.ndarray) -> float:
    """Share of 10 ms blocks whose peak is within 1.5 dB of the track's top."""
    either = moment_peaks.max(axis=0)
    peaks = either[: len(either) // 2 * 2].reshape(-1, 2).max(axis=1)
    return float((peaks > np.percentile(peaks, 99.5) * 10 ** (-1.5 / 20)).mean())


def silence(power_db: np.ndarray) -> tuple[float, float]:
    """(share of silent blocks, seconds of the longest gap)."""
    silent = silent_stretches(power_db)
    audible = np.flatnonzero(np.concatenate(([True], ~silent, [True])))
    return float(silent.mean()), float(np.diff(audible).max() - 1) / 10


def silent_stretches(power_db: np.ndarray) -> np.ndarray:
    """Which blocks are silent, against the rest of the track: bool [blocks]."""
    loud = loud_level(power_db, silent_db=_SILENCE_DB, span_db=-_SILENCE_BELOW_LOUD_DB)
    return power_db <= min(_SILENCE_DB, loud + _SILENCE_BELOW_LOUD_DB)


def highest_frequency(spectrum_db: np.ndarray) -> float:
    """The highest frequency, in Hz, that is within 75 dB of the strongest below 4 kHz."""
    hertz = frequencies(_SIZE, RATE)
    reference = spectrum_db[(hertz > 100) & (hertz < 4000)].max()
    return float(hertz[np.flatnonzero(spectrum_db > reference - 75)[-1]])


def brick_wall(spectrum_db: np.ndarray) -> float:
    """The frequency, in Hz, of a fall by more than 40 dB within 600 Hz with nothing above it; or 24 kHz.

    The soft low-pass of lofi falls by 9 dB there at most, resamplers and lossy encoders by 60 and more.
    """
    hertz = frequencies(_SIZE, RATE)
    step = round(600 / hertz[1])
    fall = spectrum_db[:-step] - spectrum_db[step:]
    low, high = np.searchsorted(hertz, (3200, 20800))
    at = int(low) + int(np.argmax(fall[low:high]))
    above = spectrum_db[at + step + 8 : np.searchsorted(hertz, 22500)]
    reference = spectrum_db[(hertz > 100) & (hertz < 4000)].max()
    nothing_above = len(above) > 0 and float(np.median(above)) < reference - 80
    return float(hertz[at + step // 2]) if fall[at] > 40 and nothing_above else RATE / 2
