"""Bringing the index of the track list up to date: what changed since is told by the size, time and inode of the files that it was
made of, and only records that changed are read.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from lofi_pipeline.config import PipelineConfig
from lofi_pipeline.dataset.eligibility import eligibility_of
from lofi_pipeline.dataset.exclusions import Barrier, Barriers, tracks_with_fingerprint, uncompared
from lofi_pipeline.dataset.file_stamps import UNSETTLED, folder_stamp, stamps_in, state_of_inputs
from lofi_pipeline.dataset.overview import TrackOverview, overview, with_work
from lofi_pipeline.dataset.track_tables import OTHERS_FROM, Kept, Row, changing, place_of, remove, write
from lofi_pipeline.dataset.worked import Worked, load_worked
from lofi_pipeline.entities import Entity
from lofi_pipeline.ingest import load_registry
from lofi_pipeline.storage import DataRoot, locked

_LOOK_AGAIN_SECONDS = 30
"""A record that was written to in place leaves its folder's time as it is: what is seen at once is what is renamed into place."""
_FEW_RECORDS = 500
"""These are looked at each time: it takes a few milliseconds."""
_AT_ONCE = 500
"""Records or lines between two words on how far it is."""
_RECORDS, _EDITS, _FINGERPRINTS = _FOLDERS = ("record", "edits", "fingerprints")
_SUFFIX = {_RECORDS: ".json", _EDITS: ".jsonl"}
"""Of the files that are looked at one by one."""


@dataclass(frozen=True)
class Progress:
    """How far the index is: records that were read, then lines that were written."""

    doing: str
    done: int
    of: int

    def __str__(self) -> str:
        return f"{self.doing} {self.done:,} of {self.of:,}"


class Refreshed(Entity):
    """What was done to bring the index up to date."""

    looked_at: int = 0
    """Records whose size and time were asked."""
    read: int = 0
    """Records that were read."""
    all_anew: bool = False
    """Whether what decides for all tracks was read."""


class _Seen(Entity):
    """The state of the data root that an index was made of."""

    inputs: str
    folders: dict[str, str]
    looked: float

    def is_old(self, now: _Seen) -> bool:
        """Whether everything should be looked at again."""
        return abs(now.looked - self.looked) > _LOOK_AGAIN_SECONDS


def is_made(database: sqlite3.Connection) -> bool:
    """Whether it was whole once. One whose making was broken off is not."""
    return _seen(database) is not None


def _seen(database: sqlite3.Connection) -> _Seen | None:
    found = database.execute("SELECT value FROM meta WHERE name = 'seen'").fetchone()
    return _Seen.model_validate_json(found[0]) if found else None


