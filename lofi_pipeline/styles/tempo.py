"""Tempo tags: a measured tempo, moved by octaves into the range of a style."""

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


def tempo_tag(bpm: float) -> str:
    """The tag of a tempo, rounded to whole beats per minute."""
    return f"{round(bpm)} bpm"


SURE_OF_TEMPO, SURE_OF_TEMPO_IN_RANGE = 0.5, 0.05
"""Confidence of the tempo from which a prompt says it: alone, and where it lies in the range of a style that is known."""


def tempo_support(measurements: TrackMeasurements, tempo_range: tuple[int, int] | None) -> float | None:
    """How surely the tempo is that which was measured, or None if a prompt should not say it."""
    return None
