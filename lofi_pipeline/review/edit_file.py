"""The edits of a track on disk: metadata/edits/<track_id>.jsonl, a line each, of which none is ever changed.

A line is written whole or not at all; what a killed writer left of one is removed by the next.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from lofi_pipeline.entities import Edit
from lofi_pipeline.review.errors import ReviewError
from lofi_pipeline.storage import DataRoot, add_words, canonical_json, locked
from lofi_pipeline.storage.json_text import loads

MOST_BYTES = 16_000_000
"""Of one track's edits: far more than people make."""
_BACK = "take the file back from a backup, or have it set aside by `lofi fsck --repair`: the track is then as the pipeline finds it"
_waiting: ContextVar[dict[Path, bytes] | None] = ContextVar("edits that are written together", default=None)


def edits_path(root: DataRoot, track_id: str) -> Path:
    """Where the edits of a track lie."""
    return root.edits / f"{track_id}.jsonl"


def read_edits(root: DataRoot, track_id: str, *, sha256: str | None = None) -> list[Edit]:
    """Every edit of a track, oldest first; empty before the first. A last line without its end was never finished.

    Those that wait to be written together count in the block that made them.

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
        data = b""
    data = data[: data.rfind(b"\n") + 1] + (_waiting.get() or {}).get(path, b"")
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


@contextmanager
def writing_edits(root: DataRoot) -> Iterator[None]:
    """Hold the lock of all edits, from reading those of a track to adding one."""
    if _waiting.get() is not None:  # the block around it holds it
        yield
        return
    with locked(root.edits):
        yield


def append_edit(root: DataRoot, edit: Edit) -> None:
    """Add a line, whole or not at all, and seal the file. The caller holds the lock.

    Raises:
        OSError: the disk is full or cannot be written to; the file is as it was.
        RecordError: the file is not what was sealed.
    """
    path, waiting = edits_path(root, edit.track_id), _waiting.get()
    line = canonical_json(edit.model_dump(mode="json", exclude_none=True)).encode() + b"\n"
    if waiting is not None:
        waiting[path] = waiting.get(path, b"") + line
        return
    _write(root, {path: line})


@contextmanager
def together(root: DataRoot) -> Iterator[None]:
    """Make edits of several tracks all or not at all: they are written when the block ends, and not where it fails."""
    with locked(root.edits):
        waiting: dict[Path, bytes] = {}
        before = _waiting.set(waiting)
        try:
            yield
        finally:
            _waiting.reset(before)
        _write(root, waiting)


def _write(root: DataRoot, lines: dict[Path, bytes]) -> None:
    if lines:
        root.edits.mkdir(parents=True, exist_ok=True)
        add_words(root, lines)
        os.utime(root.edits)  # tells lists of many tracks that one of the files grew


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
