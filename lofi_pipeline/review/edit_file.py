"""The edits of a track on disk: metadata/edits/<track_id>.jsonl, a line each, of which none is ever changed.

A line is written whole or not at all; what a killed writer left of one is removed by the next.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lofi_pipeline.entities import Edit
from lofi_pipeline.review.errors import ReviewError
from lofi_pipeline.storage import DataRoot, canonical_json, locked
from lofi_pipeline.storage.json_text import loads
from lofi_pipeline.storage.lines import append

MOST_BYTES = 16_000_000
"""Of one track's edits: far more than people make."""
_BACK = "take the file back from a backup, or move it away: the track is then as the pipeline finds it"


def edits_path(root: DataRoot, track_id: str) -> Path:
    """Where the edits of a track lie."""
    return root.edits / f"{track_id}.jsonl"


def read_edits(root: DataRoot, track_id: str, *, sha256: str | None = None) -> list[Edit]:
    """Every edit of a track, oldest first; empty before the first. A last line without its end was never finished.

    Args:
        sha256: of the track's original, which the edits must speak of.

    Raises:
        ReviewError: the file was damaged, or is of another track; names file, line, field and rule.
    """
    path = edits_path(root, track_id)
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        return []
    if len(data) > MOST_BYTES:
        raise ReviewError(f"{root.relative(path)}: is larger than {MOST_BYTES} bytes; {_BACK}")
    edits: list[Edit] = []
    held: list[int] = []
    for number, line in enumerate(data.split(b"\n")[:-1], start=1):
        where = f"{root.relative(path)}: line {number}"
        try:
            edit = Edit.parse(loads(line), where=where)
            _check_place(edit, number, track_id, sha256 or edit.sha256, held)
        except ValueError as error:
            said = str(error) if str(error).startswith(where) else f"{where}: {error}"
            raise ReviewError(f"{said}; {_BACK}") from error
        edits.append(edit)
        sha256 = edit.sha256
        if edit.undoes is None:
            held.append(number)
        else:
            held.pop()
    return edits


def append_edit(root: DataRoot, edit: Edit) -> None:
    """Add a line, whole or not at all. The caller holds the lock of the file.

    Raises:
        OSError: the disk is full or cannot be written to; the file is as it was.
    """
    path = edits_path(root, edit.track_id)
    said = edit.model_dump(mode="json", exclude_none=True)
    append(path, canonical_json(said).encode() + b"\n")
    os.utime(path.parent)  # tells lists of many tracks that one of the files grew


@contextmanager
def together(root: DataRoot, track_ids: Iterable[str]) -> Iterator[None]:
    """Make edits of several tracks all or not at all: where the block fails, each file is as long again as it was."""
    paths = [edits_path(root, track_id) for track_id in dict.fromkeys(track_ids)]
    sizes = {path: path.stat().st_size if path.exists() else None for path in paths}
    try:
        yield
    except BaseException:
        for path, size in sizes.items():
            with locked(path):
                if size is None:
                    path.unlink(missing_ok=True)
                elif path.stat().st_size > size:
                    with path.open("ab") as file:
                        file.truncate(size)
        raise


def _check_place(edit: Edit, number: int, track_id: str, sha256: str, open_numbers: list[int]) -> None:
    """Check that a line is the one that belongs there."""
    fault = None
    if edit.number != number:
        fault = f"number: is {edit.number}; a line is missing, or was moved"
    elif edit.track_id != track_id:
        fault = f"track_id: is {edit.track_id}; the file is of another track"
    elif edit.sha256 != sha256:
        fault = f"sha256: is {edit.sha256[:12]}, and the track's is {sha256[:12]}: the edit speaks of another file"
    elif edit.undoes is not None and open_numbers[-1:] != [edit.undoes]:
        fault = f"undoes: {edit.undoes} is not the last edit that holds"
    if fault:
        raise ReviewError(fault)
