"""Which styles a track might be, from what was measured in it, when nobody declared any.

A rule of thumb, not a trained classifier: each preset stands for an expected tempo, mode, brightness and density of onsets,
and the confidences are the shares of a flat prior over the presets (naive Bayes). With four coarse measurements and some
thirty presets they are small, and that is the truth: whoever stores a suggestion marks it as not verified.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from lofi_pipeline.entities import StyleCategory, StylePreset, TrackMeasurements
from lofi_pipeline.styles.mood import EVEN, expected_minor
from lofi_pipeline.styles.tempo import fold_tempo

USUAL_BRIGHTNESS_HZ = 1500.0
BRIGHTNESS_OCTAVES = {
    "muted highs": -0.6,
    "low-pass filtered": -0.5,
    "no drums": -0.3,
    "mono warmth": -0.2,
    "warm analog": -0.1,
    "vinyl crackle": 0.2,
    "tape hiss": 0.2,
    "bit crushed": 0.4,
    "synth lead": 0.3,
    "bells": 0.3,
    "celesta": 0.3,
    "music box": 0.3,
    "shaker": 0.3,
    "drum machine": 0.2,
}
USUAL_ONSETS = 3.0
ONSETS_A_SECOND = {
    "no drums": 1.5,
    "half-time drums": 2.2,
    "soft percussion": 2.5,
    "brushed drums": 3.2,
    "boom bap drums": 3.6,
    "shaker": 4.0,
    "drum machine": 4.0,
}
USUAL_TEMPO = 80.0

# Standard deviations, in octaves: how far off a track of the style may well be
TEMPO_SPREAD = 0.06
BRIGHTNESS_SPREAD = 0.7
ONSET_SPREAD = 0.5
FARTHEST = 3.0
"""Spreads after which being further off says no more, so that one odd measurement does not decide alone."""


@dataclass(frozen=True)
class Suggestion:
    """A style that a track might have. Confidence is a share, 0 to 1; those of all suggestions add up to 1."""

    style_id: str
    confidence: float


def suggest(measurements: TrackMeasurements, presets: Mapping[str, StylePreset]) -> list[Suggestion]:
    """The presets by how well they fit the measurements, best first; equal ones by id.

    Vocal presets are never suggested: no measurement here hears a voice.
    """
    audible = [preset for preset in presets.values() if preset.category is not StyleCategory.VOCAL]
    scores = {preset.style_id: _log_fit(measurements, preset) for preset in audible}
    best = max(scores.values(), default=0.0)
    weights = {style_id: math.exp(score - best) for style_id, score in scores.items()}
    total = math.fsum(weights.values())
    ranked = sorted(weights, key=lambda style_id: (-weights[style_id], style_id))
    return [Suggestion(style_id, weights[style_id] / total) for style_id in ranked]


def _log_fit(measurements: TrackMeasurements, preset: StylePreset) -> float:
    """Logarithm of the likelihood of the measurements under a preset, up to a constant."""
    return (
        measurements.tempo_confidence
        * _normal(_octaves_outside(measurements.tempo_bpm, preset), TEMPO_SPREAD)
        + _mode_fit(measurements, preset)
        + _normal(
            _octaves(measurements.brightness_hz, expected_brightness(preset)),
            BRIGHTNESS_SPREAD,
        )
        + _normal(_octaves(measurements.onset_density, expected_onsets(preset)), ONSET_SPREAD)
    )


def expected_brightness(preset: StylePreset) -> float:
    """Mean spectral centroid one would expect of a preset, in Hz."""
    shifts = (BRIGHTNESS_OCTAVES.get(tag, 0.0) for tag in (*preset.production, *preset.instruments))
    return USUAL_BRIGHTNESS_HZ * 2 ** sum(shifts)


def expected_onsets(preset: StylePreset) -> float:
    """Onsets a second one would expect of a preset: by its drums, and in proportion to its tempo."""
    tags = (*preset.production, *preset.instruments)
    a_second = next((onsets for tag, onsets in ONSETS_A_SECOND.items() if tag in tags), USUAL_ONSETS)
    return a_second * sum(preset.tempo_range) / 2 / USUAL_TEMPO


def _octaves_outside(bpm: float, preset: StylePreset) -> float:
    folded = fold_tempo(bpm, preset.tempo_range)
    low, high = preset.tempo_range
    return max(0.0, _octaves(low, folded), _octaves(folded, high))


def _mode_fit(measurements: TrackMeasurements, preset: StylePreset) -> float:
    minor = expected_minor(preset.mood_options)
    share = minor if measurements.mode == "minor" else 1 - minor
    return math.log(EVEN + measurements.key_confidence * (share - EVEN))


def _octaves(value: float, expected: float) -> float:
    return math.log2(max(value, 1e-3) / expected)


def _normal(distance: float, spread: float) -> float:
    return -0.5 * min(abs(distance) / spread, FARTHEST) ** 2
