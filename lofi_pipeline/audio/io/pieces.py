"""What of a file the decoding library is shown: the audio, without the tags and pictures around it that lead it astray.

A chained Ogg file is several pieces. Nothing is decoded here.
"""

from __future__ import annotations

import struct

from lofi_pipeline.audio.io.headers import mp3_seconds
from lofi_pipeline.audio.io.ogg import ogg_pieces
from lofi_pipeline.audio.io.regular_file import Piece, RegularFile
from lofi_pipeline.audio.io.riff import aiff_piece, caf_piece, wav_piece

_LARGE_TAG = 1 << 20
_MOST_TAGS = 16
_APE_HAS_HEADER = 1 << 31
_MOST_BLOCKS = 4096
_MOST_ATOMS = 4096
_ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_ASF_ENCRYPTION = (
    bytes.fromhex("fbb3112223bdd211b4b700a0c955fc6e"),
    bytes.fromhex("14e68a292226174cb935dae07ee9289c"),
)
_ASF_BROADCAST = 1
_STREAMINFO, _VORBIS_COMMENT = 0, 4
_MOST_COMMENT_BYTES = 1 << 20


def pieces(file: RegularFile) -> list[Piece]:
    """The pieces that hold a file's audio, one after the other; at least one."""
    start = _after_id3(file)
    if found := ogg_pieces(file, start):
        return found
    return [
        wav_piece(file, start)
        or aiff_piece(file, start)
        or caf_piece(file, start)
        or _flac_piece(file, start)
        or _mp4_piece(file, start)
        or _asf_piece(file, start)
        or _other_piece(file, start)
    ]


def _after_id3(file: RegularFile) -> int:
    """The byte after the ID3v2 tags at the beginning."""
    place = 0
    for _ in range(_MOST_TAGS):
        head = file.bytes_at(place, 10)
        if len(head) < 10 or head[:3] != b"ID3" or max(head[6:]) > 127:
            break
        size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
        place += 10 + size + (10 if head[5] & 0x10 else 0)
    return place if place < file.size else 0


def _other_piece(file: RegularFile, start: int) -> Piece:
    """Any other file: without large tags, which the decoding library would read into memory."""
    seconds = {"aac": None, "mp3": mp3_seconds(file, start)}
    return Piece(start if start > _LARGE_TAG else 0, _before_ape_tag(file), seconds=seconds)


def _before_ape_tag(file: RegularFile) -> int | None:
    """Where a large APEv2 tag at the end of the file begins; None where there is none."""
    tail = file.bytes_at(max(0, file.size - 160), 160)
    at = tail.rfind(b"APETAGEX")
    if at < 0 or len(tail) - at not in (32, 160):
        return None
    size, _, flags = struct.unpack("<III", tail[at + 12 : at + 24])
    start = file.size - len(tail) + at + 32 - size - (32 if flags & _APE_HAS_HEADER else 0)
    return start if size > _LARGE_TAG and start > 0 else None


def _flac_piece(file: RegularFile, start: int) -> Piece | None:
    """The frames of a FLAC behind its stream information and comments: pictures and padding are left out."""
    if file.bytes_at(start, 4) != b"fLaC":
        return None
    kept: list[tuple[int, bytes]] = []
    place = start + 4
    for _ in range(_MOST_BLOCKS):
        head = file.bytes_at(place, 4)
        if len(head) < 4:
            return None
        kind, size = head[0] & 0x7F, int.from_bytes(head[1:], "big")
        if kind == _STREAMINFO or (kind == _VORBIS_COMMENT and size <= _MOST_COMMENT_BYTES):
            kept.append((kind, file.bytes_at(place + 4, size)))
        place += 4 + size
        if head[0] & 0x80:
            break
    else:
        return None
    if not kept or kept[0][0] != _STREAMINFO or place >= file.size:
        return None
    blocks = [bytes([kind]) + len(data).to_bytes(3, "big") + data for kind, data in kept[:2]]
    blocks[-1] = bytes([blocks[-1][0] | 0x80]) + blocks[-1][1:]
    return Piece(place, prefix=b"fLaC" + b"".join(blocks))


def _asf_piece(file: RegularFile, start: int) -> Piece | None:
    """An ASF (WMA) with the length in its header, which the decoding library corrects, and the size of that header."""
    if file.bytes_at(start, 16) != _ASF_HEADER:
        return None
    size = struct.unpack("<Q", file.bytes_at(start + 16, 8).ljust(8, b"\0"))[0]
    header = file.bytes_at(start, min(size, _LARGE_TAG))
    at = header.find(_ASF_FILE_PROPERTIES)
    seconds = None
    if at >= 0 and len(header) >= at + 92:
        duration, preroll, flags = struct.unpack("<Q8xQI", header[at + 64 : at + 92])
        seconds = max(0.0, duration / 1e7 - preroll / 1e3) if not flags & _ASF_BROADCAST else None
    protected = any(name in header for name in _ASF_ENCRYPTION)
    return Piece(start, pictures=min(size, file.size), seconds={"asf": seconds}, protected=protected)


def _mp4_piece(file: RegularFile, start: int) -> Piece | None:
    """An MP4 with the size of its pictures; None for any other file."""
    if file.bytes_at(start + 4, 4) not in (b"ftyp", b"moov", b"mdat", b"free", b"wide", b"skip"):
        return None
    pictures = sum(
        file_range[1] - file_range[0]
        for meta in (b"udta", None)
        for file_range in _atoms(
            file, (start, file.size), b"moov", *([meta] if meta else []), b"meta", b"ilst", b"covr"
        )
    )
    return Piece(start if start > _LARGE_TAG else 0, pictures=pictures)


def _atoms(file: RegularFile, within: tuple[int, int], *way: bytes) -> list[tuple[int, int]]:
    """Where the atoms of an MP4 lie that are found by these names, one inside the other."""
    if not way:
        return [within]
    found = []
    place, end = within
    for _ in range(_MOST_ATOMS):
        head = file.bytes_at(place, 16)
        if len(head) < 8 or place >= end:
            break
        size, begin = struct.unpack(">I", head[:4])[0], place + 8
        if size == 1 and len(head) == 16:
            size, begin = struct.unpack(">Q", head[8:])[0], place + 16
        stop = min(end, place + size) if size else end
        if head[4:8] == way[0]:
            begin += 4 if way[0] == b"meta" else 0  # its version and flags
            found += _atoms(file, (begin, stop), *way[1:])
        if stop <= place:
            break
        place = stop
    return found
