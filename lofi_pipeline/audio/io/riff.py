"""The chunks of WAV (RIFF, RF64, BW64, Sony's W64), AIFF and CAF files: where the audio lies, and how much is declared."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from lofi_pipeline.audio.io.regular_file import Piece, RegularFile

_MOST_CHUNKS = 1000
_MOST_FORMAT_BYTES = 1 << 16
_PCM_TAGS = {0x0001, 0x0003, 0xFFFE}
_EXTENSIBLE = 0xFFFE
_STREAMED_FROM, _STREAMED_TO = 0x7F00_0000, 0x8000_0000
"""What programs write that do not know the length when they begin (into a pipe), less a header or a part of a frame: 2^31 and
some less (sox, arecord). No file is taken for one whose bytes are really there."""
_STREAMED_LARGE = 0xFFFF_0000
"""And 2^32 and a little less (FFmpeg, flac, lame)."""
_W64 = b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00"


@dataclass(frozen=True)
class _Chunk:
    name: bytes
    start: int
    size: int


def _chunks(file: RegularFile, place: int, *, order: str = "<") -> Iterator[_Chunk]:
    """The chunks of RIFF (`order` "<") or IFF (">") from a place on."""
    for _ in range(_MOST_CHUNKS):
        head = file.bytes_at(place, 8)
        if len(head) < 8:
            return
        name, size = struct.unpack(f"{order}4sI", head)
        yield _Chunk(name, place + 8, size)
        place += 8 + size + size % 2


def _chunks_w64(file: RegularFile, place: int) -> Iterator[_Chunk]:
    """The chunks of a W64: 16 bytes of name, of which the first four say it, and a size that counts its own header."""
    for _ in range(_MOST_CHUNKS):
        head = file.bytes_at(place, 24)
        if len(head) < 24:
            return
        size = struct.unpack("<Q", head[16:])[0]
        yield _Chunk(head[:4], place + 24, max(0, size - 24))
        place += max(24, size + -size % 8)


def is_streamed(size: int, there: int) -> bool:
    """Whether a size in a header says that nobody knew it: `there` bytes follow."""
    unlikely = _STREAMED_FROM <= size <= _STREAMED_TO or size >= _STREAMED_LARGE
    return size in (0, 0xFFFF_FFFF) or (unlikely and size > there)


def wav_piece(file: RegularFile, start: int) -> Piece | None:
    """The audio of a WAV that begins at byte `start`, behind a header of our own; None for any other file.

    The decoding library corrects a declared length to the file's size without a word, searches everything after the audio for
    more chunks, reads pictures before it into memory, and takes valid bits for the size of a sample; so it is shown none of them.
    Where the chunks are not found, the piece ends where the search did.
    """
    head = file.bytes_at(start, 40)
    is_w64 = head[:16] == _W64 and head[24:28] == b"wave"
    if not is_w64 and (head[:4] not in (b"RIFF", b"RF64", b"BW64") or head[8:12] != b"WAVE"):
        return None
    form, long_size, place = b"", 0, start
    chunks = _chunks_w64(file, start + 40) if is_w64 else _chunks(file, start + 12)
    for chunk in chunks:
        place = chunk.start
        if chunk.name == b"ds64":
            sizes = file.bytes_at(chunk.start, 16)
            long_size = struct.unpack("<8xQ", sizes)[0] if len(sizes) == 16 else 0
        elif chunk.name == b"fmt ":
            form = file.bytes_at(chunk.start, min(chunk.size, _MOST_FORMAT_BYTES))
        elif chunk.name == b"data" and len(form) >= 14:
            is_long = chunk.size == 0xFFFF_FFFF and long_size
            return _behind_own_header(file, form, chunk.start, long_size if is_long else chunk.size)
    return Piece(start, place + 8, seconds={"wav": None, "w64": None})


def _behind_own_header(file: RegularFile, form: bytes, start: int, size: int) -> Piece:
    declared = None if is_streamed(size, file.size - start) else size
    byte_rate = _byte_rate(form)
    form = _with_whole_samples(form)
    shown = 0xFFFF_FFFF if declared is None else min(declared, 0xFFFF_FFFF)
    header = struct.pack("<4sI4s4sI", b"RIFF", 0xFFFF_FFFF, b"WAVE", b"fmt ", len(form)) + form
    prefix = header + b"\0" * (len(form) % 2) + struct.pack("<4sI", b"data", shown)
    seconds = declared / byte_rate if declared is not None and byte_rate else None
    return Piece(start, None if declared is None else start + declared, prefix, seconds={"wav": seconds})


def _byte_rate(form: bytes) -> int:
    """Bytes a second. For PCM it is computed from rate and block size, as some programs write a wrong value into the field."""
    tag, _, rate, byte_rate, block = struct.unpack("<HHIIH", form[:14])
    return rate * block if tag in _PCM_TAGS else byte_rate


def _with_whole_samples(form: bytes) -> bytes:
    """The format with as many bits a sample as its bytes have: fewer valid ones (24 in 32) stand at the upper end."""
    if len(form) < 16:
        return form
    tag, channels, _, _, block, bits = struct.unpack("<HHIIHH", form[:16])
    whole = 8 * block // channels if channels and block % channels == 0 else 0
    if tag not in (0x0001, _EXTENSIBLE) or whole not in (8, 16, 24, 32) or bits > whole:
        return form
    form = form[:14] + struct.pack("<H", whole) + form[16:]
    return (
        form[:18] + struct.pack("<H", whole) + form[20:] if tag == _EXTENSIBLE and len(form) >= 40 else form
    )


def aiff_piece(file: RegularFile, start: int) -> Piece | None:
    """An AIFF or AIFF-C from byte `start` on, with its declared length and the size of its pictures; None for any other file."""
    head = file.bytes_at(start, 12)
    if head[:4] != b"FORM" or head[8:12] not in (b"AIFF", b"AIFC"):
        return None
    seconds, pictures = None, 0
    for chunk in _chunks(file, start + 12, order=">"):
        if chunk.name == b"COMM":
            seconds = _aiff_seconds(file, file.bytes_at(chunk.start, 18))
        elif chunk.name == b"ID3 ":
            pictures += min(chunk.size, max(0, file.size - chunk.start))
        elif chunk.name == b"SSND":
            break
    return Piece(start, pictures=pictures, seconds={"aiff": seconds})


def _aiff_seconds(file: RegularFile, common: bytes) -> float | None:
    if len(common) < 18:
        return None
    channels, frames, bits, exponent, mantissa = struct.unpack(">HIHHQ", common)
    power = (exponent & 0x7FFF) - 16383
    size = frames * channels * -(-bits // 8)
    if not 0 <= power < 32 or not mantissa or is_streamed(size, file.size):
        return None
    return frames / (mantissa * 2.0 ** (power - 63))


def caf_piece(file: RegularFile, start: int) -> Piece | None:
    """A CAF from byte `start` on, with its declared length; None for any other file."""
    if file.bytes_at(start, 4) != b"caff":
        return None
    place, rate, packet_bytes, packet_frames, size, frames = start + 8, 0.0, 0, 0, 0, None
    for _ in range(_MOST_CHUNKS):
        head = file.bytes_at(place, 12)
        if len(head) < 12:
            break
        name, length = struct.unpack(">4sq", head)
        data = file.bytes_at(place + 12, 32)
        if name == b"desc" and len(data) == 32:
            rate, packet_bytes, packet_frames = struct.unpack(">d8xII8x", data)[:3]
        elif name == b"pakt" and len(data) == 32:
            frames = struct.unpack(">8xq", data[:16])[0]
        elif name == b"data":
            size = length
        if length < 0:
            break
        place += 12 + length
    if frames is None and packet_bytes and size > 4:  # behind the number of the last edit
        frames = (size - 4) // packet_bytes * packet_frames
    return Piece(start, seconds={"caf": frames / rate if frames and rate > 0 else None})
