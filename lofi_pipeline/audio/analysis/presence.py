"""Probabilities, from the timbre, that there is a voice, drums, vinyl crackle, rain or noise.

The models are fitted on this project's synthetic loops (benchmarks/fit_analysis.py, measured in docs/analysis.md), whose voices
are vowels without words. On other music they are unreliable, so nothing is refused because of them.
The features follow what is known to work for voices and noise in general: level, spread and movement of mel bands over time
(B. Lehner, R. Sonnleitner, G. Widmer: Towards Light-Weight, Real-Time-Capable Singing Voice Detection. ISMIR 2013).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lofi_pipeline.audio.analysis.beats import pulse
from lofi_pipeline.audio.analysis.linear_model import linear_models
from lofi_pipeline.audio.analysis.timbre import timbre


@dataclass(frozen=True)
class Presence:
    """Probabilities, 0 to 1."""

    voice: float
    drums: float
    crackle: float
    rain: float
    noise: float


def presence_of(features: np.ndarray) -> Presence:
    """The probabilities for a row of `presence_features`."""
    scores = linear_models()
    return Presence(*(scores[name].probability(features) for name in Presence.__dataclass_fields__))


def presence_features(
    mono: np.ndarray, spectra: np.ndarray, bands: np.ndarray, grown: np.ndarray, bpm: float
) -> np.ndarray:
    """The timbre, then how concentrated the onsets are within the beat (`pulse`): float64 [numbers]."""
    return np.concatenate([timbre(mono, spectra, bands, grown), pulse(grown, bpm)])
