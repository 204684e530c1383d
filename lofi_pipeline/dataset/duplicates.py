"""Near-duplicates among tracks: copies, of which the first registered is kept, and related tracks, which share a side of the split.

How two fingerprints are compared is in audio/fingerprint/; which tracks are compared at all is found with sketch_index.py.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import cast

import numpy as np
from joblib import Parallel, delayed
from pydantic import Field

from lofi_pipeline import audio
from lofi_pipeline.dataset.sketch_index import Candidate, SketchIndex, index_key
from lofi_pipeline.entities import Entity, RecordError, track_number
from lofi_pipeline.entities.base import Sha256, TrackId
from lofi_pipeline.processes import worker_processes
from lofi_pipeline.storage import DataRoot, locked, read_json, write_json_atomic

COMPARISON_VERSION = 4
"""Raise it when pairs would be judged otherwise: everything is then compared again."""
_SAVE_EVERY = 500
_WORTH_WORKERS = 500
"""Comparisons from which on worker processes are worth it: one takes about 10 ms, starting a worker some seconds."""


class TrackPair(Entity):
    """Two tracks that are near-duplicates."""

    track_id: TrackId = Field(description="The one registered later")
    other: TrackId
    kinship: audio.MatchType
    similarity: float = Field(ge=0, le=1, description="Mean cosine of the aligned fingerprints")
    contradiction: float = Field(
        ge=0, le=1, description="Share of clear notes of one that are absent in the other"
    )
    speed: float = Field(gt=0, description="How many times as fast as the other the track is")
    semitones: float = Field(description="How much higher than the other the track is")

    def in_words(self) -> str:
        """How the track differs from the other: ", at 0.88 times the speed, 2.2 semitones lower"; empty if in neither."""
        words = ""
        if abs(self.speed - 1) > 0.005:
            words += f", at {self.speed:.2f} times the speed"
        if abs(self.semitones) > 0.3:
            words += f", {abs(self.semitones):.1f} semitones {'higher' if self.semitones > 0 else 'lower'}"
        return words


class Comparisons(Entity):
    """metadata/duplicates.json: which fingerprints were compared with all others, and the pairs that came out."""

    version: int = COMPARISON_VERSION
    compared: dict[TrackId, Sha256] = {}
    pairs: list[TrackPair] = []


class KnownGroups(Entity):
    """metadata/groups.json: tracks that belong on one side of the split. A group is named after its first track."""

    groups: dict[TrackId, TrackId] = {}


@dataclass(frozen=True)
class Copy:
    """A track that is left out because an earlier one is the same recording."""

    track_id: str
    original: str
    pair: TrackPair


def load_comparisons(root: DataRoot) -> Comparisons:
    """The comparisons so far; none when the file is missing, damaged or of another version."""
    path = root.metadata / "duplicates.json"
    try:
        found = Comparisons.parse(read_json(path), where=str(path))
    except (FileNotFoundError, RecordError):
        return Comparisons()
    return found if found.version == COMPARISON_VERSION else Comparisons()


def compare_tracks(
    root: DataRoot,
    processing: Mapping[str, str],
    progress: Callable[[str], None] = lambda message: None,
    *,
    workers: int = 1,
) -> Comparisons:
    """Compare each track that is new, or was processed anew, with all others. A second run at the same time waits.

    Args:
        processing: by track id, the hash of the processing that wrote its fingerprint.
        workers: processes that compare, if there is enough to do; 0 for one a core.

    A fingerprint that cannot be read is removed, and its track is not compared: the next work on the track makes a new one.
    """
    with locked(root.metadata / "duplicates.json"):
        known, index = load_comparisons(root), SketchIndex.open(root)
        keys = known.compared | {track_id: index_key(value) for track_id, value in processing.items()}
        compared = {track_id: key for track_id, key in known.compared.items() if keys[track_id] == key}
        stale = set(known.compared) - set(compared)
        pairs = [pair for pair in known.pairs if not {pair.track_id, pair.other} & stale]
        _update_index(root, index, compared)
        fresh = sorted(set(processing) - set(compared), key=track_number)
        for start in range(0, len(fresh), _SAVE_EVERY):
            candidates = _index_new(root, index, {it: keys[it] for it in fresh[start : start + _SAVE_EVERY]})
            compared |= {track_id: keys[track_id] for track_id in candidates}
            pairs += _pairs_among(root, candidates, workers)
            if start + _SAVE_EVERY < len(fresh):
                _save(root, index, compared, pairs)
                progress(f"compared {start + _SAVE_EVERY} of {len(fresh)} new tracks with {len(index.keys)}")
        return _save(root, index, compared, pairs)


def _update_index(root: DataRoot, index: SketchIndex, compared: dict[str, str]) -> None:
    """Make the index hold exactly the tracks that were compared.

    A track that is missing is added again from its fingerprint; if that cannot be read, it counts as not compared. A track that
    was not compared is removed, so that it is compared like a new one: which pairs are found depends on that order alone.
    """
    for track_id in sorted(set(compared) - set(index.keys), key=track_number):
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
            candidates[track_id] = index.likely(audio.query_sketches(bands), len(bands), without=track_id)
            index.add(track_id, key, len(bands), audio.sketch(bands))
    return candidates


def _save(
    root: DataRoot, index: SketchIndex, compared: Mapping[str, str], pairs: Sequence[TrackPair]
) -> Comparisons:
    kept = [pair for pair in pairs if pair.track_id in compared and pair.other in compared]
    result = Comparisons(
        compared=dict(sorted(compared.items(), key=lambda item: track_number(item[0]))),
        pairs=sorted(kept, key=lambda pair: (track_number(pair.track_id), track_number(pair.other))),
    )
    index.save()
    write_json_atomic(root.metadata / "duplicates.json", result)
    return result


def load_fingerprint(root: DataRoot, track_id: str) -> np.ndarray | None:
    """The fingerprint of a track, uint8 [frames, 60]; None if there is none. A file that cannot be read is removed."""
    path = root.fingerprint(track_id)
    try:
        bands = np.load(path, allow_pickle=False)
        if bands.dtype != np.uint8 or bands.ndim != 2 or bands.shape[1] != audio.BANDS or not len(bands):
            raise ValueError("not a fingerprint")
    except FileNotFoundError:
        return None
    except (ValueError, EOFError):
        path.unlink(missing_ok=True)
        return None
    return bands


def _pairs_among(
    root: DataRoot, by_track: Mapping[str, Sequence[Candidate]], workers: int
) -> list[TrackPair]:
    """The near-duplicates of each track among its candidates."""
    few = sum(map(len, by_track.values())) < _WORTH_WORKERS
    with worker_processes(1 if few else workers or -1):
        found = Parallel()(
            delayed(_pairs_of)(root, track_id, candidates) for track_id, candidates in by_track.items()
        )
    return list(chain.from_iterable(cast(list[list[TrackPair]], found)))


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
                pairs.append(_pair(track_id, candidate.track_id, likeness))
    return pairs


def _pair(track_id: str, other: str, likeness: audio.Likeness) -> TrackPair:
    if track_number(track_id) < track_number(other):
        track_id, other, likeness = other, track_id, likeness.swapped()
    return TrackPair(
        track_id=track_id,
        other=other,
        kinship=likeness.match_type,
        similarity=round(likeness.similarity, 4),
        contradiction=round(likeness.contradiction, 4),
        speed=round(likeness.speed, 4),
        semitones=round(likeness.semitones, 2),
    )


def copies_among(track_ids: Sequence[str], found: Comparisons) -> dict[str, Copy]:
    """Which of the tracks are copies: those that are the same recording as one registered before and not a copy itself."""
    earlier: dict[str, list[TrackPair]] = {}
    for pair in found.pairs:
        if pair.kinship is audio.MatchType.SAME:
            earlier.setdefault(pair.track_id, []).append(pair)
    copies: dict[str, Copy] = {}
    kept: set[str] = set()
    for track_id in sorted(track_ids, key=track_number):
        originals = [pair for pair in earlier.get(track_id, []) if pair.other in kept]
        if originals:
            pair = min(originals, key=lambda item: track_number(item.other))
            copies[track_id] = Copy(track_id, pair.other, pair)
        else:
            kept.add(track_id)
    return copies


def copies_of(originals: Collection[str], found: Comparisons) -> dict[str, Copy]:
    """Every other track that is the same recording as one of `originals`, whichever was registered first."""
    copies: dict[str, Copy] = {}
    for pair in found.pairs:
        if pair.kinship is audio.MatchType.SAME:
            for track_id, original in ((pair.track_id, pair.other), (pair.other, pair.track_id)):
                if original in originals and track_id not in originals:
                    copies.setdefault(track_id, Copy(track_id, original, pair))
    return copies


def group_related(track_ids: Sequence[str], found: Comparisons, known: Mapping[str, str]) -> dict[str, str]:
    """The group of each track. Known groups stay; new related tracks join the known group that is most similar, or a new one."""
    wanted = set(track_ids)
    pairs = [pair for pair in found.pairs if {pair.track_id, pair.other} <= wanted | set(known)]
    parent = {track_id: track_id for track_id in wanted - set(known)}

    def root_of(track_id: str) -> str:
        while parent[track_id] != track_id:
            track_id = parent[track_id]
        return track_id

    for pair in pairs:
        if pair.track_id in parent and pair.other in parent:
            first, second = sorted((root_of(pair.track_id), root_of(pair.other)), key=track_number)
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
