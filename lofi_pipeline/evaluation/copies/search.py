"""The search for stretches of clips that are a stretch of a training track: at any level, filtered, encoded again, in noise, and
played up to 2 % faster or slower.

Two stages. Sketches of seconds are compared with those of all tracks, at each speed. Where one is alike, the levels of clip and
track are compared along the clip at the exact offset. Only how each band changes counts: rain, crackle or a drone is the same in
many pieces. Music of one style shares chords, drums and loops, so a stretch counts only where its changes agree beyond what
different tracks reach, the shorter the more, and where no other track holds it just as well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import soxr

from lofi_pipeline.evaluation.copies.sound import (
    BANDS,
    FRAMES_PER_SECOND,
    HOP,
    RATE,
    SKETCH_HOP,
    SKETCH_SCALE,
    STEPS_PER_DB,
    WINDOW,
    bands_of,
    mono_of,
    sketches_of,
    usual,
)

LEAST_ALIKE = 0.75
"""Sketches of a copy score 0.9 and more."""
COPIES = ((1.44, 0.965, 1.3), (1.9, 0.955, 1.4), (2.9, 0.94, 1.6), (4.5, 0.92, 1.7))
"""Seconds, the correlation of changes from which on, and the dB between them up to which a stretch of this length is a copy. Chosen
with benchmarks/memorisation.py: beyond what pieces reach that share tempo, instruments, textures and all tags with a training
track. Pieces with the same loud drums correlate, and what hardly changes is near to anything, but neither is both.
"""
LEAST_CHANGE = 1.5
"""dB by which the bands of a stretch must change by themselves; what is steadier is a texture, and nobody's."""
LOOP_SECONDS = 8.0
"""What several training tracks hold and is shorter than this is a loop that they share, and no copy of one of them."""
SPEEDS = (1.0, 0.99, 1.01, 0.98, 1.02)
_REPEATS = 3
"""Music repeats itself: in how many places of one track a second of a clip is looked at."""
_CANDIDATES, _VERIFIED = 32, 12
_LEAST_NEAR, _LEAST_EXACT = 0.75, 0.85
"""Correlations of a second, roughly and exactly aligned, below which a spot is not looked at further."""
_LEAST_QUERY_HOP, _MOST_QUERIES = WINDOW // 4, 30
_PHASES = (0, HOP // 4, HOP // 2, 3 * HOP // 4)
"""Samples by which a clip is shifted, to align it with a track more finely than by frames."""
_LAGS = range(-SKETCH_HOP, SKETCH_HOP + 1)
_SOUNDING_SHARE = 0.25
"""Share of a stretch's levels that must be above silence in both: two silences are alike, and no copies."""
_RANGES = (slice(None), slice(0, BANDS // 3))
"""All bands, and those below 1 kHz. Rain, crackle and drums fill most bands, and pieces that share them may share no note."""
_LIKELY_SPEEDS = 2
_TRIMMED_BY = FRAMES_PER_SECOND // 3
_QUERIES_AT_ONCE = 1024
_PEAK_HALF = FRAMES_PER_SECOND // SKETCH_HOP // 5


@dataclass(frozen=True)
class Likeness:
    """How far two recordings change alike."""

    correlation: float = 1.0
    """Pearson's, of the levels in each band, without their mean."""
    apart: float = 0.0
    """dB between them, without the mean of each band."""

    def allows(self, correlation: float, apart: float) -> Likeness:
        """What is asked of a copy that lost this much on its way, where an exact one must reach `correlation` and be `apart` at most."""
        return Likeness(correlation * self.correlation, float(np.hypot(apart, self.apart)))


EXACT = Likeness()
SHARED = Likeness(0.97, 1.2)
"""Another track holds the same where it differs no more than by this from what makes a copy."""


class Kept(Protocol):
    """What is kept of a training track: see `Sound`."""

    @property
    def bands(self) -> np.ndarray:
        """uint8 [frames, 48]"""
        ...

    @property
    def sketches(self) -> np.ndarray:
        """int8 [windows, 64]"""
        ...


@dataclass(frozen=True)
class Copied:
    """A stretch of a clip that is one of a track, in seconds."""

    track_id: str
    start: float
    end: float
    track_start: float
    correlation: float

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.end - self.start

    def shares(self, other: Copied) -> bool:
        """Whether at least half of the shorter one is the same stretch of the clip."""
        both = min(self.end, other.end) - max(self.start, other.start)
        return both >= min(self.seconds, other.seconds) / 2


@dataclass(frozen=True)
class _Spot:
    """Where a clip and a track may match: a frame of the clip at a speed, and how many frames later it is in the track."""

    track_id: str
    speed: float
    frame: int
    shift: int
    alike: float

    @property
    def moment(self) -> float:
        """Where it is in the clip at its own speed, in frames."""
        return self.frame * self.speed

    def is_beside(self, other: _Spot) -> bool:
        """Whether both are on one diagonal of one track, give or take the speed."""
        if self.track_id != other.track_id:
            return False
        apart = self.moment - other.moment
        off = self.frame + self.shift - other.frame - other.shift - apart
        return abs(off) <= 2 * SKETCH_HOP + (max(SPEEDS) - 1) * abs(apart)


@dataclass(frozen=True)
class _Take:
    """A clip as it would be if it had been played at a speed; its levels are taken in several phases."""

    mono: np.ndarray
    speed: float

    @classmethod
    def of(cls, mono: np.ndarray, speed: float) -> _Take:
        """Of float32 [n] at RATE."""
        return cls(mono if speed == 1 else soxr.resample(mono, RATE * speed, RATE, quality="MQ"), speed)

    @cached_property
    def bands(self) -> np.ndarray:
        """uint8 [frames, 48]"""
        return bands_of(self.mono)

    @cached_property
    def phases(self) -> list[np.ndarray]:
        """The same, shifted by less than a frame."""
        return [self.bands, *(bands_of(self.mono, first=first) for first in _PHASES[1:])]


def find_copies(
    clips: Sequence[np.ndarray], rate: int, tracks: Mapping[str, Kept], *, lost: Likeness = EXACT
) -> list[list[Copied]]:
    """For each clip, float32 [channels, n] at `rate` Hz, its copied stretches, the longest first; one of a track at most.

    Args:
        lost: how far a base's codec leaves a track like itself, where the clips passed through one.
    """
    monos = [mono_of(clip, rate) for clip in clips]
    takes = [{speed: _Take.of(mono, speed) for speed in SPEEDS} for mono in monos]
    spots = _spots(takes, tracks)
    return [_copies_at(of_clip, found, tracks, lost) for of_clip, found in zip(takes, spots, strict=True)]


def _spots(clips: Sequence[Mapping[float, _Take]], tracks: Mapping[str, Kept]) -> list[list[_Spot]]:
    """For each clip, where its sketches are most like some of a track, each on another diagonal."""
    asked = [(owner, take.speed, *_queries(take)) for owner, of in enumerate(clips) for take in of.values()]
    origin = [(owner, speed, int(at)) for owner, speed, frames, _ in asked for at in frames]
    queries = np.concatenate([sketches for *_, sketches in asked] or [np.zeros((0, 1))])
    scaled = queries.astype(np.float32) * np.float32(SKETCH_SCALE**2)
    found: list[list[_Spot]] = [[] for _ in clips]
    for track_id, track in tracks.items():
        there = track.sketches.astype(np.float32).T
        for start in range(0, len(scaled), _QUERIES_AT_ONCE) if there.size else ():
            alike = scaled[start : start + _QUERIES_AT_ONCE] @ there
            for query in np.flatnonzero(alike.max(axis=1) >= LEAST_ALIKE):
                owner, speed, at = origin[start + query]
                found[owner].extend(
                    _Spot(track_id, speed, at, window * SKETCH_HOP - at, float(alike[query, window]))
                    for window in _peaks(alike[query])
                )
    return [_best(of_clip) for of_clip in found]


def _peaks(alike: np.ndarray) -> list[int]:
    """The windows that are most alike, each another moment of the track."""
    left, peaks = alike.copy(), []
    while len(peaks) < _REPEATS and left.max() >= LEAST_ALIKE:
        peaks.append(int(left.argmax()))
        left[max(0, peaks[-1] - _PEAK_HALF) : peaks[-1] + _PEAK_HALF] = 0.0
    return peaks


def _queries(take: _Take) -> tuple[np.ndarray, np.ndarray]:
    """The frames of a clip whose sketches are searched for, and these."""
    sketches = sketches_of(take.bands)
    count = len(sketches)
    hop = max(_LEAST_QUERY_HOP, count // _MOST_QUERIES)
    frames = np.unique(np.append(np.arange(0, count, hop), count - 1)) if count else np.zeros(0, np.int64)
    return frames, sketches[frames]


def _best(spots: list[_Spot]) -> list[_Spot]:
    """The best of each second of the clip, then the second best of each, and so on: music that is like much of what was trained on
    leaves no room for a copy beside it otherwise.
    """
    chosen: list[_Spot] = []
    passed: Counter[int] = Counter()
    ranked: list[tuple[int, float, _Spot]] = []
    for spot in sorted(spots, key=lambda it: -it.alike):
        second = int(spot.moment // FRAMES_PER_SECOND)
        ranked.append((passed[second], -spot.alike, spot))
        passed[second] += 1
    for _, _, spot in sorted(ranked, key=lambda it: it[:2]):
        if len(chosen) == _CANDIDATES:
            break
        if not any(spot.is_beside(other) for other in chosen):
            chosen.append(spot)
    return chosen


def _copies_at(
    takes: Mapping[float, _Take], spots: Sequence[_Spot], tracks: Mapping[str, Kept], lost: Likeness
) -> list[Copied]:
    bands = {track_id: tracks[track_id].bands for track_id in {spot.track_id for spot in spots}}
    pairs = [_Pair.at(takes, bands[spot.track_id], spot) for spot in spots]
    near = [pair for pair in pairs if pair.nearness >= _LEAST_NEAR * lost.correlation]
    near = sorted(near, key=lambda it: -it.nearness)[:_VERIFIED]
    longest: dict[str, Copied] = {}
    for pair in near:
        copied = pair.copied(lost)
        if copied and (copied.track_id not in longest or copied.seconds > longest[copied.track_id].seconds):
            longest[copied.track_id] = copied
    found = sorted(longest.values(), key=lambda it: -it.seconds)
    if all(it.seconds >= LOOP_SECONDS for it in found):
        return found
    lenient = lost.allows(SHARED.correlation, SHARED.apart)
    alike = [copied for pair in near if (copied := pair.copied(lenient))]
    return [it for it in found if it.seconds >= LOOP_SECONDS or not _is_shared(it, alike)]


def _is_shared(copied: Copied, found: Sequence[Copied]) -> bool:
    return any(other.track_id != copied.track_id and copied.shares(other) for other in found)


@dataclass(frozen=True)
class _Fit:
    """How a second of a clip lies on one of a track most exactly."""

    correlation: float
    speed: float = 1.0
    phase: int = 0
    frame: int = 0
    """Of the clip at this speed."""
    shift: int = 0
    """How many frames later it is in the part of the track."""


@dataclass(frozen=True)
class _Pair:
    """A clip beside the part of a track that a spot leads to; both with silence at the same level."""

    spot: _Spot
    takes: Mapping[float, _Take]
    track: _Levels
    begins: int
    """The frame of the track at which its part begins."""
    silence: float
    """Of the clip."""

    @classmethod
    def at(cls, takes: Mapping[float, _Take], track: np.ndarray, spot: _Spot) -> _Pair:
        here, there = takes[spot.speed].bands, track[spot.frame + spot.shift :][:WINDOW]
        second = here[spot.frame : spot.frame + len(there)]
        there = there[: len(second)]
        both = (second > 0) & (there > 0)
        louder = float(np.median(second[both].astype(float) - there[both])) if both.any() else 0.0
        slack = len(here) // 32 + 2 * SKETCH_HOP
        begins = max(0, spot.shift - slack)
        part = track[begins : max(0, spot.shift + len(here) + slack)]
        return cls(spot, takes, _Levels.of(part, max(0.0, -louder)), begins, max(0.0, louder))

    @cached_property
    def rough(self) -> list[_Fit]:
        """The best at each speed, give or take some frames: a sketch does not tell speeds apart."""
        return [self._fitted(speed, 0, _LAGS) for speed in SPEEDS]

    @property
    def nearness(self) -> float:
        """The highest correlation of a second."""
        return max(fit.correlation for fit in self.rough)

    @cached_property
    def fits(self) -> list[_Fit]:
        """The best at each likely speed, at a part of a frame."""
        start = self.spot.frame + self.spot.shift - self.begins
        found = []
        for rough in self.rough:
            if rough.correlation < _LEAST_NEAR:
                continue
            lag = rough.frame + rough.shift - start
            fine = (self._fitted(rough.speed, phase, range(lag, lag + 2)) for phase in range(1, len(_PHASES)))
            found.append(max((rough, *fine), key=lambda it: it.correlation))
        return found

    def _fitted(self, speed: float, phase: int, lags: range) -> _Fit:
        """The best of some lags."""
        frame = round(self.spot.moment / speed)
        clip = _Levels.of(self.takes[speed].phases[phase][frame : frame + WINDOW], self.silence)
        start = self.spot.frame + self.spot.shift - self.begins
        last = len(self.track.values) - WINDOW
        starts = np.array([start + lag for lag in lags if 0 <= start + lag <= last], np.int64)
        if not len(starts) or len(clip.values) < WINDOW:
            return _Fit(0.0)
        there = self.track.at(starts[:, None] + np.arange(WINDOW))
        found, _ = _likeness(_sums(there, clip).sum(axis=2, dtype=np.float64), WINDOW)
        best = int(found.argmax())
        return _Fit(float(found[best]), speed, phase, frame, int(starts[best]) - frame)

    def copied(self, lost: Likeness) -> Copied | None:
        """The copied stretch on the diagonal that fits best, at the best speed."""
        least = _LEAST_EXACT * lost.correlation
        likely = sorted(self.fits, key=lambda it: -it.correlation)[:_LIKELY_SPEEDS]
        found = (self._copied_at(fit, lost) for fit in likely if fit.correlation >= least)
        return max((it for it in found if it), key=lambda it: it.seconds, default=None)

    def _copied_at(self, fit: _Fit, lost: Likeness) -> Copied | None:
        clip = _Levels.of(self.takes[fit.speed].phases[fit.phase], self.silence)
        found = _Diagonal(clip, self.track, fit.shift).copied(lost)
        if found is None:
            return None
        start, end, correlation = found
        there = max(0, start + fit.shift + self.begins) / FRAMES_PER_SECOND
        begin, stop = (frame / FRAMES_PER_SECOND * fit.speed for frame in (start, end))
        return Copied(self.spot.track_id, begin, stop, there, correlation)


@dataclass(frozen=True)
class _Levels:
    """Levels of a recording without the usual fall of a spectrum, and where they are above silence: both [frames, 48]."""

    values: np.ndarray
    sounding: np.ndarray

    @classmethod
    def of(cls, bands: np.ndarray, silence: float) -> _Levels:
        return cls(np.maximum(bands, np.float32(silence)) - usual(), bands > silence)

    def at(self, frames: np.ndarray | slice) -> _Levels:
        """Some frames of it."""
        return _Levels(self.values[frames], self.sounding[frames])


def _sums(one: _Levels, other: _Levels) -> np.ndarray:
    """What correlations are made from, of each frame and band where both sound: float32 [6, frames, 48]."""
    heard = one.sounding & other.sounding
    here, there = one.values * heard, other.values * heard
    return np.stack((heard, here, there, here * here, there * there, here * there))


def _likeness(sums: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Of windows of `size` frames, whose `_sums` are given: Pearson's correlation of the levels without the mean of each band, where both
    sound, and the dB between them; that of all bands or that of the notes alone, whichever is worse.
    """
    count, x, y, xx, yy, xy = sums
    many = np.maximum(count, 1)
    changes = (count, xx - x * x / many, yy - y * y / many, xy - x * y / many)
    each = [
        _agreement(*(part[:, bands].sum(axis=1) for part in changes), cells=size * len(range(BANDS)[bands]))
        for bands in _RANGES
    ]
    correlations, apart = zip(*each, strict=True)
    return np.minimum(*correlations), np.maximum(*apart)


def _agreement(
    count: np.ndarray, xx: np.ndarray, yy: np.ndarray, xy: np.ndarray, *, cells: int
) -> tuple[np.ndarray, np.ndarray]:
    """Correlation and dB apart, of windows with this much change on either side; no correlation where there is hardly any."""
    many = np.maximum(count, 1)
    changing = np.sqrt(np.maximum(np.minimum(xx, yy), 0) / many) >= LEAST_CHANGE * STEPS_PER_DB
    enough = changing & (count >= _SOUNDING_SHARE * cells)
    correlation = np.where(enough, xy / np.sqrt(np.maximum(xx * yy, 1e-9)), 0.0)
    return correlation, np.sqrt(np.maximum(xx + yy - 2 * xy, 0) / many) / STEPS_PER_DB


class _Diagonal:
    """A clip beside a track: what sounds at frame f of the clip sounds at f + shift of the track."""

    def __init__(self, clip: _Levels, track: _Levels, shift: int) -> None:
        self._first = max(0, -shift)
        last = max(self._first, min(len(clip.values), len(track.values) - shift))
        sums = _sums(clip.at(slice(self._first, last)), track.at(slice(self._first + shift, last + shift)))
        summed = np.cumsum(sums, axis=1, dtype=np.float64)
        self._summed = np.concatenate((np.zeros((len(sums), 1, BANDS)), summed), axis=1)

    def likeness(self, size: int) -> tuple[np.ndarray, np.ndarray]:
        """Of each window of `size` frames: see `_likeness`."""
        if self._summed.shape[1] <= size:
            return np.zeros(0), np.zeros(0)
        return _likeness(self._summed[:, size:] - self._summed[:, :-size], size)

    def copied(self, lost: Likeness) -> tuple[int, int, float] | None:
        """The longest run of frames that lie in copied windows: begin, end, and the highest correlation there."""
        highest = np.zeros(self._summed.shape[1] - 1)
        for seconds, *least in COPIES:
            size, asked = round(seconds * FRAMES_PER_SECOND), lost.allows(*least)
            correlation, apart = self.likeness(size)
            for at in np.flatnonzero((correlation >= asked.correlation) & (apart <= asked.apart)):
                highest[at : at + size] = np.maximum(highest[at : at + size], correlation[at])
        edges = np.flatnonzero(np.diff(np.concatenate(([0], (highest > 0).astype(np.int8), [0])))).reshape(
            -1, 2
        )
        if not len(edges):
            return None
        begin, stop = (int(edge) for edge in edges[int((edges[:, 1] - edges[:, 0]).argmax())])
        start, end = self._trimmed(begin, stop, lost)
        return start + self._first, end + self._first, float(highest[start:end].max())

    def _trimmed(self, start: int, end: int, lost: Likeness) -> tuple[int, int]:
        """Without the ends that windows hold beside what is copied: where clip and track are far apart for a third of a second."""
        heard, here, there = self._summed[:3, start + 1 : end + 1] - self._summed[:3, start:end]
        usual = (here - there).sum(axis=0) / np.maximum(heard.sum(axis=0), 1)
        squares = np.square((here - there) / STEPS_PER_DB - heard * usual / STEPS_PER_DB)
        by_frame = np.stack((squares.sum(axis=1), np.maximum(heard.sum(axis=1), 1)))
        near = np.stack([np.convolve(part, np.ones(_TRIMMED_BY), "same") for part in by_frame])
        least = 2 * lost.allows(*COPIES[0][1:]).apart
        kept = np.flatnonzero(near[0] <= least**2 * near[1])
        return (start + int(kept[0]), start + int(kept[-1]) + 1) if len(kept) else (start, end)

    def best(self, size: int) -> Likeness:
        """Of the window of `size` frames that correlates most."""
        correlation, apart = self.likeness(size)
        at = int(correlation.argmax()) if len(correlation) else -1
        return Likeness(float(correlation[at]), float(apart[at])) if at >= 0 else Likeness(0.0, np.inf)


def likeness_of(clip: np.ndarray, track: np.ndarray) -> Likeness:
    """How far bands [frames, 48] change like others that begin at the same time, give or take 40 ms."""
    here, there = _Levels.of(clip, 0.0), _Levels.of(track, 0.0)
    size = min(len(clip), len(track)) - SKETCH_HOP
    tries = (_Diagonal(here, there, lag).best(size) for lag in _LAGS)
    return max(tries, key=lambda it: it.correlation)
