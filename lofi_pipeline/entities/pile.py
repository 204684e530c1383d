"""Bytes one after the other, of which the last megabyte is in memory and the rest in an unnamed temporary file."""

from __future__ import annotations

import os
import tempfile
from array import array
from collections.abc import Iterator
from contextlib import suppress
from typing import IO
from weakref import finalize

_AT_HAND = 1 << 20


class Pile:
    """Pieces of bytes, each read by its number. In memory it takes a megabyte, and 16 bytes a piece, however long they are.

    The file lies where Python's temporary files do (TMPDIR). Where none can be had, or its disk is full, all stays in memory.
    """

    def __init__(self) -> None:
        self._starts, self._ends = array("Q"), array("Q")
        self._last, self._most = bytearray(), _AT_HAND
        self._file: IO[bytes] | None = None
        self._in_file = 0

    def __len__(self) -> int:
        return len(self._starts)

    def __iter__(self) -> Iterator[bytes]:
        return map(self.__getitem__, range(len(self)))

    def __getitem__(self, number: int) -> bytes:
        start, end = self._starts[number], self._ends[number]
        if start >= self._in_file or self._file is None:
            return bytes(self._last[start - self._in_file : end - self._in_file])
        return os.pread(self._file.fileno(), end - start, start)

    def __setitem__(self, number: int, piece: bytes) -> None:
        # What lay there stays in the file, and is not read again
        self._starts[number], self._ends[number] = self._put(piece)

    def append(self, piece: bytes) -> None:
        """Put a piece on top."""
        start, end = self._put(piece)
        self._starts.append(start)
        self._ends.append(end)

    def _put(self, piece: bytes) -> tuple[int, int]:
        start = self._in_file + len(self._last)
        self._last += piece
        if len(self._last) >= self._most:
            self._put_away()
        return start, start + len(piece)

    def _put_away(self) -> None:
        written = 0
        with suppress(OSError), memoryview(self._last) as data:
            if self._file is None:
                self._file = tempfile.TemporaryFile(buffering=0, prefix="lofi-")  # noqa: SIM115
                finalize(self, self._file.close)
            while written < len(data):
                written += os.pwrite(self._file.fileno(), data[written:], self._in_file + written)
        if written < len(self._last):
            self._most = 2 * len(self._last)  # tried again then
        else:
            self._in_file += written
            self._last.clear()
