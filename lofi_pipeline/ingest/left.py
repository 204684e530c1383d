"""The tracks that a scan found no file of any more that may be taken, and why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from os.path import lexists

from lofi_pipeline.entities import DropStatus, Registry, Scan
from lofi_pipeline.storage import DataRoot, no_search_for_cycles

GONE = "its file is gone"


@dataclass(frozen=True)
class LeftTrack:
    """A track that had a file before, and has none now."""

    track_id: str
    file: str
    """Where it lay, relative to the data root."""
    why: str


@no_search_for_cycles()
def left_since(root: DataRoot, before: Registry, after: Registry, scan: Scan | None) -> list[LeftTrack]:
    """The tracks that had a file when `before` was written, and have none in `after`, which rests on `scan`."""
    lost = {track.track_id for track in after.tracks if not track.origins}
    had = [track for track in before.tracks if track.origins and track.track_id in lost] if lost else []
    reasons = _reasons(scan) if had and scan else iter(())
    known = dict(reasons)
    found = []
    for track in had:
        file = track.origins[0].path
        there = lexists(root.path / file)
        why = known.get(file, "another file lies in its place") if there else GONE
        found.append(LeftTrack(track.track_id, file, why))
    return found


def _reasons(scan: Scan) -> Iterator[tuple[str, str]]:
    """Each file that is there and not taken, with what is wrong with its drop, or with itself."""
    for drop in scan.drops:
        of_drop = None if drop.status is DropStatus.ACCEPTED else drop.reason or f"its drop is {drop.status}"
        for file in drop.files:
            if why := of_drop or file.refusal:
                yield file.path, why
