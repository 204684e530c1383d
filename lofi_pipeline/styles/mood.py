"""Moods and modes: the share of music of a mood that one would expect to be in minor.

The table follows common practice, not measurements. It only orders options; it never adds or refuses one.
"""

from __future__ import annotations

from collections.abc import Sequence

from lofi_pipeline.entities import TrackMeasurements

EXPECTED_MINOR = {
    "sad": 0.9,
    "lonely": 0.85,
    "melancholic": 0.85,
    "mysterious": 0.8,
    "bittersweet": 0.65,
    "nostalgic": 0.6,
    "mellow": 0.55,
    "focused": 0.5,
    "groovy": 0.5,
    "soulful": 0.5,
    "chill": 0.5,
    "dreamy": 0.45,
    "sleepy": 0.45,
    "calm": 0.4,
    "romantic": 0.4,
    "relaxing": 0.35,
    "peaceful": 0.35,
    "cozy": 0.3,
    "warm": 0.3,
    "hopeful": 0.25,
    "playful": 0.2,
    "uplifting": 0.15,
    "festive": 0.15,
    "happy": 0.1,
}
EVEN = 0.5
SURE_OF_KEY = 0.5


def expected_minor(moods: Sequence[str]) -> float:
    """Mean expected share of minor over some moods, 0 to 1; a mood not in the table counts as even."""
    return sum(EXPECTED_MINOR.get(mood, EVEN) for mood in moods) / len(moods) if moods else EVEN


def moods_that_fit(moods: Sequence[str], measurements: TrackMeasurements) -> list[str]:
    """The moods that fit the measured mode; all of them if the mode is uncertain or no mood would be left."""
    if measurements.key_confidence < SURE_OF_KEY:
        return list(moods)
    minor = measurements.mode == "minor"
    shares = {mood: EXPECTED_MINOR.get(mood, EVEN) for mood in moods}
    return [mood for mood in moods if (shares[mood] >= EVEN if minor else shares[mood] <= EVEN)] or list(
        moods
    )
