"""The declared length of an MP3, in its first frame, where the decoding library's own figure is unreliable.

Nothing is decoded here.
"""

from __future__ import annotations

from lofi_pipeline.audio.io.regular_file import RegularFile

_SEARCHED = 1 << 16
_RATES = (44_100, 48_000, 32_000)


def mp3_seconds(file: RegularFile, start: int) -> float | None:
    """Seconds that an MP3's first frame from byte `start` on declares (Xing, Info or VBRI); None where it declares nothing."""
    data = file.bytes_at(start, _SEARCHED)
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