@dataclass(frozen=True)
class Refresh:
    """The work on an index that is open."""

    root: DataRoot
    config: PipelineConfig
    database: sqlite3.Connection
    tell: Callable[[Progress], object] = lambda _: None

    def __call__(self) -> Refreshed:
        """Bring it up to date with the records.

        Raises:
            RecordError: a record cannot be read; its sentence names the file.
        """
        seen, now = _seen(self.database), self._now()
        look = self._to_look_at(seen, now)
        same = seen is not None and seen.inputs == now.inputs
        if same and not look:
            return Refreshed()
        stamps = {
            kind: stamps_in(self._folder(kind), suffix) for kind, suffix in _SUFFIX.items() if kind in look
        }
        fingerprints = tracks_with_fingerprint(self.root) if _FINGERPRINTS in look else None
        looked_at = sum(map(len, stamps.values()))
        settled = same and seen is not None and seen.folders == now.folders and not seen.is_old(now)
        if settled and not (self._changed(stamps) or self._other_fingerprints(fingerprints)):
            return Refreshed(looked_at=looked_at)
        with locked(place_of(self.root)):
            before: set[str] = set()
            if seen is None:  # in pieces: who begins again after the server was ended goes on where it was
                before = self._changed(stamps)
                self._read(before, stamps, in_pieces=True)
            with changing(self.database):
                changed = self._changed(stamps)
                concerned = changed | self._other_fingerprints(fingerprints)
                self._read(changed, stamps)
                anew = not same or self._concerns_others(concerned)
                if anew:
                    self._make_all()
                else:
                    self._update(concerned, fingerprints)
                self.database.execute("REPLACE INTO meta VALUES ('seen', ?)", (now.model_dump_json(),))
        return Refreshed(looked_at=looked_at, read=len(before | changed), all_anew=anew)

    def _folder(self, kind: str) -> Path:
        return {
            _RECORDS: self.root.track_records,
            _EDITS: self.root.edits,
            _FINGERPRINTS: self.root.fingerprint("").parent,
        }[kind]

    def _now(self) -> _Seen:
        moment = time.time_ns()
        folders = {kind: folder_stamp(self._folder(kind), moment) for kind in _FOLDERS}
        return _Seen(inputs=state_of_inputs(self.root, self.config), folders=folders, looked=moment / 1e9)

    def _to_look_at(self, seen: _Seen | None, now: _Seen) -> set[str]:
        """The folders in which something may have changed."""
        if seen is None or seen.is_old(now):
            return {*_FOLDERS}
        many = self.database.execute("SELECT 1 FROM records LIMIT 1 OFFSET ?", (_FEW_RECORDS,)).fetchone()
        if not many:
            return {*_FOLDERS}
        return {
            kind
            for kind, stamp in now.folders.items()
            if stamp == UNSETTLED or stamp != seen.folders.get(kind)
        }

    def _changed(self, stamps: Mapping[str, Mapping[str, str]]) -> set[str]:
        """The tracks whose records or edits are others than they were, or gone."""
        changed: set[str] = set()
        for kind, found in stamps.items():
            known = dict(self.database.execute(f"SELECT track_id, {kind} FROM records WHERE {kind} != ''"))
            changed |= {it for it in found.keys() | known.keys() if found.get(it) != known.get(it)}
        return changed

    def _other_fingerprints(self, fingerprints: Collection[str] | None) -> set[str]:
        """The tracks that have a fingerprint now and had none, or the other way round."""
        if fingerprints is None:
            return set()
        known = self.database.execute(f"SELECT track_id, fingerprint FROM tracks WHERE id < {OTHERS_FROM}")
        return {track_id for track_id, had in known if had != (track_id in fingerprints)}

    def _concerns_others(self, changed: Iterable[str]) -> bool:
        """Whether one of the tracks is the same recording as another: which of them is kept may change."""
        twice = {it for (it,) in self.database.execute("SELECT track_id FROM tracks WHERE twice")}
        return not twice.isdisjoint(changed)

    def _read(
        self,
        changed: Collection[str],
        stamps: Mapping[str, Mapping[str, str]],
        *,
        in_pieces: bool = False,
    ) -> None:
        """Read the records of tracks, and remember what they say."""
        track_ids = sorted(changed)
        for done in range(0, len(track_ids), _AT_ONCE):
            self.tell(Progress("read", done, len(track_ids)))
            with changing(self.database) if in_pieces else nullcontext():
                self._read_some(track_ids[done : done + _AT_ONCE], stamps)
        if track_ids:
            self.tell(Progress("read", len(track_ids), len(track_ids)))

    def _read_some(self, some: Sequence[str], stamps: Mapping[str, Mapping[str, str]]) -> None:
        for track_id in some:
            worked = load_worked(self.root, track_id)
            self.database.execute(
                "INSERT INTO records (track_id, worked) VALUES (?, ?)"
                " ON CONFLICT (track_id) DO UPDATE SET worked = excluded.worked",
                (track_id, worked.model_dump_json() if worked else None),
            )
        for kind, found in stamps.items():
            self.database.executemany(
                f"UPDATE records SET {kind} = ? WHERE track_id = ?",
                [(found.get(track_id, ""), track_id) for track_id in some],
            )

    def _worked(self, track_ids: Collection[str] | None = None) -> dict[str, Worked]:
        """What came of tracks; of all of them without a list."""
        if track_ids is None:
            found = self.database.execute("SELECT track_id, worked FROM records WHERE worked IS NOT NULL")
        else:
            found = self._each(
                "SELECT track_id, worked FROM records WHERE worked IS NOT NULL AND track_id = ?", track_ids
            )
        return {track_id: Worked.model_validate_json(said) for track_id, said in found}

    def _each(self, asked: str, track_ids: Iterable[str]) -> Iterator[tuple[str, ...]]:
        for track_id in track_ids:
            yield from self.database.execute(asked, (track_id,)).fetchall()

    def _update(self, changed: Collection[str], fingerprints: Collection[str] | None) -> None:
        """Tell again of tracks whose record, edits or fingerprint changed, where nothing else did."""
        known = self._worked(changed)
        listed = self._each(
            "SELECT track_id, row, barrier, fingerprint FROM tracks CROSS JOIN said USING (id)"
            f" WHERE track_id = ? AND id < {OTHERS_FROM}",
            changed,
        )
        rows = []
        for track_id, said, kept, had in listed:
            barrier = Kept.model_validate_json(kept)
            having = fingerprints if fingerprints is not None else {track_id} if had else set()
            worked, missing = known.get(track_id), uncompared(track_id, having)
            whole = Barrier(barrier.refused, missing, barrier.barred, barrier.held)
            reason = whole.reason(worked)
            waits = None if reason else whole.waits(worked)
            row = with_work(
                TrackOverview.model_validate_json(said), worked, reason or waits, waits=waits is not None
            )
            rows.append(Row.of(row, barrier, fingerprint=missing is None))
        write(self.database, rows)

    def _make_all(self) -> None:
        """Tell anew of all tracks and files; what is said of a track as before is not written."""
        barriers = Barriers.of(self.root, eligibility_of(self.root, self.config))
        known = self._worked()
        tracks = {it.track_id: it for it in load_registry(self.root).tracks if it.origins}
        rows = []
        for number, said in enumerate(overview(self.root, barriers, known.get)):
            track = tracks.pop(said.track_id or "", None)
            if track is None:
                rows.append(Row(number=OTHERS_FROM + number, said=said))
                continue
            before = barriers.before(track)
            kept = Kept(refused=before.refused, barred=before.barred, held=before.held)
            twice, compared = track.track_id in barriers.twice, before.uncompared is None
            rows.append(Row.of(said, kept, twice=twice, fingerprint=compared))
        self._write_all(rows)

    def _write_all(self, rows: Sequence[Row]) -> None:
        columns = ", ".join(Row.compared)
        known = {
            number: kept
            for number, *kept in self.database.execute(
                f"SELECT id, {columns} FROM tracks CROSS JOIN said USING (id)"
            )
        }
        remove(self.database, known.keys() - {row.number for row in rows})
        others = [row for row in rows if known.get(row.number) != row.as_compared()]
        for done in range(0, len(others), _AT_ONCE):
            self.tell(Progress("written", done, len(others)))
            write(self.database, others[done : done + _AT_ONCE])
