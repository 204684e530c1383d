"""Bytes that are put away in a temporary file are read as they were, and take next to no memory; without a file they stay there."""

from __future__ import annotations

import errno
import os
import tempfile
import tracemalloc
from collections.abc import Callable
from itertools import islice

import pytest

from lofi_pipeline.entities import Drop, DropAudio, DropStatus, pile
from lofi_pipeline.entities.packed_drops import PackedDrops
from lofi_pipeline.entities.pile import Pile

PIECES = [bytes([number % 256]) * (number % 7 * 5) for number in range(200)]


def piled() -> Pile:
    found = Pile()
    for piece in PIECES:
        found.append(piece)
    return found


def _no_file(**_given: object) -> None:
    raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")


def _full_after(most: int) -> Callable[[int, bytes, int], int]:
    """What `os.pwrite` does on a disk that takes so many bytes."""
    writing = os.pwrite

    def write(file: int, data: bytes, at: int) -> int:
        if at >= most:
            raise OSError(errno.ENOSPC, "No space left on device")
        return writing(file, data[: most - at], at)

    return write


@pytest.mark.parametrize("fault", ["none", "no folder for temporary files", "full", "full half-way"])
def test_what_is_put_on_is_read_whatever_becomes_of_the_file(
    monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setattr(pile, "_AT_HAND", 100)
    if fault == "no folder for temporary files":
        monkeypatch.setattr(tempfile, "TemporaryFile", _no_file)
    elif fault.startswith("full"):
        monkeypatch.setattr(os, "pwrite", _full_after(0 if fault == "full" else 555))
    found = piled()
    assert list(found) == PIECES and len(found) == len(PIECES)
    found[3], found[150] = b"other", b""
    assert list(found) == [*PIECES[:3], b"other", *PIECES[4:150], b"", *PIECES[151:]]


def test_a_few_pieces_make_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_given: pytest.fail("a file was made"))
    assert list(piled()) == PIECES


def drop(number: int) -> Drop:
    folder = f"raw/creative-commons/{number:05d}"
    files = [
        DropAudio(path=f"{folder}/{name}.mp3", size=number, modified_ns=1 << 60, sha256=os.urandom(32).hex())
        for name in range(10)
    ]
    return Drop(folder=folder, signature="s", status=DropStatus.ACCEPTED, files=files)


def held(drops: int) -> int:
    """The bytes that so many packed drops take in memory."""
    list(islice(PackedDrops(map(drop, range(3))), 3))
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    packed = PackedDrops(map(drop, range(drops)))
    taken = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert packed[-1].folder == drop(drops - 1).folder
    return taken


def test_more_drops_take_little_more_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pile, "_AT_HAND", 1 << 14)
    few, many = held(300), held(900)
    assert (many - few) / 6000 < 20, "bytes for each file"
