"""The timbre of a track as a row of numbers: levels, floors and variation by band, clicks, hiss, modulation.

The numbers do not depend on level and hardly on tempo or key. Voices, drums and noise are recognised by them in presence.py,
styles in styles/.
"""

from __future__ import annotations

import numpy as np

from lofi_pipeline.audio.analysis.bands import BANDS, FRAMES_PER_SECOND, RATE
from lofi_pipeline.audio.analysis.spectrum import frequencies, magnitudes
from lofi_pipeline.audio.filters import moving_mean

_SIZE = 2048
_GROUPS = 20
_WIDE = ((0, 4), (4, 10), (10, 18), (18, 28), (28, BANDS))
"""Band ranges in which modulation is measured: about 30-250, 250-800, 800-2000, 2000-4500, 4500-10000 Hz."""
_MODULATIONS = ((0.5, 2.0), (2.0, 4.5), (4.5, 7.0), (7.0, 14.0), (14.0, 30.0))
"""Hz: beats, syllables, vibrato and tremolo, chirping, roughness."""
_CLICK_BLOCK = 22
_CLICK_RATIOS = (3.0, 5.0, 9.0)


def timbre(mono: np.ndarray, spectra: np.ndarray, bands: np.ndarray, grown: np.ndarray) -> np.ndarray:
    """float64 [NUMBERS] of float32 [n] at 22.05 kHz, its `coarse_spectra`, its log bands and their growth.

    By twentieths of the mel scale: mean level, 10 % quantile (the floor), standard deviation, mean increase and its 98 %
    quantile (attacks). Then modulation by wide band and rate, clicks a second, and the noisiness of the quietest moments
    above 1, 2 and 4 kHz.
    """
    pairs = bands.reshape(len(bands), _GROUPS, -1).mean(axis=2)
    struck = grown.reshape(len(grown), _GROUPS, -1).mean(axis=2)
    return np.concatenate(
        [
            pairs.mean(axis=0),
            np.quantile(pairs, 0.1, axis=0),
            pairs.std(axis=0),
            10 * struck.mean(axis=0),
            np.quantile(struck, 0.98, axis=0),
            modulation(bands).ravel(),
            np.log1p(clicks_per_second(mono)),
            noisiness(spectra),
        ]
    ).astype(np.float64)


NUMBERS = 5 * _GROUPS + len(_WIDE) * len(_MODULATIONS) + len(_CLICK_RATIOS) + 3


def modulation(bands: np.ndarray) -> np.ndarray:
    """Modulation of five wide bands at five rates, as logarithms: float64 [5, 5]."""
    wide = np.stack([bands[:, low:high].mean(axis=1) for low, high in _WIDE], axis=1).astype(np.float64)
    wide -= wide.mean(axis=0)
    power = np.square(np.abs(np.fft.rfft(wide, axis=0))) / max(1, len(wide)) ** 2
    hertz = np.fft.rfftfreq(len(wide), 1 / FRAMES_PER_SECOND)
    rows = [power[(hertz >= low) & (hertz < high)].sum(axis=0) for low, high in _MODULATIONS]
    return 0.5 * np.log(np.stack(rows, axis=1) + 1e-6)


def clicks_per_second(mono: np.ndarray) -> np.ndarray:
    """Impulses shorter than 2 ms that exceed the signal 3 to 8 ms around them by 3, 5 and 9 times: float64 [3] per second.

    A drum or a plucked string begins as suddenly but lasts longer than 3 ms; the click of a record does not.
    """
    sharp = np.diff(mono, n=2)
    count = len(sharp) // _CLICK_BLOCK
    if count < 20:
        return np.zeros(len(_CLICK_RATIOS))
    peaks = np.abs(sharp[: count * _CLICK_BLOCK]).reshape(count, _CLICK_BLOCK).max(axis=1)
    around = moving_mean(peaks, 6, mode="nearest")
    louder = np.maximum(np.roll(around, 6), np.roll(around, -5)) + 1e-4 * float(peaks.max()) + 1e-9
    top = (peaks >= np.roll(peaks, 1)) & (peaks > np.roll(peaks, -1))
    seconds = count * _CLICK_BLOCK / RATE
    return np.array([float((top & (peaks > ratio * louder)).sum()) / seconds for ratio in _CLICK_RATIOS])


def coarse_spectra(mono: np.ndarray) -> np.ndarray:
    """Magnitudes of adjacent frames of float32 [n] at 22.05 kHz: float32 [frames, 1025]."""
    return magnitudes(mono, _SIZE, _SIZE)


def brightness(spectra: np.ndarray) -> float:
    """Mean spectral centroid in Hz of `coarse_spectra`, silent frames left out."""
    weight = spectra.sum(axis=1)
    audible = weight > 1e-3 * weight.max(initial=0.0)
    if not audible.any():
        return 0.0
    centroids = spectra[audible] @ frequencies(_SIZE, RATE).astype(np.float32) / weight[audible]
    return float(centroids.mean())


def noisiness(spectra: np.ndarray) -> np.ndarray:
    """Spectral flatness of the quietest tenth of the frames above 1, 2 and 4 kHz: float64 [3] from 0 (tone) to 1 (noise)."""
    power = np.square(spectra) + 1e-12
    result = []
    for low, high in ((1000, 2000), (2000, 4000), (4000, 9000)):
        part = power[:, round(low * _SIZE / RATE) : round(high * _SIZE / RATE)]
        level = part.mean(axis=1)
        quiet = part[level <= np.quantile(level, 0.1)]
        result.append(np.exp(np.log(quiet).mean(axis=1)).mean() / quiet.mean(axis=1).mean())
    return np.array(result)
