"""A quality score that knows lofi: hiss, crackle and a soft low-pass are style; clipping and gaps are faults.

The score is 100 less the penalties of the parts below. Each part is one measurable fault with two thresholds:
nothing is deducted up to the first, everything from the second on, in between it is a ramp.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lofi_pipeline.audio.analysis.spectrum import frequencies, magnitudes
from lofi_pipeline.audio.mastering.loudness import decibel, decibels, loudness_range
from lofi_pipeline.entities import QualityPart, QualityReport

_RATE = 48_000
_SIZE = 4096
_MOMENT = _RATE // 200
_MOST_FRAMES = 400
_LOSSY_FROM = 12_000
"""Lossy encoders build their walls above; there, a click above the wall is reason enough to let it pass."""
_SILENCE_DB = -60.0
_SILENCE_BELOW_LOUD_DB = -40.0


@dataclass(frozen=True)
class Analysis:
    """What the parts are judged by."""

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
    """The same with the median over time, which a few clicks do not fill."""
    floor_snr_db: float
    """How far the music stands above the steady noise between 1.5 and 9 kHz."""
    lufs: float
    peak_dbtp: float
    correlation: float
    """Of left and right, -1..1."""
    balance_db: float
    """Left over right."""
    side_db: float
    """Side over middle."""
    lost_share: float


def score(samples: np.ndarray, *, lufs: float, peak_dbtp: float, lost_share: float) -> QualityReport:
    """Score float32 [2, n] at 48 kHz of known loudness and true peak. `lost_share`: what is damaged, 0..1."""
    analysis = _analyse(samples, lufs, peak_dbtp, lost_share)
    parts = [
        QualityPart(name=name, penalty=round(float(penalty), 1), sentence=sentence)
        for name, penalty, sentence in _judge(analysis)
        if penalty >= 0.05
    ]
    total = sum(part.penalty for part in parts)
    return QualityReport(
        score=round(max(0.0, 100.0 - total)), parts=sorted(parts, key=lambda part: -part.penalty)
    )


def _ramp(value: float, nothing: float, everything: float) -> float:
    return float(np.clip((value - nothing) / (everything - nothing), 0, 1))


def _judge(analysis: Analysis) -> Iterator[tuple[str, float, str]]:
    """(name, penalty, sentence) of every part, zero penalties included."""
    flat = _flat_top_share(analysis.samples, analysis.moment_peaks)
    clipping = 25 * _ramp(np.log10(max(flat, 1e-9)), -4.5, -1.0)
    yield (
        "clipping",
        clipping,
        f"{flat:.3%} of the samples sit on flat tops: it is clipped; look for an unclipped master.",
    )
    rounded = max(
        _pile(analysis.moment_peaks, analysis.moment_power),
        _ramp(_blunt_wall(analysis.samples, analysis.moment_peaks, analysis.moment_power), 15, 25),
    )
    yield (
        "rounded clipping",
        max(0.0, 15 * rounded - clipping),
        "Peaks pile up at one level whatever is played: it was clipped, then coded or filtered; look for an unclipped"
        " master.",
    )
    near = _near_peak_share(analysis.moment_peaks)
    yield (
        "squashed peaks",
        10 * _ramp(near, 0.3, 0.7),
        f"{near:.0%} of the moments reach the same peak: heavily limited or clipped; look for the mix.",
    )
    over = float((np.abs(analysis.samples) > 1.0).mean()) if analysis.peak_dbtp > 0 else 0.0
    yield (
        "overs",
        10 * _ramp(np.log10(max(over, 1e-9)), -5.0, -3.0),
        f"{over:.3%} of the samples exceed full scale; export again with some headroom.",
    )
    silent, gap = _silence(analysis.power_db)
    yield (
        "silence",
        25 * _ramp(silent, 0.05, 0.4) + 10 * _ramp(gap, 3, 10),
        f"{silent:.0%} of the track is silent, the longest gap lasts {gap:.1f} s; trim it.",
    )
    yield (
        "noise",
        20 * _ramp(-analysis.floor_snr_db, -20, -6),
        f"Steady noise lies only {analysis.floor_snr_db:.0f} dB below the music, more than hiss; denoise it.",
    )
    offset = float(np.abs(analysis.samples.mean(axis=1)).max())
    yield (
        "dc offset",
        10 * _ramp(offset, 0.003, 0.03),
        f"The waveform is off centre by {offset:.1%} of full scale; apply a high-pass at 20 Hz.",
    )
    top = _bandwidth(analysis.spectrum_db)
    yield (
        "bandwidth",
        25 * _ramp(-top, -6000, -2500),
        f"There is nothing above {top:.0f} Hz; find a fuller source.",
    )
    wall, usual = _brick_wall(analysis.spectrum_db), _brick_wall(analysis.usual_spectrum_db)
    wall = min(wall, usual) if usual < _LOSSY_FROM else wall
    yield (
        "upsampled",
        25 * _ramp(-wall, -13000, -7000) + (5 if wall < 16500 else 0),
        f"The spectrum ends in a wall at {wall:.0f} Hz: upsampled, or a low bit rate; find the original.",
    )
    yield (
        "phase",
        35 * _ramp(-analysis.correlation, 0.05, 0.6),
        f"Left and right cancel out (correlation {analysis.correlation:.2f}); turn one channel's polarity.",
    )
    yield (
        "mono",
        4 if analysis.side_db < -55 else 0,
        "Both channels are the same: mono; a stereo version would teach more.",
    )
    yield (
        "balance",
        25 * _ramp(abs(analysis.balance_db), 3, 12),
        f"The {'left' if analysis.balance_db > 0 else 'right'} side is {abs(analysis.balance_db):.0f} dB louder.",
    )
    crest = analysis.peak_dbtp - analysis.lufs
    yield (
        "crushed dynamics",
        10 * _ramp(-crest, -7.5, -4.5),
        f"Peaks stand only {crest:.1f} dB above the loudness: compressed to death; look for the mix.",
    )
    spread = loudness_range(10 ** (analysis.power_db / 10))
    yield (
        "loudness range",
        8 * _ramp(spread, 18, 28),
        f"Loud and quiet passages are {spread:.0f} dB apart: uneven for a loop-based style.",
    )
    yield (
        "level",
        10 * _ramp(-analysis.lufs, 28, 45),
        f"Recorded at {analysis.lufs:.0f} LUFS, so its own noise comes up when it is made louder.",
    )
    yield (
        "damage",
        5 + 35 * _ramp(analysis.lost_share, 0.0, 0.3) if analysis.lost_share > 0.001 else 0,
        f"{analysis.lost_share:.1%} of the audio is damaged or missing; copy the file again from its source.",
    )


def _analyse(samples: np.ndarray, lufs: float, peak_dbtp: float, lost_share: float) -> Analysis:
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
        moment_peaks=np.maximum(moments.max(axis=2), -moments.min(axis=2)),
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
    """Minimum statistics: steady noise is what a bin never falls below.

    The 5th percentile of a noise bin's power, which is exponentially distributed, is 0.0513 of its mean.
    """
    hertz = frequencies(_SIZE, _RATE)
    loud_enough = energy > np.percentile(energy, 99) * 1e-6
    high = spectra[loud_enough][:, (hertz > 1500) & (hertz < 9000)]
    floor = float(np.median(np.percentile(high, 5, axis=0))) / 0.0513
    band = (hertz > 100) & (hertz < 9000)
    music = float(spectra[loud_enough].mean(axis=0)[band].sum())
    return 10 * np.log10(music / (floor * band.sum() + 1e-20) + 1e-20)


def _flat_top_share(samples: np.ndarray, moment_peaks: np.ndarray) -> float:
    """Share of samples on plateaus at their channel's peak, looked for in the 5 ms that come near it.

    A plateau is entered or left by a step much larger than those within: a round bass note has none.
    """
    flat = 0
    for channel, peaks in zip(samples, moment_peaks, strict=True):
        peak = float(peaks.max(initial=0.0))
        if peak < 0.05:
            continue
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
        flat += int((last - first + 1)[is_flat].sum())
    return flat / max(1, samples.size)


_HEIGHTS = np.arange(-9.0, 3.01, 0.25)


def _pile(peaks: np.ndarray, power: np.ndarray) -> float:
    """How surely, 0..1, the peaks of 5 ms pile up at one height, as they do at a wall that coding has blurred.

    At a wall, 1 dB holds several times the moments that each dB just below it holds. Repeated notes pile up, too, but
    those moments are equally loud; whatever hits a wall is not. Only a pile beyond all music needs no such witness.
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
        witness = max(_ramp(spread, 1.25, 1.6), _ramp(times[best], 20, 60) * _ramp(spread, 0.5, 0.9))
        surest = max(surest, _ramp(times[best], 2.2, 6) * witness)
    return surest


