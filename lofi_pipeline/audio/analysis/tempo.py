"""The choice of the tempo among the candidates of rhythm.py: the one in whose bars the music repeats itself.

Without drums the onsets alone are ambiguous: 3/2 or 4/3 of the tempo fit as well. But harmony and loops return after whole
bars. The weights of these features are fitted (benchmarks/fit_analysis.py).
"""

from __future__ import annotations

import numpy as np

from lofi_pipeline.audio.analysis.bands import FRAMES_PER_SECOND
from lofi_pipeline.audio.analysis.linear_model import linear_models, shares
from lofi_pipeline.audio.analysis.recurrence import Curve, Recurrence
from lofi_pipeline.audio.analysis.rhythm import COMB, LEFT_OVER, SLOWEST, USUAL_BPM, Tempo, autocorrelation

METRES = (4, 3)
"""Beats in a bar. Each tempo is tried with each, or a waltz would be measured at 3/4 of its tempo."""
_PHRASES = (1, 2, 4)
"""Distances in bars at which notes and sound repeat."""
_CHANGES = (0.5, 1, 2)
"""Distances in bars at which the harmony changes."""


def weigh(offered: Tempo, strength: np.ndarray, recurrence: Recurrence | None) -> Tempo:
    """The most probable of the tempos that the rhythm suggests, with the others as alternatives.

    `confidence` is how regular the onsets are at that tempo, 0 to 1.
    """
    tempos = np.array([offered.bpm, *offered.alternatives])
    rows = tempo_features(tempos, strength, recurrence)
    if rows is None:
        return offered
    chances = shares(linear_models()["tempo"].score(rows)).reshape(len(tempos), len(METRES)).sum(axis=1)
    order = np.argsort(-chances, kind="stable")
    weights = np.array([weight for _, weight in COMB])
    regular = float(rows[order[0] * len(METRES), : len(COMB)] @ weights / weights.sum())
    others = tuple(float(tempo) for tempo in tempos[order[1 : 1 + LEFT_OVER]])
    return Tempo(float(tempos[order[0]]), float(np.clip(regular, 0, 1)), others)


def tempo_features(
    tempos: np.ndarray, strength: np.ndarray, recurrence: Recurrence | None
) -> np.ndarray | None:
    """Features of each tempo in four and in three: float64 [2 * tempos, 17], row 2 * k the k-th tempo in four.

    Autocorrelation of the onsets at multiples of the beat, squared distance from the usual tempo, whether in three; then
    autocorrelation of notes, of sound and of the changes of harmony at whole bars. None if there are too few onsets.
    """
    longest = 16 * 60 / SLOWEST
    similarity = autocorrelation(strength, int(longest * FRAMES_PER_SECOND) + 8)
    if similarity is None or recurrence is None:
        return None
    onsets = Curve(similarity, FRAMES_PER_SECOND)
    rows = []
    for tempo in tempos:
        beat = 60 / tempo
        regular = onsets.at(np.array([multiple for multiple, _ in COMB]) * beat)
        unusual = float(np.log2(tempo / USUAL_BPM) ** 2)
        for metre in METRES:
            bar = metre * beat
            rows.append(
                [
                    *(*regular, -unusual, float(metre == 3)),
                    *recurrence.notes.at(np.array(_PHRASES) * bar),
                    *recurrence.sound.at(np.array(_PHRASES) * bar),
                    *recurrence.changes.at(np.array(_CHANGES) * bar),
                ]
            )
    return np.array(rows)
