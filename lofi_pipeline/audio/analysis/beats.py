"""Beats of a track of known tempo: their times, which of them begins a bar, how many make a bar, and the swing.

The tempo itself is found in rhythm.py and tempo.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lofi_pipeline.audio.analysis.bands import BANDS, CENTRE_SECONDS, FRAMES_PER_SECOND, standing_out
from lofi_pipeline.audio.analysis.chroma import Chroma, harmony_changes
from lofi_pipeline.audio.analysis.linear_model import linear_models, shares
from lofi_pipeline.audio.analysis.metre import Bars
from lofi_pipeline.entities.metre import BEATS_IN_A_BAR, Metre

PHASES = 64
_RANGES = ((0, 3), (3, 8), (8, 16), (16, 28), (28, BANDS))
"""Band ranges whose onsets are kept apart: kick and bass, low, middle, high, hats."""
_MOST_PHASES = 4
_BAR = 4
_OFF_BEAT = (0.42, 0.72)
"""Range of the second eighth within a beat; 0.5 is straight, 0.667 are triplets."""
_CLEAR_OFF_BEAT = 0.5
_USUALLY_FOUR = 0.9
"""Prior: the share of this music that is in four."""
_MOST_CERTAIN_METRE = 0.9
"""Upper limit of the confidence: a track may change its metre, or have one that is not known here."""


@dataclass(frozen=True)
class Beats:
    """A grid of constant tempo: beat k is at `offset` + k * 60 / bpm seconds, and beat `downbeat` (0 to 6) begins a bar.

    `steadiness` (0 to 1) is how well the onsets keep to the grid over the whole track; `swing` is the position of the second
    eighth within a beat (0.5 straight, 0.667 triplets).
    """

    offset: float
    downbeat: int
    steadiness: float
    confidence: float
    swing: float | None
    swing_confidence: float
    metre: Metre
    metre_confidence: float


def beats_of(
    onsets: np.ndarray, chroma: Chroma, bands: np.ndarray, bpm: float, bars: Bars | None
) -> Beats | None:
    """The beats of a track of known tempo, from its onsets by range, its chroma and its bands; None if it has no onsets.

    Where `bars` are surely of another metre than 4/4, the tempo is theirs; else the choice between 3/4 and 4/4 is made here.
    """
    if len(onsets) < 8 * FRAMES_PER_SECOND or not onsets.any():
        return None
    profile = folded(onsets, bpm)
    full = profile.mean(axis=1)
    if not full.any():
        return None
    changes = harmony_changes(chroma)
    phases = beat_candidates(full)
    chances = shares(linear_models()["beat"].score(phase_features(profile, phases, changes, bpm)))
    phase = int(phases[int(np.argmax(chances))])
    offset = ((phase + _centroid(full, phase)) / PHASES * 60 / bpm + CENTRE_SECONDS) % (60 / bpm)
    metre, sure = _metre(metre_features(bands, onsets, changes, bpm, offset), bars)
    swing, swing_confidence = (None, 0.0) if metre == "6/8" else _swing(full, phase)
    return Beats(
        offset=offset,
        downbeat=_downbeat(onsets, changes, bpm, offset, metre),
        steadiness=_steadiness(onsets.mean(axis=1), bpm),
        confidence=float(chances.max()),
        swing=swing,
        swing_confidence=swing_confidence,
        metre=metre,
        metre_confidence=sure,
    )


def pulse(grown: np.ndarray, bpm: float) -> np.ndarray:
    """How concentrated the onsets are at certain phases of the beat, by range: float64 [10].

    Logarithms of the ratio of the strongest phase to the mean, then of the strongest phase.
    """
    profile = folded(by_range(grown), bpm)
    top, mean = profile.max(axis=0), profile.mean(axis=0)
    return np.concatenate([np.log((top + 1e-4) / (mean + 1e-4)), np.log(top + 1e-4)])


def by_range(grown: np.ndarray) -> np.ndarray:
    """Onset strength by range, float32 [frames, 5], of the growth of bands [frames, bands]."""
    return standing_out(np.stack([grown[:, low:high].mean(axis=1) for low, high in _RANGES], axis=1))


def folded(onsets: np.ndarray, bpm: float) -> np.ndarray:
    """Mean onset strength at each of 64 phases of the beat, by range: float64 [64, 5]."""
    turns = np.arange(len(onsets)) / FRAMES_PER_SECOND * bpm / 60
    phase = np.floor(turns % 1 * PHASES).astype(int) % PHASES
    count = np.maximum(1, np.bincount(phase, minlength=PHASES))
    columns = [np.bincount(phase, weights=column, minlength=PHASES) / count for column in onsets.T]
    profile = np.stack(columns, axis=1)
    return (np.roll(profile, 1, axis=0) + 2 * profile + np.roll(profile, -1, axis=0)) / 4


def beat_candidates(full: np.ndarray) -> np.ndarray:
    """The phases with the strongest onsets, at most four, best first."""
    top = np.flatnonzero((full >= np.roll(full, 1)) & (full > np.roll(full, -1)))
    return top[np.argsort(-full[top], kind="stable")][:_MOST_PHASES]


def _centroid(full: np.ndarray, phase: int) -> float:
    """The centroid of the peak around a phase, relative to it, in phases."""
    steps = np.arange(-2, 3)
    peak = full[(phase + steps) % PHASES]
    return 0.5 + float((peak * steps).sum() / max(float(peak.sum()), 1e-9))


def phase_features(profile: np.ndarray, phases: np.ndarray, changes: np.ndarray, bpm: float) -> np.ndarray:
    """Features of each phase as a candidate for the beat: float64 [phases, 8].

    Onsets by range and overall, relative to the strongest phase; whether onsets are stronger a little after half a beat than
    a little before (swing); how much the harmony changes there.
    """
    full = profile.mean(axis=1)

    def near(values: np.ndarray, phase: int) -> float:
        return float(values[(phase + np.arange(-1, 2)) % PHASES].max())

    def between(phase: int, low: float, high: float) -> float:
        return float(full[(phase + np.rint(np.linspace(low, high, 17) * PHASES).astype(int)) % PHASES].max())

    harmony = _folded_changes(changes, bpm)
    rows = []
    for phase in phases:
        ranges = [near(column, phase) / max(float(column.max()), 1e-9) for column in profile.T]
        later = (between(phase, 0.44, 0.70) - between(phase, 0.30, 0.56)) / max(float(full.max()), 1e-9)
        at = (phase + 0.5) / PHASES * 60 / bpm + CENTRE_SECONDS
        rows.append([*ranges, near(full, phase) / max(float(full.max()), 1e-9), later, harmony(at)])
    return np.array(rows)


def _folded_changes(changes: np.ndarray, bpm: float) -> Callable[[float], float]:
    """A function of the time of a beat in s: the change of harmony there, at the best of the four positions of the bar; 0 to 1."""
    seconds, away = changes
    if not len(away):
        return lambda _at: 0.0
    bar = _BAR * 60 / bpm
    bins = 48
    position = np.floor(seconds / bar % 1 * bins).astype(int) % bins
    count = np.maximum(1, np.bincount(position, minlength=bins))
    sums = np.bincount(position, weights=away, minlength=bins) / count
    top = max(float(sums.max()), 1e-9)

    def at_best(at: float) -> float:
        positions = [(at + beat * 60 / bpm) / bar % 1 * bins for beat in range(_BAR)]
        axis, wrapped = np.arange(-1, bins + 1), np.pad(sums, 1, mode="wrap")
        values = [np.interp(position - 0.5, axis, wrapped) for position in positions]
        return float(max(values)) / top

    return at_best


def downbeat_features(
    onsets: np.ndarray, changes: np.ndarray, bpm: float, offset: float, bar: int = _BAR
) -> np.ndarray:
    """Features of each of the first `bar` beats as the first of a bar, onsets by range and change of harmony: float64 [bar, 6]."""
    count = max(bar, int((len(onsets) / FRAMES_PER_SECOND - offset) * bpm / 60))
    times = offset + np.arange(count) * 60 / bpm
    seconds, away = changes
    moved = np.interp(times, seconds, away) if len(away) else np.zeros(count)
    beats = np.concatenate([_struck(onsets, times), moved[:, None]], axis=1)
    means = np.stack([beats[first::bar].mean(axis=0) for first in range(bar)])
    return means / np.maximum(means.max(axis=0), 1e-9)


def _downbeat(onsets: np.ndarray, changes: np.ndarray, bpm: float, offset: float, metre: Metre) -> int:
    """The first beat that opens a bar. Of 7/8 every second bar opens between two beats."""
    steps = 2 if metre == "7/8" else 1
    bar = round(steps * BEATS_IN_A_BAR[metre])
    opens = linear_models()["downbeat"].score(downbeat_features(onsets, changes, steps * bpm, offset, bar))
    first = int(np.argmax(opens))
    return (first if first % steps == 0 else first + bar) // steps


def _struck(onsets: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Onset strength by range within 35 ms of each time in s: float64 [times, 5]."""
    at = np.rint((times - CENTRE_SECONDS) * FRAMES_PER_SECOND).astype(int)
    around = np.clip(at[:, None] + np.arange(-3, 4), 0, len(onsets) - 1)
    return onsets[around].max(axis=1)


