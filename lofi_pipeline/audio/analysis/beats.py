"""Where the beats lie, which of them opens a bar, how many make one, and how the off-beats swing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from lofi_pipeline.audio.analysis.bands import BANDS, CENTRE_SECONDS, FRAMES_PER_SECOND, standing_out
from lofi_pipeline.audio.analysis.chroma import Chroma, harmony_changes
from lofi_pipeline.audio.analysis.linear_model import linear_models, shares

_PHASES = 64
_RANGES = ((0, 3), (3, 8), (8, 16), (16, 28), (28, BANDS))
"""Band ranges whose onsets are told apart: kick and bass, low, middle, high, hats."""
_MOST_PHASES = 4
_BAR = 4
_OFF_BEAT = (0.42, 0.72)
"""Where in a beat the second eighth may fall: a little early, straight 0.5, triplets 0.667."""
_CLEAR_OFF_BEAT = 0.5
_USUALLY_FOUR = 0.9
"""Share of this music that is in four, before one has listened."""
_MOST_CERTAIN_METRE = 0.9
"""A track may change its metre, or have one that nobody looked for."""


@dataclass(frozen=True)
class Beats:
    """A rigid grid: beat k lies at `offset` + k * 60 / bpm seconds, and beat `downbeat` (0 to 3) opens a bar.

    `steadiness` (0 to 1) is how well the onsets keep to it from beginning to end; `swing` is where the second eighth of a
    beat falls (0.5 straight, 0.667 triplets).
    """

    offset: float
    downbeat: int
    steadiness: float
    confidence: float
    swing: float
    swing_confidence: float
    metre: Literal["3/4", "4/4"]
    metre_confidence: float


def beats_of(grown: np.ndarray, chroma: Chroma, bands: np.ndarray, bpm: float) -> Beats | None:
    """The beats of a track of known tempo, from the growth of its bands, its bands and its chroma; None if it has no onsets."""
    onsets = _by_range(grown)
    if len(onsets) < 8 * FRAMES_PER_SECOND or not onsets.any():
        return None
    profile = _folded(onsets, bpm)
    full = profile.mean(axis=1)
    if not full.any():
        return None
    changes = harmony_changes(chroma)
    places = _candidates(full)
    chances = shares(linear_models()["beat"].score(phase_features(profile, places, changes, bpm)))
    phase = int(places[int(np.argmax(chances))])
    offset = ((phase + _centroid(full, phase)) / _PHASES * 60 / bpm + CENTRE_SECONDS) % (60 / bpm)
    metre, sure = _metre(metre_features(bands, onsets, changes, bpm, offset))
    bar = 3 if metre == "3/4" else _BAR
    opens = linear_models()["downbeat"].score(downbeat_features(onsets, changes, bpm, offset, bar))
    swing, swing_confidence = _swing(full, phase)
    return Beats(
        offset=offset,
        downbeat=int(np.argmax(opens)),
        steadiness=_steadiness(onsets.mean(axis=1), bpm),
        confidence=float(chances.max()),
        swing=swing,
        swing_confidence=swing_confidence,
        metre=metre,
        metre_confidence=sure,
    )


def pulse(grown: np.ndarray, bpm: float) -> np.ndarray:
    """How sharply onsets gather at certain phases of the beat, by range: float64 [10], logarithms.

    The strongest phase beside the mean, and the strongest phase as it is.
    """
    profile = _folded(_by_range(grown), bpm)
    top, mean = profile.max(axis=0), profile.mean(axis=0)
    return np.concatenate([np.log((top + 1e-4) / (mean + 1e-4)), np.log(top + 1e-4)])


def _by_range(grown: np.ndarray) -> np.ndarray:
    return standing_out(np.stack([grown[:, low:high].mean(axis=1) for low, high in _RANGES], axis=1))


def _folded(onsets: np.ndarray, bpm: float) -> np.ndarray:
    """Mean onset strength at each of 64 phases of the beat, by range: float64 [64, 5]."""
    turns = np.arange(len(onsets)) / FRAMES_PER_SECOND * bpm / 60
    phase = np.floor(turns % 1 * _PHASES).astype(int) % _PHASES
    count = np.maximum(1, np.bincount(phase, minlength=_PHASES))
    columns = [np.bincount(phase, weights=column, minlength=_PHASES) / count for column in onsets.T]
    profile = np.stack(columns, axis=1)
    return (np.roll(profile, 1, axis=0) + 2 * profile + np.roll(profile, -1, axis=0)) / 4


def _candidates(full: np.ndarray) -> np.ndarray:
    """The phases where most starts, at most four, best first."""
    top = np.flatnonzero((full >= np.roll(full, 1)) & (full > np.roll(full, -1)))
    return top[np.argsort(-full[top], kind="stable")][:_MOST_PHASES]


def _centroid(full: np.ndarray, phase: int) -> float:
    """Where, around a phase, the middle of its hill lies, in phases."""
    steps = np.arange(-2, 3)
    hill = full[(phase + steps) % _PHASES]
    return 0.5 + float((hill * steps).sum() / max(float(hill.sum()), 1e-9))


def phase_features(profile: np.ndarray, places: np.ndarray, changes: np.ndarray, bpm: float) -> np.ndarray:
    """What speaks for each phase as the beat: float64 [places, 8].

    Onsets by range and over all, beside the strongest phase; whether more starts a little more than half a beat later than a
    little less (swing); whether the harmony changes there.
    """
    full = profile.mean(axis=1)

    def near(values: np.ndarray, place: int) -> float:
        return float(values[(place + np.arange(-1, 2)) % _PHASES].max())

    def between(place: int, low: float, high: float) -> float:
        return float(
            full[(place + np.rint(np.linspace(low, high, 17) * _PHASES).astype(int)) % _PHASES].max()
        )

    harmony = _folded_changes(changes, bpm)
    rows = []
    for place in places:
        ranges = [near(column, place) / max(float(column.max()), 1e-9) for column in profile.T]
        later = (between(place, 0.44, 0.70) - between(place, 0.30, 0.56)) / max(float(full.max()), 1e-9)
        at = (place + 0.5) / _PHASES * 60 / bpm + CENTRE_SECONDS
        rows.append([*ranges, near(full, place) / max(float(full.max()), 1e-9), later, harmony(at)])
    return np.array(rows)


def _folded_changes(changes: np.ndarray, bpm: float):
    """The function that says, for a time of a beat in s, how much the harmony changes at the best of its four places in a bar."""
    seconds, away = changes
    if not len(away):
        return lambda _at: 0.0
    bar = _BAR * 60 / bpm
    bins = 48
    place = np.floor(seconds / bar % 1 * bins).astype(int) % bins
    sums = np.bincount(place, weights=away, minlength=bins) / np.maximum(
        1, np.bincount(place, minlength=bins)
    )
    top = max(float(sums.max()), 1e-9)

    def at_best(at: float) -> float:
        places = [(at + beat * 60 / bpm) / bar % 1 * bins for beat in range(_BAR)]
        values = [
            np.interp(place - 0.5, np.arange(-1, bins + 1), np.pad(sums, 1, mode="wrap")) for place in places
        ]
        return float(max(values)) / top

    return at_best


def downbeat_features(
    onsets: np.ndarray, changes: np.ndarray, bpm: float, offset: float, bar: int = _BAR
) -> np.ndarray:
    """What speaks for each of the first `bar` beats as a bar's first: onsets by range, change of harmony: float64 [bar, 6]."""
    count = max(bar, int((len(onsets) / FRAMES_PER_SECOND - offset) * bpm / 60))
    times = offset + np.arange(count) * 60 / bpm
    seconds, away = changes
    moved = np.interp(times, seconds, away) if len(away) else np.zeros(count)
    beats = np.concatenate([_struck(onsets, times), moved[:, None]], axis=1)
    means = np.stack([beats[first::bar].mean(axis=0) for first in range(bar)])
    return means / np.maximum(means.max(axis=0), 1e-9)


