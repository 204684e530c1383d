"""The quality score of a track, 0 to 100, for lofi: hiss, crackle and a soft low-pass are style, not faults.

The score is 100 less the penalties of its parts. Each part looks at one fault with two thresholds: no penalty up to the
first, the full penalty from the second on, a straight line in between. The measurements are in faults.py.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lofi_pipeline.audio.analysis.faults import (
    Analysis,
    analyse,
    blunt_wall,
    brick_wall,
    highest_frequency,
    near_peak_share,
    pile_up,
    ramp,
    silence,
)
from lofi_pipeline.audio.mastering.loudness import loudness_range
from lofi_pipeline.entities import QualityPart, QualityReport

_LOSSY_FROM = 12_000
"""Hz. Lossy encoders cut off above this; there, a click above the cut-off means that nothing was cut off."""


def score(samples: np.ndarray, *, lufs: float, peak_dbtp: float, lost_share: float) -> QualityReport:
    """Score float32 [2, n] at 48 kHz of known loudness and true peak.

    Args:
        lost_share: the share of the file that is damaged or missing, 0 to 1.
    """
    analysis = analyse(samples, lufs=lufs, peak_dbtp=peak_dbtp, lost_share=lost_share)
    parts = []
    for name, judge in PARTS.items():
        penalty, sentence = judge(analysis)
        if penalty >= 0.05:
            parts.append(QualityPart(name=name, penalty=round(float(penalty), 1), sentence=sentence))
    total = sum(part.penalty for part in parts)
    return QualityReport(
        score=round(max(0.0, 100.0 - total)), parts=sorted(parts, key=lambda part: -part.penalty)
    )


def _clipping_penalty(flat: float) -> float:
    return 25 * ramp(np.log10(max(flat, 1e-9)), -4.5, -1.0)


def _clipping(analysis: Analysis) -> tuple[float, str]:
    flat = analysis.flat_top_share
    sentence = f"{flat:.3%} of the samples sit on flat tops: it is clipped; look for an unclipped master."
    return _clipping_penalty(flat), sentence


def _rounded_clipping(analysis: Analysis) -> tuple[float, str]:
    """What the penalty for flat tops does not already cover."""
    rounded = max(
        pile_up(analysis.moment_peaks, analysis.moment_power),
        ramp(blunt_wall(analysis.samples, analysis.moment_peaks, analysis.moment_power), 15, 25),
    )
    return (
        max(0.0, 15 * rounded - _clipping_penalty(analysis.flat_top_share)),
        "Peaks pile up at one level whatever is played: it was clipped, then coded or filtered; look for an unclipped"
        " master.",
    )


def _squashed_peaks(analysis: Analysis) -> tuple[float, str]:
    near = near_peak_share(analysis.moment_peaks)
    sentence = f"{near:.0%} of the moments reach the same peak: heavily limited or clipped; look for the mix."
    return 10 * ramp(near, 0.3, 0.7), sentence


def _overs(analysis: Analysis) -> tuple[float, str]:
    over = float((np.abs(analysis.samples) > 1.0).mean()) if analysis.peak_dbtp > 0 else 0.0
    sentence = f"{over:.3%} of the samples exceed full scale; export again with some headroom."
    return 10 * ramp(np.log10(max(over, 1e-9)), -5.0, -3.0), sentence


def _silence(analysis: Analysis) -> tuple[float, str]:
    silent, gap = silence(analysis.power_db)
    sentence = f"{silent:.0%} of the track is silent, the longest gap lasts {gap:.1f} s; trim it."
    return 25 * ramp(silent, 0.05, 0.4) + 10 * ramp(gap, 3, 10), sentence


def _noise(analysis: Analysis) -> tuple[float, str]:
    snr = analysis.floor_snr_db
    sentence = f"Steady noise lies only {snr:.0f} dB below the music, more than hiss; denoise it."
    return 20 * ramp(-snr, -20, -6), sentence


def _dc_offset(analysis: Analysis) -> tuple[float, str]:
    offset = float(np.abs(analysis.samples.mean(axis=1)).max())
    sentence = f"The waveform is off centre by {offset:.1%} of full scale; apply a high-pass at 20 Hz."
    return 10 * ramp(offset, 0.003, 0.03), sentence


def _bandwidth(analysis: Analysis) -> tuple[float, str]:
    top = highest_frequency(analysis.spectrum_db)
    return 25 * ramp(-top, -6000, -2500), f"There is nothing above {top:.0f} Hz; find a fuller source."


def _upsampled(analysis: Analysis) -> tuple[float, str]:
    wall, usual = brick_wall(analysis.spectrum_db), brick_wall(analysis.usual_spectrum_db)
    wall = min(wall, usual) if usual < _LOSSY_FROM else wall
    return (
        25 * ramp(-wall, -13000, -7000) + (5 if wall < 16500 else 0),
        f"The spectrum ends in a wall at {wall:.0f} Hz: upsampled, or a low bit rate; find the original.",
    )


def _phase(analysis: Analysis) -> tuple[float, str]:
    return (
        35 * ramp(-analysis.correlation, 0.05, 0.6),
        f"Left and right cancel out (correlation {analysis.correlation:.2f}); turn one channel's polarity.",
    )


def _mono(analysis: Analysis) -> tuple[float, str]:
    sentence = "Both channels are the same: mono; a stereo version would teach more."
    return 4 if analysis.side_db < -55 else 0, sentence


def _balance(analysis: Analysis) -> tuple[float, str]:
    louder = "left" if analysis.balance_db > 0 else "right"
    difference = abs(analysis.balance_db)
    return 25 * ramp(difference, 3, 12), f"The {louder} side is {difference:.0f} dB louder."


def _crushed_dynamics(analysis: Analysis) -> tuple[float, str]:
    crest = analysis.peak_dbtp - analysis.lufs
    sentence = f"Peaks stand only {crest:.1f} dB above the loudness: compressed to death; look for the mix."
    return 10 * ramp(-crest, -7.5, -4.5), sentence


def _loudness_range(analysis: Analysis) -> tuple[float, str]:
    spread = loudness_range(10 ** (analysis.power_db / 10))
    sentence = f"Loud and quiet passages are {spread:.0f} dB apart: uneven for a loop-based style."
    return 8 * ramp(spread, 18, 28), sentence


def _level(analysis: Analysis) -> tuple[float, str]:
    sentence = f"Recorded at {analysis.lufs:.0f} LUFS, so its own noise comes up when it is made louder."
    return 10 * ramp(-analysis.lufs, 28, 45), sentence


def _damage(analysis: Analysis) -> tuple[float, str]:
    lost = analysis.lost_share
    sentence = f"{lost:.1%} of the audio is damaged or missing; copy the file again from its source."
    return 5 + 35 * ramp(lost, 0.0, 0.3) if lost > 0.001 else 0, sentence


PARTS: dict[str, Callable[[Analysis], tuple[float, str]]] = {
    "clipping": _clipping,
    "rounded clipping": _rounded_clipping,
    "squashed peaks": _squashed_peaks,
    "overs": _overs,
    "silence": _silence,
    "noise": _noise,
    "dc offset": _dc_offset,
    "bandwidth": _bandwidth,
    "upsampled": _upsampled,
    "phase": _phase,
    "mono": _mono,
    "balance": _balance,
    "crushed dynamics": _crushed_dynamics,
    "loudness range": _loudness_range,
    "level": _level,
    "damage": _damage,
}
"""The parts by name; each gives its penalty and the sentence for people. Equal penalties are reported in this order."""
