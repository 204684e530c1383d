"""What the first bytes of a file say of its length, where the decoding library is silent or only guesses."""

from __future__ import annotations

import struct
from typing import BinaryIO

_SEARCHED = 1 << 16
_UNKNOWN_SIZES = {0, 0xFFFFFFFF, 0x7FFFFFFF}


def wav_seconds(file: BinaryIO) -> float | None:
    """Seconds that a RIFF header's data chunk claims; None where it claims nothing (streamed) or is no RIFF.

    FFmpeg quietly corrects the claim to the file's size, so a truncated WAV can only be told from here.
    """
    file.seek(0)
    head = file.read(12)
    if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        return None
    byte_rate = 0
    while len(chunk := file.read(8)) == 8:
        size = struct.unpack("<I", chunk[4:])[0]
        if chunk[:4] == b"data":
            return size / byte_rate if byte_rate and size not in _UNKNOWN_SIZES else None
        if chunk[:4] == b"fmt " and size >= 16:
            fields = file.read(16)
            byte_rate = struct.unpack("<I", fields[8:12])[0] if len(fields) == 16 else 0
            size -= 16
        file.seek(size + size % 2, 1)
    return None


def has_mp3_length(file: BinaryIO) -> bool:
    """Whether an MP3 says its length (Xing, Info or VBRI frame); else it is guessed from the bit rate."""
    file.seek(0)
    head = file.read(10)
    if head[:3] == b"ID3" and len(head) == 10:
        size = (head[6] & 127) << 21 | (head[7] & 127) << 14 | (head[8] & 127) << 7 | (head[9] & 127)
        file.seek(10 + size)
    else:
        file.seek(0)
    first_frames = file.read(_SEARCHED)
    return any(mark in first_frames for mark in (b"Xing", b"Info", b"VBRI"))
