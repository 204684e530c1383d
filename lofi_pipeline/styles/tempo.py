"""Tempo tags: a measured tempo, moved by octaves into the range of a style, and whether it is sure enough to be said."""

from __future__ import annotations

import math

from lofi_pipeline.entities import TrackMeasurements

TEMPO_TAG_RANGE = (50, 200)
"""The whole beats per minute that the vocabulary has tags for."""


def fold_tempo(bpm: float, tempo_range: tuple[int, int]) -> float:
    """`bpm` times the power of two that lies in `tempo_range`; else the octave nearest to the range's middle.

    The result is always one that a tempo tag exists for. Octaves are compared on a logarithmic scale.

    Raises:
        ValueError: not a positive, finite tempo.
    """
    if not (math.isfinite(bpm) and bpm > 0):
        raise ValueError(f"a tempo must be positive and finite, not {bpm}")
    low, high = tempo_range
    middle = (low + high) / 2
    nearest = round(math.log2(middle / bpm))
    octaves = [math.ldexp(bpm, nearest + step) for step in (-1, 0, 1)]
    tagged = [octave for octave in octaves if TEMPO_TAG_RANGE[0] <= round(octave) <= TEMPO_TAG_RANGE[1]]
    return min(
        tagged,
        key=lambda octave: (not low <= octave <= high, abs(math.log2(octave / middle))),
    )


def as_tagged(bpm: float) -> float:
    """A tempo as it was measured; the next octave of one that there is no tag for."""
    low, high = TEMPO_TAG_RANGE
    return bpm if low <= round(bpm) <= high else fold_tempo(bpm, (low, 2 * low))


def tempo_tag(bpm: float) -> str:
    """The tag of a tempo, rounded to whole beats per minute."""
    return f"{round(bpm)} bpm"


SURE_OF_TEMPO, STEADY, ON_BEATS = 0.6, 0.995, 0.5
"""From which `tempo_confidence`, `beat_steadiness` and `beat_confidence` a prompt says the tempo, whatever the style."""
SURE_IN_RANGE, STEADY_IN_RANGE = 0.05, 0.8
"""From which it says one that lies in the range of a style that is known: two things say so then."""
NEARLY = 1.02
"""Outside of the range by no more than this is within it."""


def tempo_support(measurements: TrackMeasurements, tempo_range: tuple[int, int] | None) -> float | None:
    """The confidence of the tempo, or None if it is too small for a prompt. `tempo_range`: of the style, if that is known."""
    sure, steady = measurements.tempo_confidence, measurements.beat_steadiness
    alone = sure >= SURE_OF_TEMPO and steady >= STEADY and measurements.beat_confidence >= ON_BEATS
    if tempo_range is not None:
        low, high = tempo_range
        folded = fold_tempo(measurements.tempo_bpm, tempo_range)
        fits = low / NEARLY <= folded <= high * NEARLY
        with_style = sure >= SURE_IN_RANGE and steady >= STEADY_IN_RANGE
        return sure if alone or (fits and with_style) else None
    return sure if alone else None