def _swing(full: np.ndarray, phase: int) -> tuple[float, float]:
    """The position of the off-beat as a share of the beat, and how prominent it is, 0 to 1."""
    low, high = (round(share * PHASES) for share in _OFF_BEAT)
    steps = np.arange(low, high + 1)
    window = full[(phase + steps) % PHASES]
    top = int(steps[int(np.argmax(window))])
    away = (top + _centroid(full, phase + top) - _centroid(full, phase)) / PHASES
    ground = float(np.median(full))
    clear = (float(window.max()) - ground) / max(float(full[phase]) - ground, 1e-9)
    return float(np.clip(away, *_OFF_BEAT)), float(np.clip(clear / _CLEAR_OFF_BEAT, 0, 1))


def _steadiness(strength: np.ndarray, bpm: float) -> float:
    """How constant the phase of the beat is over windows of 8 s: the mean resultant length of their phases, 0 to 1."""
    turn = np.exp(-2j * np.pi * np.arange(len(strength)) / FRAMES_PER_SECOND * bpm / 60 * 2)
    size = round(8 * FRAMES_PER_SECOND)
    count = max(1, len(strength) // size)
    sums = (strength * turn)[: count * size].reshape(count, -1).sum(axis=1)
    return float(np.abs(sums.sum()) / max(float(np.abs(sums).sum()), 1e-9))


def metre_features(
    bands: np.ndarray, onsets: np.ndarray, changes: np.ndarray, bpm: float, offset: float
) -> np.ndarray:
    """How much more similar beats are at distances of four and eight than of three and six: float64 [6].

    By the sound of both halves of each beat, by the onset strength of each beat in five ranges, by the change of harmony.
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


def _metre(features: np.ndarray, bars: Bars | None) -> tuple[Metre, float]:
    if bars is not None and bars.is_sure:
        return bars.metre, _MOST_CERTAIN_METRE * bars.chances[bars.metre]
    odds = float(linear_models()["metre"].score(features)) + np.log(_USUALLY_FOUR / (1 - _USUALLY_FOUR))
    four = 1 / (1 + np.exp(-np.clip(odds, -30, 30)))
    sure = _MOST_CERTAIN_METRE * float(abs(2 * four - 1)) * (1 - bars.other_chance if bars else 1)
    return ("4/4", sure) if four >= 0.5 else ("3/4", sure)
