"""The choice of the tempo among the candidates of rhythm.py: the one in whose bars the music repeats itself.

Without drums the onsets alone are ambiguous: 3/2 or 4/3 of the tempo fit as well. But harmony and loops return after whole
bars. The weights of these features are fitted (benchmarks/fit_analysis.py).
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import uniform_filter1d

from lofi_pipeline.audio.analysis.bands import FRAMES_PER_SECOND
from lofi_pipeline.audio.analysis.chroma import Chroma, harmony_changes
from lofi_pipeline.audio.analysis.linear_model import linear_models, shares
from lofi_pipeline.audio.analysis.rhythm import COMB, SLOWEST, USUAL_BPM, Tempo, autocorrelation
from lofi_pipeline.audio.analysis.spectrum import fft_size, signal_of, spectrum_of

METRES = (4, 3)
"""Beats in a bar. Each tempo is tried with each, or a waltz would be measured at 3/4 of its tempo."""
_PHRASES = (1, 2, 4)
"""Distances in bars at which notes and sound repeat."""
_CHANGES = (0.5, 1, 2)
"""Distances in bars at which the harmony changes."""
_THINNED = 4
"""Every fourth frame of the bands, 21 a second, is enough to compare bars."""
_ALTERNATIVES = 3


def weigh(offered: Tempo, strength: np.ndarray, bands: np.ndarray, chroma: Chroma) -> Tempo:
    """The most probable of the tempos that the rhythm suggests, with the others as alternatives.

    `confidence` is how regular the onsets are at that tempo, 0 to 1.
    """
    tempos = np.array([offered.bpm, *offered.alternatives])
    rows = tempo_features(tempos, strength, bands, chroma)
    if rows is None:
        return offered
    chances = shares(linear_models()["tempo"].score(rows)).reshape(len(tempos), len(METRES)).sum(axis=1)
    order = np.argsort(-chances, kind="stable")
    weights = np.array([weight for _, weight in COMB])
    regular = float(rows[order[0] * len(METRES), : len(COMB)] @ weights / weights.sum())
    others = tuple(float(tempo) for tempo in tempos[order[1 : 1 + _ALTERNATIVES]])
    return Tempo(float(tempos[order[0]]), float(np.clip(regular, 0, 1)), others)


def tempo_features(
    tempos: np.ndarray, strength: np.ndarray, bands: np.ndarray, chroma: Chroma
) -> np.ndarray | None:
    """Features of each tempo in four and in three: float64 [2 * tempos, 17], row 2 * k the k-th tempo in four.

    Autocorrelation of the onsets at multiples of the beat, squared distance from the usual tempo, whether in three; then
    autocorrelation of notes, of sound and of the changes of harmony at whole bars. None if there are too few onsets.
    """
    longest = 16 * 60 / SLOWEST
    onsets = autocorrelation(strength, int(longest * FRAMES_PER_SECOND) + 8)
    if onsets is None or len(chroma.seconds) < 2:
        return None
    frames_per_second = 1 / (chroma.seconds[1] - chroma.seconds[0])
    notes = chroma.notes / np.maximum(chroma.notes.sum(axis=1, keepdims=True), 1e-9)
    alike_notes = _alike(np.sqrt(notes))
    alike_sound = _alike(_thinned(bands))
    alike_changes = _alike(harmony_changes(chroma)[1][:, None])
    rows = []
    for tempo in tempos:
        beat = 60 / tempo
        regular = [_at(onsets, multiple * beat * FRAMES_PER_SECOND) for multiple, _ in COMB]
        unusual = float(np.log2(tempo / USUAL_BPM) ** 2)
        for metre in METRES:
            bar = metre * beat
            rows.append(
                [
                    *(*regular, -unusual, float(metre == 3)),
                    *(_at(alike_notes, bars * bar * frames_per_second) for bars in _PHRASES),
                    *(_at(alike_sound, bars * bar * FRAMES_PER_SECOND / _THINNED) for bars in _PHRASES),
                    *(_at(alike_changes, bars * bar * frames_per_second) for bars in _CHANGES),
                ]
            )
    return np.array(rows)


def _thinned(bands: np.ndarray) -> np.ndarray:
    return uniform_filter1d(bands, _THINNED, axis=0)[::_THINNED]


def _alike(rows: np.ndarray) -> np.ndarray:
    """The unbiased autocorrelation of rows, 1 at lag 0: float64 [lags]."""
    count = len(rows)
    if count < 16:
        return np.zeros(0)
    centred = rows - rows.mean(axis=0)
    size = fft_size(2 * count)
    spectrum = spectrum_of(centred, size)
    product = signal_of((spectrum * spectrum.conj()).sum(axis=1), size)[: count - 8]
    product /= count - np.arange(len(product))
    return product / max(float(product[0]), 1e-9)


def _at(similarity: np.ndarray, lag: float) -> float:
    """The value at a lag between frames; 0 beyond the end."""
    return float(np.interp(lag, np.arange(len(similarity)), similarity)) if lag < len(similarity) - 1 else 0.0
