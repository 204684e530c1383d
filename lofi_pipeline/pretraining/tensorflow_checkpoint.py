"""Reading the tensors of a TensorFlow checkpoint (format V2) with NumPy alone.

Its .index is a sorted table of LevelDB's format: blocks of keys that share their beginnings with the key before. Each value is
a BundleEntryProto: data type, shape, and where the tensor lies in the .data file.
https://github.com/google/leveldb/blob/main/doc/table_format.md, tensorflow/core/protobuf/tensor_bundle.proto
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

FOOTER = 48
MAGIC = bytes.fromhex("57fb808b247547db")
NO_COMPRESSION = 0
FLOAT32 = 1
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


def read_float_tensors(index: bytes, data: bytes) -> dict[str, np.ndarray]:
    """Every float32 tensor by name, of a checkpoint with one .data file.

    Raises:
        ValueError: this is not such an index, or the data are cut off.
    """
    if index[-8:] != MAGIC:
        raise ValueError("not the index of a TensorFlow checkpoint: its last bytes are others")
    _, _, place = _handle(index, len(index) - FOOTER)
    tensors = {}
    offset, size, _ = _handle(index, place)
    for _, handle in _entries(index, offset, size):
        for name, entry in _entries(index, *_handle(handle, 0)[:2]):
            if name and (tensor := _tensor(entry, data)) is not None:
                tensors[name.decode()] = tensor
    return tensors


def _tensor(entry: bytes, data: bytes) -> np.ndarray | None:
    fields = dict(_fields(entry))
    if fields.get(1) != FLOAT32:
        return None
    shape = [dict(_fields(each)).get(1, 0) for number, each in _fields(fields.get(2, b"")) if number == 2]
    offset, size = fields.get(4, 0), fields[5]
    if len(data) < offset + size:
        raise ValueError(f"the data end at byte {len(data)}, a tensor at {offset + size}: get the file again")
    return np.frombuffer(data, "<f4", size // 4, offset).reshape(shape).copy()


def _handle(content: bytes, place: int) -> tuple[int, int, int]:
    """Where a block lies, its size, and where the next value begins."""
    offset, place = _varint(content, place)
    size, place = _varint(content, place)
    return offset, size, place


def _entries(content: bytes, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """The keys and values of a block."""
    if content[offset + size] != NO_COMPRESSION:
        raise ValueError("a block of the index is compressed, which this reader does not know")
    restarts = int.from_bytes(content[offset + size - 4 : offset + size], "little")
    end = offset + size - 4 * (restarts + 1)
    key = b""
    while offset < end:
        shared, offset = _varint(content, offset)
        own, offset = _varint(content, offset)
        length, offset = _varint(content, offset)
        key = key[:shared] + content[offset : offset + own]
        yield key, content[offset + own : offset + own + length]
        offset += own + length


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """The numbers and values of a protocol buffer's fields."""
    place = 0
    while place < len(message):
        tag, place = _varint(message, place)
        number, kind = tag >> 3, tag & 7
        if kind == VARINT:
            value, place = _varint(message, place)
        elif kind == BYTES:
            length, place = _varint(message, place)
            value, place = message[place : place + length], place + length
        else:
            length = {FIXED64: 8, FIXED32: 4}[kind]
            value, place = int.from_bytes(message[place : place + length], "little"), place + length
        yield number, value


def _varint(content: bytes, place: int) -> tuple[int, int]:
    """A number of seven bits a byte, and where the next value begins."""
    value = shift = 0
    while True:
        byte = content[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return value, place
