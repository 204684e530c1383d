"""Near-duplicates among tracks: copies, of which the best is kept, and related tracks, which share a side of the split.

Which copy is the best is decided in better_copy.py. How two fingerprints are compared is in audio/fingerprint/; which tracks are compared at all is found with sketch_index.py. Of
many copies of one recording only a few are compared with each new one: see alike.py.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, cast

import numpy as np
from joblib import Parallel, delayed
from pydantic import Field

from lofi_pipeline import audio
from lofi_pipeline.dataset.alike import REPRESENTATIVES, AlikeTracks
from lofi_pipeline.dataset.sketch_index import Candidate, SketchIndex, index_key
from lofi_pipeline.entities import Entity, RecordError, recording_order
from lofi_pipeline.entities.base import RecordingId, Sha256, TrackId
from lofi_pipeline.processes import worker_processes
from lofi_pipeline.storage import BrokenSeal, DataRoot, file_sha256, locked, read_record, write_sealed

COMPARISON_VERSION = 4
"""Raise it when pairs would be judged otherwise: everything is then compared again."""
_SAVE_EVERY = 500
_PIECE = 8
"""Comparisons that a worker is given at once where a track has many."""
_WORTH_WORKERS = 500
"""Comparisons from which on worker processes are worth it: one takes about 10 ms, starting a worker some seconds."""


class TrackPair(Entity):
    """Two tracks that are near-duplicates."""

    track_id: RecordingId = Field(description="The one registered later")
    other: RecordingId
    kinship: audio.MatchType
    similarity: float = Field(ge=0, le=1, description="Mean cosine of the aligned fingerprints")
    contradiction: float = Field(
        ge=0, le=1, description="Share of clear notes of one that are absent in the other"
    )
    speed: float = Field(gt=0, description="How many times as fast as the other the track is")
    semitones: float = Field(description="How much higher than the other the track is")
    share: float | None = Field(
        default=None, ge=0, le=1, description="Of the shorter one: how much is aligned"
    )
    offset_seconds: float | None = Field(default=None, description="Where in the other the track begins")
    shared_seconds: float | None = Field(default=None, ge=0, description="Of a part: how long it is")

    def in_words(self) -> str:
        """How the track differs from the other: see `in_words`."""
        return in_words(self)


def in_words(found: TrackPair | audio.Likeness) -> str:
    """How the first differs from the second: ", at 0.88 times the speed, 2.2 semitones lower"; empty if in neither."""
    return difference_in_words(found.speed, found.semitones)


def difference_in_words(speed: float, semitones: float) -> str:
    """See `in_words`."""
    words = ""
    if abs(speed - 1) > 0.005:
        words += f", at {speed:.2f} times the speed"
    if abs(semitones) > 0.3:
        words += f", {abs(semitones):.1f} semitones {'higher' if semitones > 0 else 'lower'}"
    return words


class Comparisons(Entity):
    """metadata/duplicates.json: which fingerprints were compared with all others, and the pairs that came out."""

    version: int = COMPARISON_VERSION
    compared: dict[RecordingId, Sha256] = {}
    pairs: list[TrackPair] = []
    alike: dict[RecordingId, RecordingId] = Field(
        default_factory=dict,
        description="By track that was compared with a few of its many copies alone, the first of these: all tracks under one name "
        "are the same recording",
    )
    parts: list[TrackPair] = Field(
        default_factory=list, description="Tracks that hold a part of a recording which may not be trained on"
    )
    searched: dict[RecordingId, Sha256] = Field(
        default_factory=dict, description="The recordings of which parts were looked for in all others"
    )
    fingerprints: dict[RecordingId, Sha256] = Field(
        default_factory=dict, description="Of the fingerprint file of each track, as it was compared"
    )
    sketches: list[Sha256] = Field(default_factory=list, description="Names of the shards of the index")
    scanned: dict[RecordingId, Sha256] = Field(
        default_factory=dict,
        exclude_if=lambda value: not value,
        description="In a library so large that not all is scanned: what may not be trained on, and its kin, that was compared with "
        "the nearest of all",
    )

    def same(self) -> list[TrackPair]:
        """The pairs that are the same recording."""
        return [pair for pair in self.pairs if pair.kinship is audio.MatchType.SAME]


class KnownGroups(Entity):
    """metadata/groups.json: tracks that belong on one side of the split. A group is named after its first track."""

    groups: dict[TrackId, TrackId] = {}


@dataclass(frozen=True)
class Copy:
    """A track that is left out because another one, the original, is the same recording."""

    track_id: str
    original: str
    pair: TrackPair
    advantage: str = ""
    """Why the original is the better copy; empty where it only was registered first."""

    def in_words(self) -> str:
        """What the original has better, and how this track differs from it: ", a better copy (lossless)"."""
        if self.pair.track_id == self.track_id:
            differs = self.pair.in_words()
        else:
            differs = difference_in_words(1 / self.pair.speed, -self.pair.semitones)
        if not self.advantage:
            return differs
        return f", a better copy ({self.advantage})" + (f"; this one{differs[1:]}" if differs else "")


def load_comparisons(root: DataRoot) -> Comparisons:
    """The comparisons so far; none when the file is missing, damaged or of another version."""
    path = root.duplicates_json
    try:
        found = read_record(Comparisons, path)
    except (FileNotFoundError, RecordError):
        return Comparisons()
    return found if found.version == COMPARISON_VERSION else Comparisons()


def compare_tracks(
    root: DataRoot,
    processing: Mapping[str, str],
    progress: Callable[[str], None] = lambda message: None,
    *,
    workers: int = 1,
    barred: Collection[str] = (),
    fingerprints: Mapping[str, str] | None = None,
) -> Comparisons:
    """Compare each track that is new, or was processed anew, with all others. A second run at the same time waits.

    Args:
        processing: by track id, the hash of the processing that wrote its fingerprint.
        barred: recordings that may not be trained on: whoever holds a part of one is looked for as well.
        workers: processes that compare, if there is enough to do; 0 for one a core.
        fingerprints: by track id, the SHA-256 of its fingerprint as the work on the track wrote it.

    A fingerprint that cannot be read is removed, and its track is not compared: the next work on the track makes a new one. One
    that was made again with other bytes is compared once more; what it was found to be the same recording as, it stays.

    Raises:
        BrokenSeal: the fingerprint of a track that was compared is gone, or another one, and a new track may be its copy.
    """
    with locked(root.duplicates_json):
        known = load_comparisons(root)
        index = SketchIndex.open(root, only=known.sketches if known.fingerprints else None)
        sealed = dict(known.fingerprints)
        keys = known.compared | {track_id: index_key(value) for track_id, value in processing.items()}
        made_again = {
            track_id
            for track_id, made in (fingerprints or {}).items()
            if known.fingerprints.get(track_id, made) != made
        }
        compared = {track_id: key for track_id, key in known.compared.items() if keys[track_id] == key}
        stale = set(known.compared) - set(compared)
        compared = {track_id: key for track_id, key in compared.items() if track_id not in made_again}
        for track_id in stale | made_again:
            sealed.pop(track_id, None)
        pairs = [pair for pair in known.pairs if not {pair.track_id, pair.other} & stale]
        _forget_lonely(compared, known.alike, pairs)
        _update_index(root, index, compared, sealed)
        search = _Search.of(root, index, workers, compared, pairs, known.alike)
        parts = _Parts.of(root, index, known, compared, barred, workers)
        reach = _Reach(root, index, frozenset(barred), dict(known.scanned), parts, search.alike)
        fresh = sorted(set(processing) - set(compared), key=recording_order)
        at_once = max(_SAVE_EVERY, len(compared) // 10)  # what is saved grows with the library
        for start in range(0, len(fresh), at_once):
            index.watch(reach.kin(pairs))
            candidates = _index_new(root, index, {it: keys[it] for it in fresh[start : start + at_once]})
            compared |= {track_id: keys[track_id] for track_id in candidates}
            others = {it.track_id for found in candidates.values() for it in found}
            _require_sealed(root, sorted(others & sealed.keys(), key=recording_order), sealed)
            pairs += search.pairs_among(candidates)
            parts.look_in(candidates)
            if start + at_once < len(fresh):
                _save(root, index, compared, pairs, reach, sealed)
                progress(f"compared {start + at_once} of {len(fresh)} new tracks with {len(index.keys)}")
        pairs += reach.pairs_left_out(compared, pairs, sealed)
        parts.look_for_new_ones()
        pairs += reach.pairs_left_out(compared, pairs, sealed)  # of what holds a part
        return _save(root, index, compared, pairs, reach, sealed)


def _forget_lonely(compared: dict[str, str], alike: Mapping[str, str], pairs: Sequence[TrackPair]) -> None:
    """Of tracks that were compared with a few copies alone: those whose few are all made anew count as not compared."""
    same = SameRecordings.of(Comparisons(pairs=list(pairs)))
    for track_id in alike:
        if track_id not in same.partners:
            compared.pop(track_id, None)


def _require_sealed(root: DataRoot, track_ids: Iterable[str], sealed: Mapping[str, str]) -> None:
    """Refuse to compare with fingerprints that are not those that were compared before."""
    for track_id in track_ids:
        path = root.fingerprint(track_id)
        if not path.is_file() or file_sha256(path) != sealed[track_id]:
            fate = "was changed since it was compared" if path.is_file() else "is missing"
            raise BrokenSeal(
                f"{root.relative(path)}: {fate}, so that copies of {track_id} would not be known; take it back from a backup, or have "
                "it made again: `lofi fsck --repair`, then `lofi run`"
            )


def _update_index(
    root: DataRoot, index: SketchIndex, compared: dict[str, str], sealed: Mapping[str, str]
) -> None:
    """Make the index hold exactly the tracks that were compared.

    A track that is missing is added again from its fingerprint; if that cannot be read, it counts as not compared. A track that
    was not compared is removed, so that it is compared like a new one: which pairs are found depends on that order alone.
    """
    missing = sorted(set(compared) - set(index.keys), key=recording_order)
    _require_sealed(root, [track_id for track_id in missing if track_id in sealed], sealed)
    for track_id in missing:
        bands = load_fingerprint(root, track_id)
        if bands is None:
            del compared[track_id]
        else:
            index.add(track_id, compared[track_id], len(bands), audio.sketch(bands))
    for track_id in [track_id for track_id, key in index.keys.items() if compared.get(track_id) != key]:
        index.remove(track_id)


def _index_new(root: DataRoot, index: SketchIndex, keys: Mapping[str, str]) -> dict[str, list[Candidate]]:
    """Add each new track to the index; return the earlier tracks that it may be alike, by track. Unreadable ones are left out."""
    candidates: dict[str, list[Candidate]] = {}
    for track_id, key in keys.items():
        bands = load_fingerprint(root, track_id)
        if bands is not None:
            candidates[track_id] = index.nearby(audio.query_sketches(bands), len(bands), without=[track_id])
            index.add(track_id, key, len(bands), audio.sketch(bands))
    return candidates


def _save(
    root: DataRoot,
    index: SketchIndex,
    compared: Mapping[str, str],
    pairs: Sequence[TrackPair],
    reach: _Reach,
    sealed: dict[str, str],
) -> Comparisons:
    parts, alike = reach.parts, reach.alike.recorded()
    kept: dict[frozenset[str], TrackPair] = {}
    for pair in pairs:
        tracks = frozenset((pair.track_id, pair.other))
        if tracks <= compared.keys() and (tracks not in kept or pair.kinship is audio.MatchType.SAME):
            kept[tracks] = pair
    for track_id in compared.keys() - sealed.keys():
        if root.fingerprint(track_id).is_file():
            sealed[track_id] = file_sha256(root.fingerprint(track_id))
    index.save()
    result = Comparisons(
        compared=dict(sorted(compared.items(), key=lambda item: recording_order(item[0]))),
        pairs=sorted(kept.values(), key=_order),
        alike={track_id: first for track_id, first in alike.items() if track_id in compared},
        parts=sorted(parts.pairs.values(), key=_order),
        searched=dict(sorted(parts.searched.items(), key=lambda item: recording_order(item[0]))),
        fingerprints={
            track_id: sealed[track_id]
            for track_id in sorted(compared.keys() & sealed.keys(), key=recording_order)
        },
        sketches=index.shards,
        scanned=dict(sorted(reach.scanned.items(), key=lambda item: recording_order(item[0]))),
    )
    write_sealed(root, root.duplicates_json, result)
    return result


def _order(pair: TrackPair) -> tuple[tuple[bool, int], tuple[bool, int]]:
    return recording_order(pair.track_id), recording_order(pair.other)


def load_fingerprint(root: DataRoot, track_id: str) -> np.ndarray | None:
    """The fingerprint of a track, uint8 [frames, 60]; None if there is none. A file that cannot be read is removed."""
    path = root.fingerprint(track_id)
    try:
        return read_fingerprint(path)
    except FileNotFoundError:
        return None
    except (ValueError, EOFError):
        path.unlink(missing_ok=True)
        return None


def read_fingerprint(path: Path) -> np.ndarray:
    """The fingerprint in a file.

    Raises:
        ValueError, EOFError: it holds none.
    """
    bands = np.load(path, allow_pickle=False)
    if bands.dtype != np.uint8 or bands.ndim != 2 or bands.shape[1] != audio.BANDS or not len(bands):
        raise ValueError("not a fingerprint")
    return bands


@dataclass
class _Search:
    """Finds the near-duplicates of new tracks among their candidates."""

    root: DataRoot
    index: SketchIndex
    workers: int
    alike: AlikeTracks

    @classmethod
    def of(
        cls,
        root: DataRoot,
        index: SketchIndex,
        workers: int,
        compared: Collection[str],
        pairs: Sequence[TrackPair],
        recorded: Mapping[str, str],
    ) -> _Search:
        """A search that knows what was found before."""
        same = SameRecordings.of(Comparisons(pairs=list(pairs)))
        return cls(root, index, workers, AlikeTracks.of(compared, same.partners, recorded))

    def pairs_among(self, by_track: Mapping[str, Sequence[Candidate]]) -> list[TrackPair]:
        """The near-duplicates of each track, in an order in which each of them knows the groups of those before it."""
        few = sum(map(len, by_track.values())) < _WORTH_WORKERS
        with (
            worker_processes(1 if few else self.workers or -1),
            Parallel() as parallel,
        ):
            # Where there are few candidates no group matters, so these are shared out among the workers at once
            simple = [item for item in by_track.items() if len(item[1]) <= REPRESENTATIVES]
            done = dict(
                zip((track_id for track_id, _ in simple), self._compare(parallel, simple), strict=True)
            )
            pairs: list[TrackPair] = []
            for track_id, candidates in by_track.items():
                found, within = (
                    (done[track_id], None)
                    if track_id in done
                    else self._among_many(parallel, track_id, candidates)
                )
                self.alike.settle(track_id, _same_as(track_id, found), within=within)
                pairs += found
        return pairs

    def _among_many(
        self, parallel: Parallel, track_id: str, candidates: Sequence[Candidate]
    ) -> tuple[list[TrackPair], str | None]:
        """The near-duplicates of a track, and the group that it joins because it is the same recording as its first few.

        With the others of that group it is not compared; nor with the others of a group whose first few have nothing in common
        with it.
        """
        left = {item.track_id: item for item in candidates}
        pairs: list[TrackPair] = []
        within = None
        for representatives, members in self.alike.crowded(left):
            few = [left.pop(name) for name in representatives if name in left]
            few += self._candidates(track_id, set(representatives) - {item.track_id for item in few})
            found = _pairs_of(self.root, track_id, few)
            pairs += found
            joins = within is None and set(representatives) <= _same_as(track_id, found)
            if joins:
                within = representatives[0]
            if joins or not found:
                left = {name: item for name, item in left.items() if name not in members}
        rest = list(left.values())
        pieces = [(track_id, rest[start : start + _PIECE]) for start in range(0, len(rest), _PIECE)]
        pairs += chain.from_iterable(self._compare(parallel, pieces))
        return pairs, within

    def _candidates(self, track_id: str, others: Collection[str]) -> list[Candidate]:
        """Tracks that the index did not name, but that stand for some that it did."""
        bands = load_fingerprint(self.root, track_id) if others else None
        if bands is None:
            return []
        queries = audio.query_sketches(bands)
        return [self.index.candidate(it, queries, len(bands)) for it in sorted(others, key=recording_order)]

    def _compare(
        self, parallel: Parallel, work: Sequence[tuple[str, Sequence[Candidate]]]
    ) -> list[list[TrackPair]]:
        """The near-duplicates of each track among some candidates."""
        return cast(list[list[TrackPair]], parallel(delayed(_pairs_of)(self.root, *item) for item in work))


@dataclass
class _Parts:
    """Finds what holds a part of a recording that may not be trained on."""

    root: DataRoot
    index: SketchIndex
    barred: Collection[str]
    compared: Mapping[str, str]
    pairs: dict[tuple[str, str], TrackPair]
    searched: dict[str, str]
    """By barred recording, the key of the fingerprint that was looked for in every other."""
    workers: int = 1

    @classmethod
    def of(
        cls,
        root: DataRoot,
        index: SketchIndex,
        known: Comparisons,
        compared: Mapping[str, str],
        barred: Collection[str],
        workers: int,
    ) -> _Parts:
        """What was found before, of tracks that were not made anew since."""
        pairs = {
            (pair.track_id, pair.other): pair
            for pair in known.parts
            if pair.track_id in compared and pair.other in compared
        }
        # One that may be trained on meanwhile was not looked for in what came since
        searched = {it: key for it, key in known.searched.items() if compared.get(it) == key and it in barred}
        return cls(root, index, frozenset(barred), compared, pairs, searched, workers)

    def look_in(self, by_track: Mapping[str, Sequence[Candidate]]) -> None:
        """Look for parts of barred recordings in new tracks; of a new one that is barred, in all before it."""
        self._look(
            {
                track_id: candidates
                if track_id in self.barred
                else [it for it in candidates if it.track_id in self.barred]
                for track_id, candidates in by_track.items()
            }
        )

    def look_for_new_ones(self) -> None:
        """Look in all tracks for parts of the recordings that were barred since the last time."""
        new = {
            it: key for it, key in self.compared.items() if it in self.barred and self.searched.get(it) != key
        }
        work: dict[str, list[Candidate]] = {}
        for track_id in sorted(new, key=recording_order):
            bands = load_fingerprint(self.root, track_id)
            if bands is not None:
                work[track_id] = self.index.likely(
                    audio.query_sketches(bands), len(bands), without=[track_id]
                )
        self._look(work)
        self.searched |= {track_id: new[track_id] for track_id in work}

    def _look(self, by_track: Mapping[str, Sequence[Candidate]]) -> None:
        work = [(track_id, candidates) for track_id, candidates in by_track.items() if candidates]
        if not work:
            return
        few = sum(len(candidates) for _, candidates in work) < _WORTH_WORKERS
        with worker_processes(1 if few else self.workers or -1), Parallel() as parallel:
            found = cast(
                list[list[TrackPair]], parallel(delayed(_parts_of)(self.root, *item) for item in work)
            )
        for pair in chain.from_iterable(found):
            self.pairs.setdefault((pair.track_id, pair.other), pair)


@dataclass
class _Reach:
    """Compares what may not be trained on, and its kin, with the nearest of all others, which the tree of a large index might miss."""

    root: DataRoot
    index: SketchIndex
    barred: Collection[str]
    scanned: dict[str, str]
    """By recording that was compared so, the key of its fingerprint."""
    parts: _Parts
    alike: AlikeTracks

    def kin(self, pairs: Iterable[TrackPair]) -> set[str]:
        """The barred recordings, what is the same recording as one, what holds a part of these, and the copies of that."""
        neighbours: defaultdict[str, set[str]] = defaultdict(set)
        same = ((it.track_id, it.other) for it in pairs if it.kinship is audio.MatchType.SAME)
        for one, other in chain(same, self.alike.recorded().items()):
            neighbours[one].add(other)
            neighbours[other].add(one)
        found = _hanging_together(self.barred, neighbours)
        holding = {it for both in self.parts.pairs if found & set(both) for it in both}
        return _hanging_together(found | holding, neighbours)

    def pairs_left_out(
        self, compared: Mapping[str, str], pairs: Sequence[TrackPair], sealed: Mapping[str, str]
    ) -> list[TrackPair]:
        """Of a large index, the pairs of each of these with what is not known to be kin; and of those that so become kin."""
        found: list[TrackPair] = []
        while self.index.is_large:
            kin = self.kin([*pairs, *found])
            self.scanned = {it: key for it, key in self.scanned.items() if it in kin}
            left = [it for it in kin if it in compared and self.scanned.get(it) != compared[it]]
            for track_id in sorted(left, key=recording_order):
                found += self._with_nearest(track_id, kin, sealed)
                self.scanned[track_id] = compared[track_id]
            if not left:
                break
        return found

    def _with_nearest(
        self, track_id: str, kin: Collection[str], sealed: Mapping[str, str]
    ) -> list[TrackPair]:
        bands = load_fingerprint(self.root, track_id)
        if bands is None:
            return []
        nearest = self.index.likely(audio.query_sketches(bands), len(bands), without=kin)
        others = {it.track_id for it in nearest} & sealed.keys()
        _require_sealed(self.root, sorted(others, key=recording_order), sealed)
        return _pairs_of(self.root, track_id, nearest)


def _hanging_together(seeds: Iterable[str], neighbours: Mapping[str, set[str]]) -> set[str]:
    """The seeds, and all that a way of neighbours leads to."""
    found = set(seeds)
    open_ones = list(found)
    while open_ones:
        new = neighbours.get(open_ones.pop(), set()) - found
        found |= new
        open_ones += new
    return found


def _parts_of(root: DataRoot, track_id: str, candidates: Sequence[Candidate]) -> list[TrackPair]:
    """The pairs of a recording with those that hold a part of it, or of which it holds one."""
    bands = load_fingerprint(root, track_id)
    if bands is None:
        return []
    pairs = []
    for candidate in candidates:
        other = load_fingerprint(root, candidate.track_id)
        found = audio.shared_part(bands, other, candidate.hints) if other is not None else None
        if found is not None and found.shared_seconds:
            pairs.append(_pair(track_id, candidate.track_id, found, audio.MatchType.PART))
    return pairs


def _same_as(track_id: str, pairs: Sequence[TrackPair]) -> set[str]:
    """The tracks that a track is the same recording as, by its pairs."""
    same = [pair for pair in pairs if pair.kinship is audio.MatchType.SAME]
    return {pair.other if pair.track_id == track_id else pair.track_id for pair in same}


def _pairs_of(root: DataRoot, track_id: str, candidates: Sequence[Candidate]) -> list[TrackPair]:
    pairs = []
    bands = load_fingerprint(root, track_id)
    if bands is None:
        return []
    for candidate in candidates:
        other = load_fingerprint(root, candidate.track_id)
        if other is not None:
            likeness = audio.compare_at(bands, other, candidate.hints)
            if likeness.match_type is not audio.MatchType.NONE:
                pairs.append(_pair(track_id, candidate.track_id, likeness, likeness.match_type))
    return pairs


def _pair(track_id: str, other: str, likeness: audio.Likeness, kinship: audio.MatchType) -> TrackPair:
    if recording_order(track_id) < recording_order(other):
        track_id, other, likeness = other, track_id, likeness.swapped()
    return TrackPair(
        track_id=track_id,
        other=other,
        kinship=kinship,
        similarity=round(likeness.similarity, 4),
        contradiction=round(likeness.contradiction, 4),
        speed=round(likeness.speed, 4),
        semitones=round(likeness.semitones, 2),
        share=round(likeness.overlap, 4),
        offset_seconds=round(likeness.offset_seconds, 2),
        shared_seconds=round(likeness.shared_seconds, 1) or None,
    )


def copies_among(
    track_ids: Sequence[str], found: Comparisons, rank: Callable[[str], Any] = recording_order
) -> dict[str, Copy]:
    """Which of the tracks are copies: those that are the same recording as one of a lower rank that is not a copy itself."""
    same = SameRecordings.of(found)
    copies: dict[str, Copy] = {}
    kept: set[str] = set()
    kept_of: dict[str, str] = {}
    """By group of many copies, the first track that is kept."""
    for track_id in sorted(track_ids, key=rank):
        group = found.alike.get(track_id)
        originals = same.partners[track_id] & kept
        originals |= {kept_of[group]} if group in kept_of else set()
        if originals:
            original = min(originals, key=rank)
            copies[track_id] = Copy(track_id, original, same.pair(track_id, original))
        else:
            kept.add(track_id)
            if group:
                kept_of[group] = track_id
    return copies


@dataclass(frozen=True)
class SameRecordings:
    """The pairs that are the same recording, by both tracks, those included that follow from a group of many copies."""

    partners: defaultdict[str, set[str]]
    pairs: Mapping[frozenset[str], TrackPair]

    @classmethod
    def of(cls, found: Comparisons) -> SameRecordings:
        partners: defaultdict[str, set[str]] = defaultdict(set)
        pairs = {frozenset((pair.track_id, pair.other)): pair for pair in found.same()}
        for pair in pairs.values():
            partners[pair.track_id].add(pair.other)
            partners[pair.other].add(pair.track_id)
        return cls(partners, pairs)

    def pair(self, track_id: str, other: str) -> TrackPair:
        """What was found of two tracks; where they were not compared, what follows from what both were compared with."""
        known = self.pairs.get(frozenset((track_id, other)))
        if known is not None:
            return known
        between = min(self.partners[track_id] & self.partners[other], key=recording_order, default=None)
        one, two = self._seen_from(track_id, between), self._seen_from(other, between)
        likeness = audio.Likeness(
            similarity=min(one.similarity, two.similarity),
            contradiction=max(one.contradiction, two.contradiction),
            overlap=1.0,
            speed=one.speed / two.speed,
            semitones=one.semitones - two.semitones,
        )
        return _pair(track_id, other, likeness, audio.MatchType.SAME)

    def speed_against(self, track_id: str, other: str) -> float:
        """How many times as fast as the other a track is played."""
        pair = self.pair(track_id, other)
        return pair.speed if pair.track_id == track_id else 1 / pair.speed

    def _seen_from(self, track_id: str, between: str | None) -> audio.Likeness:
        """What was found of a track against another; without another, as if they were one."""
        if between is None:
            return audio.Likeness(1.0, 0.0, 1.0)
        pair = self.pairs[frozenset((track_id, between))]
        likeness = audio.Likeness(pair.similarity, pair.contradiction, 1.0, pair.speed, pair.semitones)
        return likeness if pair.track_id == track_id else likeness.swapped()


def group_related(track_ids: Sequence[str], found: Comparisons, known: Mapping[str, str]) -> dict[str, str]:
    """The group of each track. Known groups stay; new related tracks join the known group that is most similar, or a new one."""
    wanted = set(track_ids)
    pairs = [pair for pair in found.pairs if {pair.track_id, pair.other} <= wanted | set(known)]
    pairs += _along_groups(wanted | set(known), found)
    parent = {track_id: track_id for track_id in wanted - set(known)}

    def root_of(track_id: str) -> str:
        while parent[track_id] != track_id:
            track_id = parent[track_id]
        return track_id

    for pair in pairs:
        if pair.track_id in parent and pair.other in parent:
            first, second = sorted((root_of(pair.track_id), root_of(pair.other)), key=recording_order)
            parent[second] = first
    joined: dict[str, tuple[float, str]] = {}
    for pair in pairs:
        for fresh, other in ((pair.track_id, pair.other), (pair.other, pair.track_id)):
            if fresh in parent and other in known:
                best = (pair.similarity, known[other])
                joined[root_of(fresh)] = max(best, joined.get(root_of(fresh), best))
    return {
        track_id: known[track_id]
        if track_id in known
        else joined.get(root_of(track_id), (0.0, root_of(track_id)))[1]
        for track_id in track_ids
    }


def _along_groups(track_ids: Collection[str], found: Comparisons) -> list[TrackPair]:
    """Of each group of many copies, pairs that tie those of the tracks together that are in it."""
    same, before = SameRecordings.of(found), dict[str, str]()
    pairs = []
    for track_id, group in found.alike.items():
        if track_id in track_ids:
            if group in before:
                pairs.append(same.pair(track_id, before[group]))
            before[group] = track_id
    return pairs
