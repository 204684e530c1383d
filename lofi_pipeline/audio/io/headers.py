"""Declared lengths in the headers of WAV, MP3 and Ogg files, where the decoding library's own figure is unreliable.

Nothing is decoded here.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from typing import Protocol

_SEARCHED = 1 << 16
_UNKNOWN_SIZES = {0, 0xFFFFFFFF, 0x7FFFFFFF}
_MOST_CHUNKS = 1000
_PCM_TAGS = {0x0001, 0x0003, 0xFFFE}


class Readable(Protocol):
    """What is needed of a binary file."""

    def read(self, size: int = -1, /) -> bytes: ...
    def seek(self, offset: int, whence: int = 0, /) -> int: ...
    def tell(self) -> int: ...


@dataclass(frozen=True)
class WavHeader:
    """Seconds that the data chunk declares, and the byte at which it ends; None where it declares nothing (streamed).

    If no data chunk is found, `end` is where the search ended.
    """

    seconds: float | None
    end: int | None


def wav_header(file: Readable) -> WavHeader | None:
    """The header of a RIFF, RF64 or BW64 file; None for any other file.

    FFmpeg corrects the declared length to the file's size without a word, so a truncated WAV is only recognised here. It also
    searches everything after the audio for more chunks, eight bytes at a time; the byte at which the audio ends prevents that.
    """
    file.seek(0)
    head = file.read(12)
    if head[:4] not in (b"RIFF", b"RF64", b"BW64") or head[8:12] != b"WAVE":
        return None
    byte_rate, long_size = 0, 0
    for _ in range(_MOST_CHUNKS):
        chunk = file.read(8)
        if len(chunk) < 8:
            break
        size = struct.unpack("<I", chunk[4:])[0]
        if chunk[:4] == b"data":
            size = long_size if size in _UNKNOWN_SIZES else size
            if not size:
                return WavHeader(None, None)
            return WavHeader(size / byte_rate if byte_rate else None, file.tell() + size)
        start = file.tell()
        if chunk[:4] == b"fmt ":
            byte_rate = _byte_rate(file.read(16))
        elif chunk[:4] == b"ds64":
            sizes = file.read(16)
            long_size = struct.unpack("<8xQ", sizes)[0] if len(sizes) == 16 else 0
        file.seek(start + size + size % 2)
    return WavHeader(None, file.tell())


def _byte_rate(fields: bytes) -> int:
    """Bytes a second. For PCM it is computed from rate and block size, as some programs write a wrong value into the field."""
    if len(fields) < 16:
        return 0
    tag, _, rate, byte_rate, block = struct.unpack("<HHIIH", fields[:14])
    return rate * block if tag in _PCM_TAGS else byte_rate


_RATES = (44_100, 48_000, 32_000)


def mp3_seconds(file: Readable) -> float | None:
    """Seconds that an MP3's first frame declares (Xing, Info or VBRI); None where it declares nothing."""
    file.seek(0)
    head = file.read(10)
    if head[:3] == b"ID3" and len(head) == 10:
        size = (head[6] & 127) << 21 | (head[7] & 127) << 14 | (head[8] & 127) << 7 | (head[9] & 127)
        file.seek(10 + size)
    else:
        file.seek(0)
    data = file.read(_SEARCHED)
    at = max(0, data.find(b"\xff"))
    while at >= 0 and at + 4 <= len(data):
        if data[at + 1] & 0xE6 == 0xE2 and data[at + 1] >> 3 & 3 != 1 and data[at + 2] >> 2 & 3 != 3:
            return _seconds_of_frame(data[at : at + 256])
        at = data.find(b"\xff", at + 1)
    return None


def _seconds_of_frame(frame: bytes) -> float | None:
    version = frame[1] >> 3 & 3  # 3: MPEG-1, 2: MPEG-2, 0: MPEG-2.5
    rate = _RATES[frame[2] >> 2 & 3] >> {3: 0, 2: 1, 0: 2}[version]
    samples = 1152 if version == 3 else 576
    delay = 0
    if (at := max(frame.find(b"Xing", 4, 44), frame.find(b"Info", 4, 44))) >= 0:
        flags = int.from_bytes(frame[at + 4 : at + 8], "big")
        frames = int.from_bytes(frame[at + 8 : at + 12], "big") if flags & 1 else 0
        lame = at + 8 + 4 * (flags & 1) + 4 * (flags >> 1 & 1) + 100 * (flags >> 2 & 1) + 4 * (flags >> 3 & 1)
        if frame[lame : lame + 4] in (b"LAME", b"Lavc", b"Lavf"):
            trims = int.from_bytes(frame[lame + 21 : lame + 24], "big")
            delay = (trims >> 12) + (trims & 0xFFF)
    elif frame[36:40] == b"VBRI":
        frames = int.from_bytes(frame[50:54], "big")
    else:
        return None
    return max(0, frames * samples - delay) / rate if frames else None


@dataclass(frozen=True)
class OggEnd:
    """`has_length`: there is a page near the end of the file; without one the demuxer only guesses the length.

    `whole`: the file ends with the page that is marked as the last, and that page is complete.
    """

    has_length: bool
    whole: bool


def ogg_end(file: Readable) -> OggEnd:
    """The end of an Ogg file, which shows whether it was cut off; its header does not."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _SEARCHED))
    data = file.read(_SEARCHED)
    page = data[max(0, data.rfind(b"OggS")) :]
    if len(page) < 27 or page[:4] != b"OggS":
        return OggEnd(page[:4] == b"OggS", whole=False)
    table = page[27 : 27 + page[26]]
    complete = len(table) == page[26] and len(page) == 27 + len(table) + sum(table)
    return OggEnd(has_length=True, whole=complete and bool(page[5] & 4))