def _struck(onsets: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Onset strength by range within 35 ms of each time in s: float64 [times, 5]."""
    at = np.rint((times - CENTRE_SECONDS) * FRAMES_PER_SECOND).astype(int)
    around = np.clip(at[:, None] + np.arange(-3, 4), 0, len(onsets) - 1)
    return onsets[around].max(axis=1)


def _swing(full: np.ndarray, phase: int) -> tuple[float, float]:
    """Where the off-beat falls and how clearly one stands out: (share of the beat, 0..1)."""
    low, high = (round(share * _PHASES) for share in _OFF_BEAT)
    steps = np.arange(low, high + 1)
    window = full[(phase + steps) % _PHASES]
    top = int(steps[int(np.argmax(window))])
    away = (top + _centroid(full, phase + top) - _centroid(full, phase)) / _PHASES
    ground = float(np.median(full))
    clear = (float(window.max()) - ground) / max(float(full[phase]) - ground, 1e-9)
    return float(np.clip(away, *_OFF_BEAT)), float(np.clip(clear / _CLEAR_OFF_BEAT, 0, 1))


def _steadiness(strength: np.ndarray, bpm: float) -> float:
    """How far the phase of the beat stays the same over windows of 8 s: length of their mean direction, 0..1."""
    turn = np.exp(-2j * np.pi * np.arange(len(strength)) / FRAMES_PER_SECOND * bpm / 60 * 2)
    size = round(8 * FRAMES_PER_SECOND)
    count = max(1, len(strength) // size)
    sums = (strength * turn)[: count * size].reshape(count, -1).sum(axis=1)
    return float(np.abs(sums.sum()) / max(float(np.abs(sums).sum()), 1e-9))


def metre_features(
    bands: np.ndarray, onsets: np.ndarray, changes: np.ndarray, bpm: float, offset: float
) -> np.ndarray:
    """How much more alike beats are four and eight apart than three and six: float64 [6].

    By sound (both halves of each beat), by how hard each beat is struck in five ranges, by where the harmony changes.
    """
    times = np.arange(offset, len(bands) / FRAMES_PER_SECOND, 60 / bpm)
    if len(times) < 20:
        return np.zeros(6)
    at = np.minimum(np.rint(times * FRAMES_PER_SECOND).astype(int), len(bands) - 1)
    sums = np.concatenate([np.zeros((1, bands.shape[1])), np.cumsum(bands, axis=0, dtype=np.float64)])
    half = (at[1:] + at[:-1]) // 2
    first = (sums[half] - sums[at[:-1]]) / np.maximum(1, half - at[:-1])[:, None]
    second = (sums[at[1:]] - sums[half]) / np.maximum(1, at[1:] - half)[:, None]
    struck = _struck(onsets, times[:-1])
    seconds, away = changes
    moved = np.interp(times[:-1], seconds, away) if len(away) else np.zeros(len(times) - 1)
    return np.concatenate([_alike(rows) for rows in (np.hstack([first, second]), struck, moved[:, None])])


def _alike(rows: np.ndarray) -> np.ndarray:
    """By how much rows four and eight apart correlate more than those three and six apart: float64 [2]."""
    rows = rows - rows.mean(axis=0)
    power = max(float(np.square(rows).sum(axis=1).mean()), 1e-9)
    alike = {lag: float((rows[lag:] * rows[:-lag]).sum(axis=1).mean()) / power for lag in (3, 4, 6, 8)}
    return np.array([alike[4] - alike[3], alike[8] - alike[6]])


def _metre(features: np.ndarray) -> tuple[Literal["3/4", "4/4"], float]:
    odds = float(linear_models()["metre"].score(features)) + np.log(_USUALLY_FOUR / (1 - _USUALLY_FOUR))
    four = 1 / (1 + np.exp(-np.clip(odds, -30, 30)))
    sure = _MOST_CERTAIN_METRE * float(abs(2 * four - 1))
    return ("4/4", sure) if four >= 0.5 else ("3/4", sure)
