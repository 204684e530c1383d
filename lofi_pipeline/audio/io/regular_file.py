"""A regular file for the decoding library: no pipe can block it, and no long stretch without audio can keep it busy.

Otherwise a sparse or zeroed file of 10 GB would be searched for the next frame from end to end, and kept in memory.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from types import TracebackType
from typing import Self

from lofi_pipeline.audio.errors import NotAFile, UndecodableAudio

MAX_FRUITLESS_BYTES = 32 << 20
"""More than any cover image or index: after so many bytes without a frame of audio there is none."""
_BYTES_A_SECOND = 16 << 20
"""More than any audio: eight channels of 64 bits at 192 kHz take 12 MB."""


class RegularFile:
    """A binary file that ends early after `MAX_FRUITLESS_BYTES` that gave no audio (see `progress`)."""

    def __init__(self, path: Path) -> None:
        """Open `path`.

        Raises:
            NotAFile: it is a folder, pipe, socket or device.
            UndecodableAudio: it is empty.
            OSError: it is missing or not readable.
        """
        self.name = str(path)
        if not stat.S_ISREG(path.stat().st_mode):  # a device may mind being opened, a socket can't be
            raise NotAFile(_NO_FILE.format(path.name))
        # Without waiting: what was a file a moment ago may be a pipe by now
        self._file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb", buffering=0)
        self._fruitless = 0.0
        self._end: int | None = None
        self.gave_up = False
        info = os.fstat(self._file.fileno())
        if stat.S_ISREG(info.st_mode) and info.st_size:
            return
        self._file.close()
        if not stat.S_ISREG(info.st_mode):
            raise NotAFile(_NO_FILE.format(path.name))
        raise UndecodableAudio(f"{path.name} is empty (0 bytes); copy it again from its source")

    def progress(self, seconds: float) -> None:
        """Report that the bytes read so far gave so many seconds of audio. They count as much as audio of that length can need."""
        self._fruitless = max(0.0, self._fruitless - seconds * _BYTES_A_SECOND)

    def end_at(self, byte: int) -> None:
        """End the file at this byte, if it is longer."""
        self._end = byte

    def read(self, size: int = -1, /) -> bytes:
        if self._fruitless > MAX_FRUITLESS_BYTES:
            self.gave_up = True
            return b""
        if self._end is not None:
            left = max(0, self._end - self._file.tell())
            size = left if size < 0 else min(size, left)
        data = self._file.read(size)
        self._fruitless += len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        if whence == os.SEEK_END and self._end is not None:
            offset += min(self._end, os.fstat(self._file.fileno()).st_size)
            whence = os.SEEK_SET
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


_NO_FILE = "{} is not a regular file; put the audio file itself into the drop"
