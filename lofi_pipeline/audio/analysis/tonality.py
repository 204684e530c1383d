"""Key and mode: how well notes, bass and the first chord of each phrase fit each of 24 keys.

The pitch classes themselves are computed in chroma.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from lofi_pipeline.audio.analysis.chroma import Chroma, share_of_each
from lofi_pipeline.audio.analysis.linear_model import linear_models, shares

TONICS = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")

# J. Albrecht, D. Shanahan: The Use of Large Corpora to Train a New Type of Key-Finding Algorithm.
# Music Perception 31 (2013) 59-67.
_PROFILES = {
    "major": (0.238, 0.006, 0.111, 0.006, 0.137, 0.094, 0.016, 0.214, 0.009, 0.080, 0.008, 0.081),
    "minor": (0.220, 0.006, 0.104, 0.123, 0.019, 0.103, 0.012, 0.214, 0.062, 0.022, 0.061, 0.052),
}
_SCALES = {"major": [0, 2, 4, 5, 7, 9, 11], "minor": [0, 2, 3, 5, 7, 8, 10]}
_BEATS_A_PHRASE, _BEATS_A_CHORD = 16, 4
_EDGE = 0.1
"""Beats on either side of a bar line that are left out, because two chords sound there at once."""

_MOST_CERTAIN = 0.95
"""Upper limit of the confidence: music may have no key or change it, which the fitted model does not know."""


@dataclass(frozen=True)
class Key:
    """Tonic such as "A" or "C#", mode, and confidence 0 to 1: the probability under the fitted model."""

    tonic: str
    mode: Literal["major", "minor"]
    confidence: float


def key_of(chroma: Chroma, bpm: float) -> Key:
    """The key of a piece that begins with a phrase, at a tempo.

    A key profile alone confuses loops with a neighbouring key, most often minor with its relative major, which has the same
    notes. The chord that phrases of four bars begin with separates them. The weights of both are fitted.
    """
    if not chroma.notes.any():
        return Key("C", "major", 0.0)
    chances = shares(linear_models()["key"].score(key_features(chroma, bpm)))
    best = int(np.argmax(chances))
    return Key(TONICS[best % 12], "minor" if best >= 12 else "major", _MOST_CERTAIN * float(chances[best]))


def key_features(chroma: Chroma, bpm: float) -> np.ndarray:
    """Features of each key: float64 [24, 17], twelve major keys from C, then twelve minor.

    Correlation with the profile; shares of the tonic in the bass, of the scale; then of tonic, third, fifth (and the other
    mode's third, the sixth, the seventh) in the first bar of each four, in the opening bar, and over all.
    """
    beats = chroma.seconds * bpm / 60
    in_phrase = beats % _BEATS_A_PHRASE
    first = (in_phrase > _EDGE) & (in_phrase < _BEATS_A_CHORD - 2 * _EDGE)
    opening = beats < max(_BEATS_A_CHORD - 2 * _EDGE, 0.75 * bpm / 60)
    rows = []
    windows = [share_of_each(chroma.notes[part]) for part in (slice(None), first, opening)]
    basses = [share_of_each(chroma.bass[part]) for part in (slice(None), first, opening)]
    for mode, profile in _PROFILES.items():
        third, other, sixth, seventh = (4, 3, 9, 11) if mode == "major" else (3, 4, 8, 10)
        for tonic in range(12):
            notes, home, start = (np.roll(window, -tonic) for window in windows)
            low, home_low, start_low = (window[tonic] for window in basses)
            rows.append(
                [
                    *(_correlation(notes, profile), low, notes[_SCALES[mode]].sum()),
                    *(home[0], home[third], home[7], home_low, home[other]),
                    *(start[0], start[third], start[7], start_low),
                    *(home[sixth], home[seventh], notes[0], notes[third], notes[7]),
                ]
            )
    return np.array(rows)


def _correlation(notes: np.ndarray, profile: tuple[float, ...]) -> float:
    return float(np.corrcoef(notes, profile)[0, 1]) if np.ptp(notes) > 0 else 0.0
