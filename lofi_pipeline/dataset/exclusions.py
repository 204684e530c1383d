"""The files and tracks that are not in the data set, and why.

Whether a source may be used on a day is decided in eligibility.py; which copy of a recording stays, in better_copy.py.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial

from lofi_pipeline.dataset.barred import barred_tracks
from lofi_pipeline.dataset.better_copy import worse_copies
from lofi_pipeline.dataset.duplicates import Comparisons, SameRecordings, load_comparisons
from lofi_pipeline.dataset.eligibility import Eligibility
from lofi_pipeline.dataset.waiting import Waiting
from lofi_pipeline.dataset.worked import Worked, hash_of_origins, load_worked
from lofi_pipeline.entities import RegisteredTrack, TrackStatus
from lofi_pipeline.ingest import load_record, load_registry, load_scan
from lofi_pipeline.storage import DataRoot, no_search_for_cycles


@dataclass(frozen=True)
class LeftOut:
    """A file or track that is not in the data set, and why. The path is relative to data/raw."""

    file: str
    reason: str
    track_id: str | None = None
    waits: bool = False
    """Whether it is out until a person has looked at it."""


@dataclass(frozen=True)
class Barrier:
    """What stands between a track and the data set, beside what came of the work on it."""

    refused: str | None
    """Why its source may not be used."""
    uncompared: str | None
    barred: str | None
    """Why another recording keeps it out."""
    held: bool
    """Whether it stays out while it is unsure."""

    def reason(self, worked: Worked | None) -> str | None:
        """Why the track is left out, other than for a better copy or to wait for a person; None: it is not."""
        for_a_run = worked.for_a_run if worked else None
        return self.refused or for_a_run or _not_ready(worked) or self.uncompared or self.barred

    def waits(self, worked: Worked | None) -> str | None:
        """Why a track that is not left out otherwise stays out until a person has looked at it; None: it does not."""
        return worked.for_a_person if worked and self.held else None


@dataclass(frozen=True)
class Barriers:
    """What decides for all tracks whether they are left out, beside the work on each."""

    compared: Comparisons
    eligibility: Eligibility | None
    barred: Mapping[str, str]
    fingerprints: Collection[str]
    """The tracks that have one."""
    waiting: Waiting

    @classmethod
    def of(cls, root: DataRoot, eligibility: Eligibility | None) -> Barriers:
        """As the records are now."""
        compared = load_comparisons(root)
        barred = barred_tracks(root, eligibility, compared) if eligibility else {}
        return cls(compared, eligibility, barred, tracks_with_fingerprint(root), Waiting(root, eligibility))

    def before(self, track: RegisteredTrack) -> Barrier:
        """What stands before a track."""
        refused = self.eligibility.refusal_reason(track) if self.eligibility else None
        barred = self.barred.get(track.track_id)
        missing, held = uncompared(track.track_id, self.fingerprints), self.waiting.holds(track.track_id)
        return Barrier(refused, missing, barred, held)

    @cached_property
    def twice(self) -> Collection[str]:
        """The tracks that are the same recording as another."""
        return SameRecordings.of(self.compared).partners.keys()


@no_search_for_cycles()
def left_out(
    root: DataRoot,
    eligibility: Eligibility | None = None,
    *,
    taken: Collection[str] = (),
    barriers: Barriers | None = None,
    worked: Callable[[str], Worked | None] | None = None,
) -> list[LeftOut]:
    """What a data set built now would leave out of data/raw: refused drops, refused or failed tracks, copies, what waits.

    With `eligibility`, also the tracks whose sources are not permitted on its day although the last scan accepted them, and those
    that wait for a person.

    Args:
        taken: the tracks that are known to be in the data set; their records are not read again.
        barriers: those of `eligibility`, where they are known.
        worked: what came of a track, where that is known; else the records are read.
    """
    raw = f"{root.relative(root.raw)}/"
    barriers, worked = barriers or Barriers.of(root, eligibility), worked or partial(load_worked, root)
    scan = load_scan(root)
    found = [LeftOut(path.removeprefix(raw), reason) for path, reason in (scan.refusals() if scan else [])]
    ready: dict[str, str] = {}
    for track in load_registry(root).tracks:
        if not track.origins:
            continue
        first, *copies = [origin.path.removeprefix(raw) for origin in track.origins]
        found += [
            LeftOut(path, f"the same bytes as {first} ({track.track_id})", track.track_id) for path in copies
        ]
        if track.track_id in taken:
            if track.track_id in barriers.twice:
                ready[track.track_id] = first
            continue
        known = worked(track.track_id)
        barrier = barriers.before(track)
        if reason := barrier.reason(known):
            found.append(LeftOut(first, reason, track.track_id))
        elif reason := barrier.waits(known):
            found.append(LeftOut(first, reason, track.track_id, waits=True))
        elif track.track_id in barriers.twice and known and known.origins == hash_of_origins(track.origins):
            ready[track.track_id] = first
    records = [record for track_id in ready if (record := load_record(root, track_id))]
    for copy in worse_copies(records, barriers.compared).values():
        reason = f"the same recording as {ready[copy.original]} ({copy.original}){copy.in_words()}"
        found.append(LeftOut(ready[copy.track_id], reason, copy.track_id))
    return found


def _not_ready(worked: Worked | None) -> str | None:
    if worked is None or worked.status is TrackStatus.PENDING:
        return "not worked on yet"
    if worked.status is TrackStatus.OK:
        return None
    return worked.reason if worked.status is TrackStatus.REJECTED else f"failed: {worked.reason}"


def uncompared(track_id: str, fingerprints: Collection[str]) -> str | None:
    """Why a track cannot be compared with others."""
    if track_id in fingerprints:
        return None
    return "its fingerprint is missing or was damaged; the next run makes it again"


def tracks_with_fingerprint(root: DataRoot) -> set[str]:
    """The tracks that have a fingerprint."""
    with suppress(FileNotFoundError), os.scandir(root.fingerprint("any").parent) as entries:
        return {entry.name.removesuffix(".npy") for entry in entries if entry.is_file()}
    return set()
