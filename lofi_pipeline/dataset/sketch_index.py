"""The index of sketches: finds the tracks that may be near-duplicates of a new one, by a scan over all sketches or by a tree.

The index is only a cache (cache/fingerprints/): shards named by the SHA-256 of their bytes. A damaged shard is removed, and
its sketches are made again from the fingerprint files. Whether candidates are near-duplicates is decided in duplicates.py.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from lofi_pipeline import audio
from lofi_pipeline.dataset.sketch_tree import SketchTree
from lofi_pipeline.entities import recording_order
from lofi_pipeline.storage import DataRoot, content_sha256, no_search_for_cycles, write_bytes_atomic

SHARD_TRACKS = 2000
CANDIDATES = 32
LEAST_SCORE = 0.6
"""Sketches of copies score 0.75 and more, of most other tracks 0.45 and less."""
EXACT_UP_TO = 20_000
"""Of more tracks the tree leads to those that are looked at. Up to 10,000 it is no faster than the scan of all."""
_BLOCK = 8192


@dataclass(frozen=True)
class Candidate:
    """A track that may be a near-duplicate, and the windows that match."""

    track_id: str
    hints: list[audio.Hint]


@dataclass
class SketchIndex:
    """The sketches of many tracks in memory. `add` replaces; nothing is written before `save`."""

    folder: Path
    keys: dict[str, str] = field(default_factory=dict)
    """By track, the `index_key` of its fingerprint."""
    _entries: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    """By track, its first row, its number of rows, and the frames of its fingerprint."""
    _rows: np.ndarray = field(default_factory=lambda: np.zeros((1024, audio.DIMENSIONS), np.int8))
    _used: int = 0
    _owners: np.ndarray = field(default_factory=lambda: np.full(1024, -1, np.int32))
    """By row, the number of the track in `_tracks`; -1 where the row was replaced."""
    _tracks: list[str] = field(default_factory=list)
    _tree: SketchTree | None = None
    _watched: np.ndarray = field(default_factory=lambda: np.empty(0, np.int32))
    """The rows of the tracks that are always looked at."""
    _shards: dict[str, list[str]] = field(default_factory=dict)
    _unsaved: set[str] = field(default_factory=set)

    @classmethod
    @no_search_for_cycles()
    def open(cls, root: DataRoot, *, only: Collection[str] | None = None, tidy: bool = True) -> SketchIndex:
        """The index of a data root as it was saved; empty where there is none.

        Args:
            only: the names of the shards that are trusted; None: all.
            tidy: remove shards that are damaged or not trusted; else they are only passed over.
        """
        index = cls(root.cache / "fingerprints")
        for path in sorted(index.folder.glob("*.npz")):
            holds = (only is None or path.stem in only) and index._load(path)
            if tidy and not holds:
                path.unlink(missing_ok=True)
        return index

    @property
    def shards(self) -> list[str]:
        """The names of the shards that were saved: the SHA-256 of each."""
        return sorted(self._shards)

    def _load(self, path: Path) -> bool:
        data = path.read_bytes()
        try:
            if hashlib.sha256(data).hexdigest() != path.stem:
                raise ValueError("not the bytes that were written")
            with np.load(io.BytesIO(data), allow_pickle=False) as shard:
                ids, keys, frames, rows = (shard[name] for name in ("ids", "keys", "frames", "rows"))
                if int(shard["version"]) != audio.SKETCH_VERSION:
                    raise ValueError("of another version")
        except (ValueError, KeyError, OSError, BadZipFile):
            return False
        at = 0
        for track_id, key, count in zip(ids.tolist(), keys.tolist(), frames.tolist(), strict=True):
            windows = audio.windows_in(count)
            self._put(track_id, key, count, rows[at : at + windows])
            at += windows
        self._shards[path.stem] = ids.tolist()
        return True

    def add(self, track_id: str, key: str, frames: int, sketch: np.ndarray) -> None:
        """Take in the sketch, int8 [windows, 64], of a fingerprint of that many frames."""
        self._put(track_id, key, frames, sketch)
        self._unsaved.add(track_id)
        if self._tree and _is_track(track_id):
            self._tree.insert(self._rows, self._rows_of(track_id))

    def _put(self, track_id: str, key: str, frames: int, sketch: np.ndarray) -> None:
        end = self._used + len(sketch)
        if end > len(self._rows):
            more = 2 * end - len(self._rows)
            self._rows = np.concatenate((self._rows, np.zeros((more, audio.DIMENSIONS), np.int8)))
            self._owners = np.concatenate((self._owners, np.full(more, -1, np.int32)))
        self._disown(track_id)
        self._rows[self._used : end] = sketch
        self._owners[self._used : end] = len(self._tracks)
        self._tracks.append(track_id)
        self._entries[track_id] = (self._used, len(sketch), frames)
        self.keys[track_id] = key
        self._used += len(sketch)

    def _rows_of(self, track_id: str) -> np.ndarray:
        start, count, _ = self._entries[track_id]
        return np.arange(start, start + count, dtype=np.int32)

    def _disown(self, track_id: str) -> None:
        if track_id in self._entries:
            self._owners[self._rows_of(track_id)] = -1

    def remove(self, track_id: str) -> None:
        """Forget a track."""
        self._disown(track_id)
        self.keys.pop(track_id, None)
        self._entries.pop(track_id, None)
        self._unsaved.add(track_id)

    @property
    def is_large(self) -> bool:
        """Whether `nearby` goes by the tree."""
        return len(self._entries) > EXACT_UP_TO

    def watch(self, track_ids: Collection[str]) -> None:
        """Look at these in `nearby`, too, wherever the tree leads; as at all recordings that are no tracks, which are in no tree."""
        watched = {*track_ids, *(it for it in self._entries if not _is_track(it))} & self._entries.keys()
        rows = [self._rows_of(track_id) for track_id in watched]
        self._watched = np.sort(np.concatenate(rows)) if rows else np.empty(0, np.int32)

    def nearby(self, queries: np.ndarray, frames: int, *, without: Collection[str] = ()) -> list[Candidate]:
        """As `likely`; in a large index, of those tracks that are watched or that the tree leads to."""
        if not self.is_large:
            return self.likely(queries, frames, without=without)
        flat = queries.reshape(-1, queries.shape[-1])
        scaled = flat * np.float32(audio.SKETCH_SCALE)
        everyone = np.arange(len(flat))
        owners, scores = [np.empty(0, np.int32)], [np.empty(0, np.float32)]
        for rows, asking in chain(self._grown().leaves(audio.stored(flat)), [(self._watched, everyone)]):
            if len(rows):
                alike = np.max(scaled[asking] @ self._rows[rows].astype(np.float32).T, axis=0)
                near = (alike >= LEAST_SCORE) & (self._owners[rows] >= 0)
                owners.append(self._owners[rows[near]])
                scores.append(alike[near])
        tracks, which = np.unique(np.concatenate(owners), return_inverse=True)
        best = np.zeros(len(tracks), np.float32)
        np.maximum.at(best, which, np.concatenate(scores))
        found = [
            (-score, recording_order(self._tracks[at]), self._tracks[at])
            for at, score in zip(tracks.tolist(), best.tolist(), strict=True)
            if self._tracks[at] not in without
        ]
        return [self.candidate(track_id, queries, frames) for *_, track_id in sorted(found)[:CANDIDATES]]

    def _grown(self) -> SketchTree:
        """The tree, of the tracks in the order in which they were registered."""
        if self._tree is None:
            self._tree = SketchTree()
            in_order = sorted(filter(_is_track, self._entries), key=recording_order)
            rows = [np.empty(0, np.int32), *(self._rows_of(track_id) for track_id in in_order)]
            self._tree.insert(self._rows, np.concatenate(rows))
        return self._tree

    def likely(self, queries: np.ndarray, frames: int, *, without: Collection[str] = ()) -> list[Candidate]:
        """The most similar tracks, best first: all are looked at.

        Args:
            queries: `query_sketches` of a fingerprint, float32 [speeds, windows, 64].
            frames: the length of that fingerprint.
            without: tracks that are left out.
        """
        entries = [(track_id, *entry) for track_id, entry in self._entries.items() if track_id not in without]
        if not entries:
            return []
        alike = self._scan(queries.reshape(-1, queries.shape[-1]))
        starts = np.array([entry[1] for entry in entries])
        ends = starts + np.array([entry[2] for entry in entries])
        # Between the end of one track and the start of the next may lie rows that were replaced.
        order = np.argsort(starts, kind="stable")
        bounds = np.stack((starts[order], ends[order]), axis=1).ravel()
        scores = np.empty(len(entries), np.float32)
        scores[order] = np.maximum.reduceat(np.append(alike, np.float32(-1)), bounds)[::2]
        best = np.argsort(-scores, kind="stable")[:CANDIDATES]
        found = []
        for at in best[scores[best] >= LEAST_SCORE]:
            found.append(self.candidate(entries[at][0], queries, frames))
        return found

    def candidate(self, track_id: str, queries: np.ndarray, frames: int) -> Candidate:
        """One track as a candidate, however similar it is; queries and frames as `likely` takes them."""
        start, count, other_frames = self._entries[track_id]
        return Candidate(
            track_id, audio.hints_of(queries, self._rows[start : start + count], frames, other_frames)
        )

    def _scan(self, queries: np.ndarray) -> np.ndarray:
        """For each row of the index, the highest cosine with any query: float32 [rows]."""
        best = np.empty(self._used, np.float32)
        scaled = queries * np.float32(audio.SKETCH_SCALE)
        for start in range(0, self._used, _BLOCK):
            part = self._rows[start : min(start + _BLOCK, self._used)].astype(np.float32)
            np.max(scaled @ part.T, axis=0, out=best[start : start + len(part)])
        return best

    def save(self) -> None:
        """Write what is new. Full shards without outdated sketches stay as they are."""
        if not self._unsaved:
            return
        kept: set[str] = set()
        for ids in self._shards.values():
            if len(ids) == SHARD_TRACKS and not self._unsaved & set(ids):
                kept |= set(ids)
        loose = [track_id for track_id in self.keys if track_id not in kept]
        fresh = {}
        for start in range(0, len(loose), SHARD_TRACKS):
            ids = loose[start : start + SHARD_TRACKS]
            data = self._shard(ids)
            name = hashlib.sha256(data).hexdigest()
            write_bytes_atomic(self.folder / f"{name}.npz", data)
            fresh[name] = ids
        for name, ids in list(self._shards.items()):
            if name not in fresh and not set(ids) <= kept:
                (self.folder / f"{name}.npz").unlink(missing_ok=True)
                del self._shards[name]
        self._shards |= fresh
        self._unsaved.clear()

    def _shard(self, ids: Sequence[str]) -> bytes:
        entries = [self._entries[track_id] for track_id in ids]
        buffer = io.BytesIO()
        np.savez(
            buffer,
            version=np.int64(audio.SKETCH_VERSION),
            ids=np.array(ids),
            keys=np.array([self.keys[track_id] for track_id in ids]),
            frames=np.array([frames for _, _, frames in entries]),
            rows=np.concatenate([self._rows[start : start + count] for start, count, _ in entries]),
        )
        return buffer.getvalue()


def _is_track(recording_id: str) -> bool:
    return recording_id.startswith("track_")


def index_key(processing: str) -> str:
    """The hash of what a sketch depends on: the processing that wrote the fingerprint, and the version of sketches."""
    return content_sha256([processing, audio.SKETCH_VERSION])
