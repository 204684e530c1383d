"""The files and tracks that are not in the data set, and why.

Whether a source may be used on a day is decided in eligibility.py; which copy of a recording stays, in better_copy.py.
"""

from __future__ import annotations

from dataclasses import dataclass

from lofi_pipeline.dataset.barred import barred_tracks
from lofi_pipeline.dataset.better_copy import worse_copies
from lofi_pipeline.dataset.duplicates import load_comparisons
from lofi_pipeline.dataset.eligibility import Eligibility
from lofi_pipeline.dataset.waiting import Waiting
from lofi_pipeline.entities import TrackRecord, TrackStatus
from lofi_pipeline.ingest import load_record, load_registry, load_scan
from lofi_pipeline.storage import DataRoot


@dataclass(frozen=True)
class LeftOut:
    """A file or track that is not in the data set, and why. The path is relative to data/raw."""

    file: str
    reason: str
    track_id: str | None = None
    waits: bool = False
    """Whether it is out until a person has looked at it."""


def left_out(root: DataRoot, eligibility: Eligibility | None = None) -> list[LeftOut]:
    """What a data set built now would leave out of data/raw: refused drops, refused or failed tracks, copies, what waits.

    With `eligibility`, also the tracks whose sources are not permitted on its day although the last scan accepted them, and those
    that wait for a person.
    """
    raw = f"{root.relative(root.raw)}/"
    scan = load_scan(root)
    found = [LeftOut(path.removeprefix(raw), reason) for path, reason in (scan.refusals() if scan else [])]
    ready: dict[str, TrackRecord] = {}
    names: dict[str, str] = {}
    compared = load_comparisons(root)
    barred = barred_tracks(root, eligibility, compared) if eligibility else {}
    waiting = Waiting(root, eligibility)
    for track in load_registry(root).tracks:
        if not track.origins:
            continue
        first, *copies = [origin.path.removeprefix(raw) for origin in track.origins]
        found += [
            LeftOut(path, f"the same bytes as {first} ({track.track_id})", track.track_id) for path in copies
        ]
        record = load_record(root, track.track_id)
        reason = (
            (eligibility.refusal_reason(track) if eligibility else None)
            or (waiting.for_a_run(record) if record else None)
            or _not_ready(record)
            or _not_comparable(root, track.track_id)
            or barred.get(track.track_id)
        )
        if reason:
            found.append(LeftOut(first, reason, track.track_id))
        elif record and (reason := waiting.for_a_person(record)):
            found.append(LeftOut(first, reason, track.track_id, waits=True))
        elif record and record.origins == track.origins:
            ready[track.track_id], names[track.track_id] = record, first
    for copy in worse_copies(list(ready.values()), compared).values():
        reason = f"the same recording as {names[copy.original]} ({copy.original}){copy.in_words()}"
        found.append(LeftOut(names[copy.track_id], reason, copy.track_id))
    return found


def _not_ready(record: TrackRecord | None) -> str | None:
    if record is None or record.status is TrackStatus.PENDING:
        return "not worked on yet"
    if record.status is TrackStatus.OK:
        return None
    return record.reason if record.status is TrackStatus.REJECTED else f"failed: {record.reason}"


def _not_comparable(root: DataRoot, track_id: str) -> str | None:
    if root.fingerprint(track_id).is_file():
        return None
    return "its fingerprint is missing or was damaged; the next run makes it again"
