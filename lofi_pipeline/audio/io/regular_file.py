"""A regular file for the decoding library: no pipe can block it, and no long stretch without audio can keep it busy.

Otherwise a sparse or zeroed file of 10 GB would be searched for the next frame from end to end, and kept in memory. Which part
of a file the library is shown is decided in pieces.py.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from lofi_pipeline.audio.errors import NotAFile, UndecodableAudio

MAX_FRUITLESS_BYTES = 32 << 20
"""More than most cover images and any index: after so many bytes without a frame of audio there is none."""
_MOST_PICTURE_BYTES = 128 << 20
"""The decoding library keeps them in memory."""
_BYTES_A_SECOND = 16 << 20
"""More than any audio: eight channels of 64 bits at 192 kHz take 12 MB."""


@dataclass(frozen=True)
class Piece:
    """A stretch of a file, with some bytes before it: what the decoding library is shown as a whole file."""

    start: int = 0
    end: int | None = None
    """None: the end of the file."""
    prefix: bytes = b""
    pictures: int = 0
    """Bytes of pictures in it, which are read before the first frame of audio."""
    seconds: dict[str, float | None] = field(default_factory=dict)
    """Declared seconds by demuxer, where the demuxer's own figure is unreliable; None: none are declared."""
    delay: float = 0.0
    """Seconds at the beginning that are decoded and thrown away, although the demuxer counts them."""
    whole: bool = True
    """False: it is seen to be cut off at its end."""
    protected: bool = False
    """Whether its header says that it is encrypted."""


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
        self._at = 0
        self._shown = Piece()
        self.gave_up = False
        info = os.fstat(self._file.fileno())
        self.size = info.st_size
        if stat.S_ISREG(info.st_mode) and info.st_size:
            return
        self._file.close()
        if not stat.S_ISREG(info.st_mode):
            raise NotAFile(_NO_FILE.format(path.name))
        raise UndecodableAudio(f"{path.name} is empty (0 bytes); copy it again from its source")

    def progress(self, seconds: float) -> None:
        """Report that the bytes read so far gave so many seconds of audio. They count as much as audio of that length can need."""
        self._fruitless = max(0.0, self._fruitless - seconds * _BYTES_A_SECOND)

    def show(self, piece: Piece) -> None:
        """From now on be this piece, at its first byte; nothing was read of it yet."""
        self._shown = piece
        self._at = 0
        self._fruitless = -float(min(piece.pictures, _MOST_PICTURE_BYTES))

    def _length(self) -> int:
        """Bytes that are shown."""
        piece = self._shown
        end = self.size if piece.end is None else min(piece.end, self.size)
        return len(piece.prefix) + max(0, end - piece.start)

    def read(self, size: int = -1, /) -> bytes:
        if self._fruitless > MAX_FRUITLESS_BYTES:
            self.gave_up = True
            return b""
        left = max(0, self._length() - self._at)
        size = left if size < 0 else min(size, left)
        prefix = self._shown.prefix[self._at : self._at + size]
        start = self._shown.start + max(0, self._at - len(self._shown.prefix))
        data = prefix + self.bytes_at(start, size - len(prefix))
        self._at += len(data)
        self._fruitless += len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._length()}[whence]
        if base + offset < 0:
            raise OSError("a seek to before the beginning of the file")
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def bytes_at(self, place: int, count: int) -> bytes:
        """Bytes of the file itself, whatever is shown; fewer at its end. They do not count."""
        return os.pread(self._file.fileno(), count, place) if count > 0 and place < self.size else b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


_NO_FILE = "{} is not a regular file; put the audio file itself into the drop"
