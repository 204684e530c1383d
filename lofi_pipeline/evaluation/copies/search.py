"""The search for stretches of clips that are a stretch of a training track: at any level, encoded again, in noise, and up to
2 % faster or slower.

Two stages. Sketches of seconds are compared with those of all tracks. Where one is alike, the levels of clip and track are
correlated along the clip at the exact offset. Music of one style shares chords, drums and loops, so a stretch counts only where
its correlation is beyond what different tracks reach, the shorter the more, and where no other track holds it just as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from lofi_pipeline.evaluation.copies.sound import (
    BANDS,
    FRAMES_PER_SECOND,
    HOP,
    SKETCH_HOP,
    SKETCH_SCALE,
    WINDOW,
    bands_of,
    mono_of,
    sketches_of,
    usual,
)

LEAST_ALIKE = 0.8
"""Sketches of a copy score 0.9 and more."""
CORRELATIONS = ((1.44, 0.986), (1.9, 0.983), (2.9, 0.98), (4.5, 0.974))
"""Seconds, and the correlation from which on a stretch of this length is a copy. Chosen with benchmarks/memorisation.py: just above what
pieces reach that share tempo, instruments, textures and all tags with a training track.
"""
NOTES_LESS = 0.03
"""By how much less the notes alone may correlate."""
LONG_SECONDS = 2.5
"""From here on a lossy codec's whole loss is allowed for, and half of it below: other music loses some likeness as well."""
LOOP_SECONDS = 8.0
"""What several training tracks hold and is shorter than this is a loop that they share, and no copy of one of them."""
SHARED = 0.975
"""Of what makes a copy, how much makes another track hold the same."""
_CANDIDATES, _VERIFIED = 48, 24
_LEAST_NEAR, _LEAST_EXACT = 0.8, 0.9
"""Correlations of a second, roughly and exactly aligned, below which a spot is not looked at further."""
_LEAST_QUERY_HOP, _MOST_QUERIES = WINDOW // 4, 30
_PHASES = (0, HOP // 4, HOP // 2, 3 * HOP // 4)
"""Samples by which a clip is shifted, to align it with a track more finely than by frames."""
_LAGS = range(-SKETCH_HOP, SKETCH_HOP + 1)
_SPEEDS = (1.0, 0.99, 1.01, 0.98, 1.02)
_SOUNDING_SHARE = 0.25
"""Share of a stretch's levels that must be above silence: two silences are alike, and no copies."""
_RANGES = (slice(None), slice(0, BANDS // 3))
"""All bands, and those below 1 kHz. Rain, crackle and drums fill most bands, and pieces that share them may share no note."""
_QUERIES_AT_ONCE = 1024


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
    """Where a clip and a track may match: a frame of the clip, and how many frames later it is in the track."""

    track_id: str
    frame: int
    shift: int
    alike: float

    def is_beside(self, other: _Spot) -> bool:
        """Whether both are on one diagonal of one track."""
        return self.track_id == other.track_id and abs(self.shift - other.shift) <= SKETCH_HOP


def find_copies(
    clips: Sequence[np.ndarray], rate: int, tracks: Mapping[str, Kept], *, fidelity: float = 1.0
) -> list[list[Copied]]:
    """For each clip, float32 [channels, n] at `rate` Hz, its copied stretches, the longest first; one of a track at most.

    Args:
        fidelity: the correlation that a base's codec leaves between a track and itself, where the clips passed through one.
    """
    monos = [mono_of(clip, rate) for clip in clips]
    phases = [[bands_of(mono, first=first) for first in _PHASES] for mono in monos]
    spots = _spots([of_clip[0] for of_clip in phases], tracks)
    return [
        _copies_at(of_clip, found, tracks, fidelity) for of_clip, found in zip(phases, spots, strict=True)
    ]


def _spots(clips: Sequence[np.ndarray], tracks: Mapping[str, Kept]) -> list[list[_Spot]]:
    """For each clip, where its sketches are most like some of a track, each on another diagonal."""
    sketches = [sketches_of(bands) for bands in clips]
    frames = [_query_frames(len(found)) for found in sketches]
    owner = np.repeat(np.arange(len(clips)), [len(at) for at in frames])
    frame = np.concatenate(frames) if frames else np.zeros(0, np.int64)
    queries = np.concatenate(
        [found[at] for found, at in zip(sketches, frames, strict=True)] or [np.zeros((0, 1))]
    )
    scaled = queries.astype(np.float32) * np.float32(SKETCH_SCALE**2)
    found: list[list[_Spot]] = [[] for _ in clips]
    for track_id, track in tracks.items():
        there = track.sketches.astype(np.float32).T
        for start in range(0, len(scaled), _QUERIES_AT_ONCE) if there.size else ():
            alike = scaled[start : start + _QUERIES_AT_ONCE] @ there
            for query in np.flatnonzero(alike.max(axis=1) >= LEAST_ALIKE):
                window, at = int(alike[query].argmax()), int(frame[start + query])
                spot = _Spot(track_id, at, window * SKETCH_HOP - at, float(alike[query, window]))
                found[owner[start + query]].append(spot)
    return [_best(of_clip) for of_clip in found]


def _query_frames(count: int) -> np.ndarray:
    """The frames of a clip whose sketches are searched for."""
    hop = max(_LEAST_QUERY_HOP, count // _MOST_QUERIES)
    return np.unique(np.append(np.arange(0, count, hop), count - 1)) if count else np.zeros(0, np.int64)


def _best(spots: list[_Spot]) -> list[_Spot]:
    chosen: list[_Spot] = []
    for spot in sorted(spots, key=lambda it: -it.alike):
        if len(chosen) == _CANDIDATES:
            break
        if not any(spot.is_beside(other) for other in chosen):
            chosen.append(spot)
    return chosen


def _copies_at(
    phases: Sequence[np.ndarray], spots: Sequence[_Spot], tracks: Mapping[str, Kept], fidelity: float
) -> list[Copied]:
    bands = {track_id: tracks[track_id].bands for track_id in {spot.track_id for spot in spots}}
    pairs = [_Pair.at(phases, bands[spot.track_id], spot) for spot in spots]
    near = sorted(((pair.nearness(0, 0), pair) for pair in pairs), key=lambda it: -it[0])
    near = [(nearness, pair) for nearness, pair in near[:_VERIFIED] if nearness >= _LEAST_NEAR]
    alike = [copied for _, pair in near if (copied := pair.copied(fidelity * SHARED))]
    longest: dict[str, Copied] = {}
    for _, pair in near:
        copied = pair.copied(fidelity)
        if copied and (copied.track_id not in longest or copied.seconds > longest[copied.track_id].seconds):
            longest[copied.track_id] = copied
    found = sorted(longest.values(), key=lambda it: -it.seconds)
    return [it for it in found if it.seconds >= LOOP_SECONDS or not _is_shared(it, alike)]


def _is_shared(copied: Copied, found: Sequence[Copied]) -> bool:
    return any(other.track_id != copied.track_id and copied.shares(other) for other in found)


@dataclass(frozen=True)
class _Pair:
    """A clip, in its phases, beside the part of a track that a spot leads to; both with silence at the same level."""

    spot: _Spot
    phases: list[_Levels]
    track: _Levels
    begins: int
    """The frame of the track at which its part begins."""

    @classmethod
    def at(cls, phases: Sequence[np.ndarray], track: np.ndarray, spot: _Spot) -> _Pair:
        here, there = phases[0], track[spot.frame + spot.shift : spot.frame + spot.shift + WINDOW]
        second = here[spot.frame : spot.frame + len(there)]
        there = there[: len(second)]
        both = (second > 0) & (there > 0)
        louder = float(np.median(second[both].astype(float) - there[both])) if both.any() else 0.0
        slack = len(here) // 32 + 2 * SKETCH_HOP
        begins = max(0, spot.shift - slack)
        part = track[begins : max(0, spot.shift + len(here) + slack)]
        clips = [_Levels.of(phase, max(0.0, louder)) for phase in phases]
        return cls(spot, clips, _Levels.of(part, max(0.0, -louder)), begins)

    def nearness(self, phase: int, lag: int) -> float:
        """The highest correlation of a second around the spot."""
        frames = (max(0, self.spot.frame - WINDOW), self.spot.frame + 2 * WINDOW)
        near = _Diagonal(self.phases[phase], self.track, frames, self.spot.shift - self.begins + lag)
        return float(near.correlations(WINDOW).max(initial=0.0))

    def _exact(self) -> tuple[float, int, int]:
        """The highest nearness, and the phase and lag that give it."""
        nearness, lag = max((self.nearness(0, lag), lag) for lag in _LAGS)
        tries = [(phase, near) for phase in range(1, len(self.phases)) for near in (lag, lag + 1)]
        return max((nearness, 0, lag), *((self.nearness(*it), *it) for it in tries))

    def copied(self, fidelity: float) -> Copied | None:
        """The copied stretch on the spot's diagonal, at the exact offset and the best speed."""
        nearness, phase, lag = self._exact()
        if nearness < _LEAST_EXACT * fidelity:
            return None
        clip, best = self.phases[phase], None
        for speed in _SPEEDS:
            shift = self.spot.frame * (1 - speed) + self.spot.shift - self.begins + lag
            diagonal = _Diagonal(clip, self.track, (0, len(clip.values)), shift, speed)
            if (found := diagonal.copied(fidelity)) is None:
                continue
            start, end, correlation = found
            there = max(0.0, speed * start + shift + self.begins)
            begin, stop, begin_there = (frame / FRAMES_PER_SECOND for frame in (start, end, there))
            copied = Copied(self.spot.track_id, begin, stop, begin_there, correlation)
            if best is None or copied.seconds > best.seconds:
                best = copied
        return best


@dataclass(frozen=True)
class _Levels:
    """Levels of a recording without the usual fall of a spectrum, and where they are above silence: both [frames, 48]."""

    values: np.ndarray
    sounding: np.ndarray

    @classmethod
    def of(cls, bands: np.ndarray, silence: float) -> _Levels:
        return cls(np.maximum(bands, np.float32(silence)) - usual(), bands > silence)


class _Diagonal:
    """A clip beside a track: what sounds at frame f of the clip sounds at speed * f + shift of the track."""

    def __init__(
        self, clip: _Levels, track: _Levels, frames: tuple[int, int], shift: float, speed: float = 1.0
    ) -> None:
        most = int(np.floor((len(track.values) - 1 - shift) / speed)) + 1
        first = max(frames[0], int(np.ceil(-shift / speed)))
        self._first, last = first, max(first, min(frames[1], len(clip.values), most))
        times = np.arange(first, last) * speed + shift
        below = times.astype(np.int64)
        share = (times - below).astype(np.float32)[:, None]
        after = np.minimum(below + 1, len(track.values) - 1)
        heard = clip.sounding[first:last] | track.sounding[below]
        here = clip.values[first:last] * heard
        there = (track.values[below] * (1 - share) + track.values[after] * share) * heard
        sums = (heard, here, there, here * here, there * there, here * there)
        by_frame = np.stack(
            [part[:, bands].sum(axis=1, dtype=np.float64) for bands in _RANGES for part in sums]
        )
        total = np.concatenate((np.zeros((len(by_frame), 1)), np.cumsum(by_frame, axis=1)), axis=1)
        self._sums = total.reshape(len(_RANGES), len(sums), -1)

    def correlations(self, size: int) -> np.ndarray:
        """Pearson's correlation of the levels in each window of `size` frames, where one of the two sounds: that of all bands, or
        of the notes alone and NOTES_LESS, whichever is lower.
        """
        if self._sums.shape[-1] <= size:
            return np.zeros(0)
        count, x, y, xx, yy, xy = (self._sums[..., size:] - self._sums[..., :-size]).swapaxes(0, 1)
        many = np.maximum(count, 1)
        spread = np.sqrt(np.maximum(xx - x * x / many, 0) * np.maximum(yy - y * y / many, 0))
        cells = size * np.array([[len(range(BANDS)[bands])] for bands in _RANGES])
        enough = (count >= _SOUNDING_SHARE * cells) & (spread > count)
        found = np.where(enough, (xy - x * y / many) / np.maximum(spread, 1e-9), 0.0)
        return np.minimum(found[0], found[1] + NOTES_LESS)

    def copied(self, fidelity: float) -> tuple[int, int, float] | None:
        """The longest run of frames that lie in copied windows: begin, end, and the highest correlation there."""
        highest = np.zeros(self._sums.shape[-1] - 1)
        for seconds, least in CORRELATIONS:
            size = round(seconds * FRAMES_PER_SECOND)
            found = self.correlations(size)
            allowed = fidelity if seconds >= LONG_SECONDS else (1 + fidelity) / 2
            for at in np.flatnonzero(found >= least * allowed):
                highest[at : at + size] = np.maximum(highest[at : at + size], found[at])
        edges = np.flatnonzero(np.diff(np.concatenate(([0], (highest > 0).astype(np.int8), [0])))).reshape(
            -1, 2
        )
        if not len(edges):
            return None
        start, end = (int(edge) for edge in edges[int((edges[:, 1] - edges[:, 0]).argmax())])
        return start + self._first, end + self._first, float(highest[start:end].max())


def correlation_of(clip: np.ndarray, track: np.ndarray) -> float:
    """How far bands [frames, 48] correlate with others that begin at the same time, give or take 40 ms."""
    here, there = _Levels.of(clip, 0.0), _Levels.of(track, 0.0)
    size = min(len(clip), len(track)) - SKETCH_HOP
    tries = (_Diagonal(here, there, (0, len(clip)), lag).correlations(size) for lag in _LAGS)
    return max((float(found.max(initial=0.0)) for found in tries), default=0.0)