_AROUND = np.arange(-_RATE // 500, _RATE // 500 + 1)
_MOST_PEAKS = 400


def _blunt_wall(samples: np.ndarray, peaks: np.ndarray, power: np.ndarray) -> float:
    """How many times more the loudness of the highest moments differs than their peaks do, times how blunt these are.

    At a wall that coding has blurred peaks are equally high whatever is played, and broader than the track's peaks of
    half that height. Under a limiter they are more equal still, whence the 0.4 dB, but as sharp as any.
    """
    most = 0.0
    for channel, height, loudness in zip(samples, peaks, decibels(power), strict=True):
        analysis = 1 + np.flatnonzero(height[1:-1] > 0.01 * height.max(initial=0.0))
        if len(analysis) < 200:
            continue
        level = height[analysis]
        high, higher, highest = np.percentile(level, (92, 98, 99.6))
        softer, louder = np.percentile(loudness[analysis[level >= high]], (10, 90))
        differs = (louder - softer) / max(0.4, 2 * decibel(highest / high))
        top, middle = analysis[level >= higher], analysis[(level > 0.4 * higher) & (level < 0.65 * higher)]
        if len(middle) >= 20:
            differs *= (_breadth(channel, top) / _breadth(channel, middle)) ** 3
        most = max(most, float(differs))
    return most


def _breadth(channel: np.ndarray, moments: np.ndarray) -> float:
    """Of the 2 ms around the peaks of some moments: how much of what is above 0.6 of the peak is above 0.8 of it."""
    chosen = moments[np.linspace(0, len(moments) - 1, min(len(moments), _MOST_PEAKS)).astype(int)]
    within = np.abs(channel[chosen[:, None] * _MOMENT + np.arange(_MOMENT)])
    at = chosen * _MOMENT + within.argmax(axis=1)
    around = channel[at[:, None] + _AROUND] / channel[at][:, None]
    return float((around > 0.8).sum() / (around > 0.6).sum())


def _near_peak_share(moment_peaks: np.ndarray) -> float:
    """Share of 10 ms blocks whose peak is within 1.5 dB of the track's top."""
    either = moment_peaks.max(axis=0)
    peaks = either[: len(either) // 2 * 2].reshape(-1, 2).max(axis=1)
    return float((peaks > np.percentile(peaks, 99.5) * 10 ** (-1.5 / 20)).mean())


def _silence(power_db: np.ndarray) -> tuple[float, float]:
    """(share of silent blocks, seconds of the longest gap)."""
    threshold = min(_SILENCE_DB, float(np.percentile(power_db, 95)) + _SILENCE_BELOW_LOUD_DB)
    analysis = np.flatnonzero(np.concatenate(([True], power_db > threshold, [True])))
    return float((power_db <= threshold).mean()), float(np.diff(analysis).max() - 1) / 10


def _bandwidth(spectrum_db: np.ndarray) -> float:
    """The highest frequency, in Hz, that is within 75 dB of the strongest below 4 kHz."""
    hertz = frequencies(_SIZE, _RATE)
    reference = spectrum_db[(hertz > 100) & (hertz < 4000)].max()
    return float(hertz[np.flatnonzero(spectrum_db > reference - 75)[-1]])


def _brick_wall(spectrum_db: np.ndarray) -> float:
    """The frequency, in Hz, of a fall by more than 40 dB within 600 Hz with nothing above it; or 24 kHz.

    The soft low-pass of lofi falls by 9 dB there at most, resamplers and lossy encoders by 60 and more.
    """
    hertz = frequencies(_SIZE, _RATE)
    step = round(600 / hertz[1])
    fall = spectrum_db[:-step] - spectrum_db[step:]
    low, high = np.searchsorted(hertz, (3200, 20800))
    at = int(low) + int(np.argmax(fall[low:high]))
    above = spectrum_db[at + step + 8 : np.searchsorted(hertz, 22500)]
    reference = spectrum_db[(hertz > 100) & (hertz < 4000)].max()
    nothing_above = len(above) > 0 and float(np.median(above)) < reference - 80
    return float(hertz[at + step // 2]) if fall[at] > 40 and nothing_above else _RATE / 2
