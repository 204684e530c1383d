"""Whether a track is one part of a recording alone, as it comes out of a separation or a multitrack: drums, a bass, or a melody.

Measured on pieces of all presets and on single instruments, as lofi_pipeline.demo plays them: the share of tones is 0.59 and
more in 57 pieces, 0.64 and more in solos without words, 0.04 and less in 13 of 14 drum parts (bongos hold tones); above 300 Hz
lie -13.4 dB of the power and more, of bass lines -17 to -42. The limits leave a wide margin to the music, so some parts pass. A melody
is told by its notes, one at a time (single_line.py); how well is in docs/analysis.md.
"""

from __future__ import annotations

import numpy as np

from lofi_pipeline.audio.analysis.single_line import single_line
from lofi_pipeline.audio.analysis.spectrum import frequencies, magnitudes
from lofi_pipeline.audio.filters import moving_median
from lofi_pipeline.entities import QualityPart

STEM = "stem"
"""The name of the part of a quality report that marks such a track."""
_RATE, _SIZE, _HOP = 22_050, 4096, 2048
_MOST_FRAMES = 400
_TONES_HZ = 250, 4000
_STANDS_OUT = 20.0
"""Times as much power as the bins around it."""
_AROUND = 25
_FEWEST_TONES = 0.1
_LOW_HZ, _BASS_HZ = 150, 300
_LEAST_ABOVE_BASS = 0.01
_BENEATH_HZ, _MOST_BENEATH = 75, 0.003
"""No kick and no bass: hardly any power lies as low as this."""
_LEAST_ALONE = 0.75
_FEWEST_NOTES, _WIDEST_RANGE = 5, 19
"""Of a melody; a drone has fewer notes, a bass beneath it makes the range wider."""


def stem_of(mono: np.ndarray) -> QualityPart | None:
    """The mark of one part alone in float32 [n] at 22.05 kHz; None for music."""
    power = np.square(magnitudes(mono, _SIZE, _HOP), dtype=np.float64)
    hertz = frequencies(_SIZE, _RATE)
    tones = power[:, (hertz > _TONES_HZ[0]) & (hertz < _TONES_HZ[1])]
    by_bin = power.sum(axis=0)
    low, high = by_bin[hertz < _LOW_HZ].sum(), by_bin[hertz > _BASS_HZ].sum()
    if high < _LEAST_ABOVE_BASS * by_bin.sum() and low > by_bin.sum() / 2:
        what = "There is hardly anything but bass"
    elif _is_line(power, hertz):
        what = "One note sounds at a time, as if a voice or a melody were alone"
    elif tone_share(tones) < _FEWEST_TONES:
        what = "No tone is held, as if drums, speech or noise were alone"
    else:
        return None
    return QualityPart(
        name=STEM,
        penalty=0,
        sentence=f'{what}: one part of a recording. If it is meant to be trained on, set "stems": true for it in source.json.',
    )


def _is_line(power: np.ndarray, hertz: np.ndarray) -> bool:
    by_bin = power.sum(axis=0)
    if by_bin[hertz < _BENEATH_HZ].sum() > _MOST_BENEATH * by_bin.sum():
        return False
    line = single_line(power, hertz)
    return line.share > _LEAST_ALONE and line.notes >= _FEWEST_NOTES and line.semitones <= _WIDEST_RANGE


def tone_share(power: np.ndarray) -> float:
    """The share of the power, float64 [frames, bins], in bins that stand out from those around them in two frames running.

    That of the most tonal tenth of the audible frames; 0 to 1.
    """
    total = power.sum(axis=1)
    audible = np.flatnonzero(total[1:] > np.percentile(total, 95) * 1e-4)
    if not len(audible):
        return 1.0
    chosen = audible[np.linspace(0, len(audible) - 1, min(len(audible), _MOST_FRAMES)).astype(int)]
    held = _stands_out(power[chosen]) & _stands_out(power[chosen + 1])
    shares = (power[chosen + 1] * held).sum(axis=1) / total[chosen + 1]
    return float(np.percentile(shares, 90))


def _stands_out(power: np.ndarray) -> np.ndarray:
    return power > _STANDS_OUT * moving_median(power, size=(1, _AROUND))
