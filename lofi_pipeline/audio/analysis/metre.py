"""The metre of a track, and the tempo of its beats in it: after whole bars of it everything returns, after parts of a bar less.

For each metre the tempos are tried at which it might be, and of these the likeliest are weighed against those of all other metres.
The weights are a multinomial logistic regression over these tempos, fitted on synthetic music (benchmarks/fit_metre.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain

import numpy as np

from lofi_pipeline.audio.analysis.bands import FRAMES_PER_SECOND
from lofi_pipeline.audio.analysis.linear_model import Linear, linear_models, shares
from lofi_pipeline.audio.analysis.recurrence import Curve, Recurrence
from lofi_pipeline.audio.analysis.spectrum import fft_size, spectrum_of
from lofi_pipeline.entities.metre import BEATS_IN_A_BAR, METRES, Metre

_PARTS: dict[Metre, int] = {"3/4": 3, "4/4": 4, "5/4": 5, "6/8": 6, "7/8": 7}
"""Into how many equal parts a bar falls that are not bars themselves."""
_TATUMS: dict[Metre, int] = {"3/4": 6, "4/4": 8, "5/4": 10, "6/8": 6, "7/8": 7}
"""Eighths in a bar."""
_TEMPOS: dict[Metre, tuple[int, int, int]] = {
    "3/4": (54, 112, 78),
    "4/4": (54, 112, 78),
    "5/4": (54, 112, 78),
    "6/8": (40, 92, 60),
    "7/8": (54, 112, 78),
}
"""Slowest, fastest and usual tempo."""
_STEP = 0.0015
"""Between two tempos that are tried, on a logarithmic scale."""
_TRIED = 6
"""Tempos of each metre that are weighed."""
_FRACTIONS = (1 / 4, 1 / 3, 1 / 2, 2 / 3, 3 / 2)
_SMALL_FRACTIONS = (1 / 12, 1 / 7, 1 / 6, 1 / 5)
_HARMONICS = tuple(range(1, 8))
_HIGH_HARMONICS = (8, 9, 10, 12, 14, 15, 16, 18, 20, 24)
_RANGES = ((0, 5), (0, 1), (1, 3), (3, 5))
"""Ranges of onsets: all, kick and bass, low and middle, high and hats."""
_SMOOTH = np.array([1, 2, 3, 2, 1]) / 9
_LEAST_SECONDS = 15.0


Found = dict[Metre, tuple[np.ndarray, np.ndarray]]
"""The `bar_features` of each metre."""
_OTHERS: tuple[Metre, ...] = ("5/4", "6/8", "7/8")
_SURE, _SURE_OF_THREE = 0.8, 0.9
_SURE_WITHOUT_FOUR, _HARDLY_FOUR = 0.6, 0.1
"""Least probabilities: most music is in four, and a wrong tempo costs more than an unheard metre. Where four is hardly possible (a tenth
as probable, or less), one of the others is believed sooner."""


@dataclass(frozen=True)
class Bars:
    """The likeliest metre, its tempo in bpm, and how probable each metre is."""

    metre: Metre
    bpm: float
    chances: dict[Metre, float]

    @property
    def is_sure(self) -> bool:
        """Whether they are surely of another metre than 4/4."""
        chance = self.chances[self.metre]
        if self.metre not in _OTHERS:
            return self.metre == "3/4" and chance >= _SURE_OF_THREE
        hardly_four = self.chances["4/4"] <= _HARDLY_FOUR * chance
        return chance >= (_SURE_WITHOUT_FOUR if hardly_four else _SURE)

    @property
    def other_chance(self) -> float:
        """The probability of another metre than 3/4 and 4/4."""
        return sum(self.chances[metre] for metre in _OTHERS)


def smoothed(onsets: np.ndarray) -> np.ndarray:
    """Onset strengths [frames, 5] of about equal power in each range, spread over 50 ms as people play: float64 [frames, 5]."""
    spread = onsets.std(axis=0)
    even = onsets / np.maximum(spread, 0.25 * float(spread.max(initial=0.0)) + 1e-9)
    return np.stack([np.convolve(column, _SMOOTH, "same") for column in even.T.astype(np.float64)], axis=1)


def bars_of(onsets: np.ndarray, recurrence: Recurrence) -> Bars | None:
    """The bars of a track, from its `smoothed` onsets; None if it is too short or has none."""
    if len(onsets) < _LEAST_SECONDS * FRAMES_PER_SECOND or not onsets.any():
        return None
    found: Found = {metre: bar_features(metre, onsets, recurrence) for metre in METRES}
    return likeliest(found, linear_models())


def likeliest(found: Found, models: dict[str, Linear]) -> Bars:
    """The bars of a track, by what was found for each metre and the models `bars 3/4` and so on."""
    scores = [models[f"bars {metre}"].score(rows) for metre, (_, rows) in found.items()]
    weights = shares(np.concatenate(scores))
    chances: dict[Metre, float] = {}
    tempos: dict[Metre, float] = {}
    for metre in METRES:
        bpms, _ = found[metre]
        mine, weights = weights[: len(bpms)], weights[len(bpms) :]
        chances[metre], tempos[metre] = float(mine.sum()), float(bpms[int(np.argmax(mine))])
    best = max(METRES, key=chances.__getitem__)
    return Bars(best, tempos[best], chances)


def bar_features(metre: Metre, onsets: np.ndarray, recurrence: Recurrence) -> tuple[np.ndarray, np.ndarray]:
    """At most six tempos at which a track might be in a metre, and the features of each: float64 [tempos], [tempos, 83].

    How alike the track is to itself after one, two and more bars, by onsets, sound, notes and changes of harmony, and after parts
    of a bar; how strongly onsets recur at multiples of the bar's frequency; the distance from the usual tempo.
    """
    slowest, fastest, usual = _TEMPOS[metre]
    tempos = np.exp(np.arange(np.log(slowest), np.log(fastest), _STEP))
    bar = BEATS_IN_A_BAR[metre] * 60 / tempos
    parts = np.array([part for part in range(1, 2 * _PARTS[metre]) if part % _PARTS[metre]]) / _PARTS[metre]
    curves = (recurrence.onsets, recurrence.sound, recurrence.notes, recurrence.changes)
    after_bars = [curve.at(np.arange(1, 5)[:, None] * bar) for curve in curves]
    after_parts = [curve.at(parts[:, None] * bar) for curve in curves]
    steps = np.arange(1, 9)[:, None] * bar / _TATUMS[metre]
    even = recurrence.onsets.at(steps).mean(axis=0)
    recurring = _spectra(onsets, bar)
    likely = 0.8 * even + 0.5 * recurring[_PARTS[metre] - 1]
    for bars, between in zip(after_bars[:3], after_parts[:3], strict=True):
        likely += bars[:3].mean(axis=0) + bars[0] - between.mean(axis=0)
    tried = _highest(likely)
    rows = [*chain.from_iterable(map(_summary, after_bars, after_parts)), *_after_fractions(recurrence, bar)]
    columns = np.stack([*rows, *recurring, even, -(np.log2(tempos / usual) ** 2)], axis=1)
    return tempos[tried], columns[tried]


def _summary(after_bars: np.ndarray, after_parts: np.ndarray) -> list[np.ndarray]:
    """After one bar, two, more; the least of the first three; after parts of bars: their mean and the most."""
    one, two = after_bars[:2]
    least = after_bars[:3].min(axis=0)
    return [one, two, after_bars[2:].mean(axis=0), least, after_parts.mean(axis=0), after_parts.max(axis=0)]


def _after_fractions(recurrence: Recurrence, bar: np.ndarray) -> list[np.ndarray]:
    coarse = (recurrence.onsets, recurrence.sound, recurrence.notes)
    return [
        *(curve.at(bar * fraction) for curve in coarse for fraction in _FRACTIONS),
        *(recurrence.onsets.at(bar * fraction) for fraction in _SMALL_FRACTIONS),
    ]


def _spectra(onsets: np.ndarray, bar: np.ndarray) -> list[np.ndarray]:
    """How strongly onsets recur at multiples of the bar's frequency: all of them at 17, those of three ranges at 7 each."""
    size = fft_size(4 * len(onsets))
    result = []
    for low, high in _RANGES:
        strength = onsets[:, low:high].mean(axis=1)
        strength = strength - strength.mean()
        power = float(np.sqrt(np.square(strength).sum() * len(strength))) + 1e-9
        spectrum = Curve(np.abs(spectrum_of(strength, size)) / power, size / FRAMES_PER_SECOND)
        multiples = _HARMONICS if (low, high) != _RANGES[0] else _HARMONICS + _HIGH_HARMONICS
        result += [spectrum.at(multiple / bar) for multiple in multiples]
    return result


def _highest(values: np.ndarray) -> np.ndarray:
    """The places of the highest maxima, at most six, best first; of the highest value where there is none."""
    tops = 1 + np.flatnonzero((values[1:-1] >= values[:-2]) & (values[1:-1] > values[2:]))
    if not len(tops):
        return np.array([int(np.argmax(values))])
    return tops[np.argsort(-values[tops], kind="stable")][:_TRIED]
