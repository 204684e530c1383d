"""Suggestion of styles for a track without a declared one, from its measurements.

Two estimates are blended. The references compare the timbre with that of the 38 styles as this project's synthesizer plays them
(references.py). The prior is for tracks that are unlike all of these: a naive Bayes classifier with uniform class probabilities
over the tempo, mode, brightness, onset density, drums, voice, crackle and rain that one expects of each preset. Its confidence
is low, as it should be. The answers of a text-audio model may be added to both (zero_shot.py). How reliable the confidence is
was measured in docs/analysis.md; below SURE_ENOUGH a person should review the style.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lofi_pipeline.entities import StylePreset, TrackMeasurements
from lofi_pipeline.styles.contradiction import DRUM_INSTRUMENTS, NEEDS_RAIN
from lofi_pipeline.styles.mood import EVEN, expected_minor
from lofi_pipeline.styles.prompt import INSTRUMENTAL, WITHOUT_WORDS
from lofi_pipeline.styles.references import load_references
from lofi_pipeline.styles.tempo import fold_tempo

SURE_ENOUGH = 0.6
"""Confidence from which a suggestion needs no review."""

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

# Standard deviations of tracks of one style, in octaves
TEMPO_SPREAD = 0.06
BRIGHTNESS_SPREAD = 0.7
ONSET_SPREAD = 0.5
UNLIKELY_VOICE = 0.05
"""The probability of a voice where none was measured."""
DOUBT = 0.1
"""Measured probabilities are moved into the range from this to 1 less this."""
ZERO_SHOT_WEIGHT, ZERO_SHOT_WEIGHT_OF_PRIOR = 1.0, 0.5
"""Log odds for a style of one standard deviation in a text-audio model's answers. It is less for the prior: music that is unlike
all references is unfamiliar to the model too, and its certainty would only keep such tracks from review."""
FARTHEST = 3.0
"""Standard deviations beyond which a distance counts no more, so that one odd measurement does not decide alone."""


@dataclass(frozen=True)
class Suggestion:
    """A style that a track might have. The confidences (0 to 1) of all suggestions add up to 1."""

    style_id: str
    confidence: float


def suggest(
    measurements: TrackMeasurements,
    presets: Mapping[str, StylePreset],
    zero_shot: Mapping[str, float] | None = None,
) -> list[Suggestion]:
    """The presets by how well they fit, best first; equal ones by id.

    `zero_shot`: by style id, how much better it fits than others by a text-audio model, in standard deviations (`standouts`).
    """
    listed = [presets[style_id] for style_id in sorted(presets)]
    if not listed:
        return []
    standouts = np.array([(zero_shot or {}).get(preset.style_id, 0.0) for preset in listed])
    prior = _shares(
        np.array([_log_fit(measurements, preset) for preset in listed])
        + ZERO_SHOT_WEIGHT_OF_PRIOR * standouts
    )
    blended, trust = prior, 0.0
    known = [index for index, preset in enumerate(listed) if load_references().knows(preset)]
    if known and len(measurements.timbre) == len(load_references().mean):
        sound, trust = _by_sound(measurements, [listed[index] for index in known], standouts[known])
        blended = (1 - trust) * prior
        blended[known] += trust * sound
    order = sorted(range(len(listed)), key=lambda index: (-blended[index], listed[index].style_id))
    return [Suggestion(listed[index].style_id, float(blended[index])) for index in order]


def needs_review(suggestion: Suggestion) -> bool:
    """Whether a person should review a suggested style."""
    return suggestion.confidence < SURE_ENOUGH


def suggest_for(
    measurements: TrackMeasurements,
    presets: Mapping[str, StylePreset],
    *,
    vocals: bool | None,
    zero_shot: Mapping[str, float] | None = None,
) -> tuple[Suggestion, bool]:
    """The style for a track without a declared one, and whether a person should review it.

    `vocals`: whether somebody sings, as declared or as lyrics show; None if unknown. A style with a voice is not chosen where
    nobody sings, nor one with words where it is unknown whether there are any: then the next style is, and needs review.
    """
    ranked = suggest(measurements, presets, zero_shot)
    for found in ranked:
        voice = presets[found.style_id].vocal_type or INSTRUMENTAL
        silent = voice == INSTRUMENTAL
        if silent or (vocals is not False and (vocals is True or voice in WITHOUT_WORDS)):
            return found, found is not ranked[0] or needs_review(found)
    return ranked[0], True


def _by_sound(
    measurements: TrackMeasurements, presets: list[StylePreset], standouts: np.ndarray
) -> tuple[np.ndarray, float]:
    """Shares of the presets by the references, tempo, mode and zero-shot answers, float64 [presets]; and the weight of this
    estimate against the prior.
    """
    references = load_references()
    away = references.distances(np.array(measurements.timbre), [preset.style_id for preset in presets])
    rest = [_tempo_fit(measurements, preset) + _mode_fit(measurements, preset) for preset in presets]
    scores = -references.sharpness * away + np.array(rest) + ZERO_SHOT_WEIGHT * standouts
    return _shares(scores), references.trust(float(away.min()))


def _shares(scores: np.ndarray) -> np.ndarray:
    weights = np.exp(scores - scores.max())
    return weights / weights.sum()


def _log_fit(measurements: TrackMeasurements, preset: StylePreset) -> float:
    """Logarithm of the likelihood of the measurements under a preset, up to a constant."""
    sings = preset.vocal_type not in (None, INSTRUMENTAL)
    voice = measurements.voice if measurements.voice is not None else UNLIKELY_VOICE
    drums = "no drums" not in preset.production and bool(DRUM_INSTRUMENTS.intersection(preset.instruments))
    return (
        _tempo_fit(measurements, preset)
        + _presence_fit(voice, sings)
        + _presence_fit(measurements.drums, drums)
        + _presence_fit(measurements.crackle, "vinyl crackle" in preset.production)
        + _presence_fit(measurements.rain, preset.atmosphere in NEEDS_RAIN)
        + _mode_fit(measurements, preset)
        + _normal(
            _octaves(measurements.brightness_hz, expected_brightness(preset)),
            BRIGHTNESS_SPREAD,
        )
        + _normal(_octaves(measurements.onset_density, expected_onsets(preset)), ONSET_SPREAD)
    )


def expected_brightness(preset: StylePreset) -> float:
    """The expected mean spectral centroid of a preset, in Hz."""
    shifts = (BRIGHTNESS_OCTAVES.get(tag, 0.0) for tag in (*preset.production, *preset.instruments))
    return USUAL_BRIGHTNESS_HZ * 2 ** sum(shifts)


def expected_onsets(preset: StylePreset) -> float:
    """The expected onsets a second of a preset: by its drums, and in proportion to its tempo."""
    tags = (*preset.production, *preset.instruments)
    a_second = next((onsets for tag, onsets in ONSETS_A_SECOND.items() if tag in tags), USUAL_ONSETS)
    return a_second * sum(preset.tempo_range) / 2 / USUAL_TEMPO


def _tempo_fit(measurements: TrackMeasurements, preset: StylePreset) -> float:
    outside = _octaves_outside(measurements.tempo_bpm, preset)
    return measurements.tempo_confidence * _normal(outside, TEMPO_SPREAD)


def _presence_fit(probability: float | None, expected: bool) -> float:
    """Log probability that something is present or absent as expected; 0 when it was not measured."""
    if probability is None:
        return 0.0
    believed = DOUBT + (1 - 2 * DOUBT) * probability
    return math.log(believed if expected else 1 - believed)


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
