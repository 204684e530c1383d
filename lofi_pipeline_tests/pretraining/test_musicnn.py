"""How musicnn's files were made: a TensorFlow checkpoint is read as it was written, and no other wheel is taken."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lofi_pipeline.pretraining.musicnn import convert
from lofi_pipeline.pretraining.tensorflow_checkpoint import MAGIC, read_float_tensors


def _varint(value: int) -> bytes:
    found = b""
    while value > 127:
        found += bytes([value & 127 | 128])
        value >>= 7
    return found + bytes([value])


def _block(entries: list[tuple[int, bytes, bytes]]) -> bytes:
    """Of (letters shared with the key before, the rest of the key, value), with one restart and an unused checksum."""
    rows = (
        _varint(shared) + _varint(len(key)) + _varint(len(value)) + key + value
        for shared, key, value in entries
    )
    return b"".join(rows) + bytes(4) + (1).to_bytes(4, "little")


def _entry(shape: tuple[int, ...], offset: int, size: int, kind: int = 1) -> bytes:
    dims = b"".join(b"\x12" + _varint(len(dim)) + dim for dim in (b"\x08" + _varint(each) for each in shape))
    place = b"\x20" + _varint(offset) if offset else b""
    return (
        b"\x08"
        + bytes([kind])
        + b"\x12"
        + _varint(len(dims))
        + dims
        + place
        + b"\x28"
        + _varint(size)
        + b"\x35"
        + bytes(4)
    )


def _index() -> bytes:
    entries = _block(
        [
            (0, b"", b"\x08\x01"),
            (0, b"conv/bias", _entry((3,), 0, 12)),
            (5, b"kernel", _entry((2, 150), 12, 1200)),
            (0, b"step", _entry((), 1212, 8, kind=9)),
        ]
    )
    content = entries + bytes(5)
    handle = _varint(0) + _varint(len(entries))
    table = _block([(0, b"z", handle)])
    footer = _varint(0) + _varint(0) + _varint(len(content)) + _varint(len(table))
    return content + table + bytes(5) + footer.ljust(40, b"\0") + MAGIC


def test_a_checkpoint_is_read_as_it_was_written() -> None:
    bias, kernel = np.arange(3, dtype="<f4"), np.random.default_rng(0).normal(size=(2, 150)).astype("<f4")
    data = bias.tobytes() + kernel.tobytes() + bytes(8)
    found = read_float_tensors(_index(), data)
    assert sorted(found) == ["conv/bias", "conv/kernel"], "the counter of steps is no float"
    np.testing.assert_array_equal(found["conv/bias"], bias)
    np.testing.assert_array_equal(found["conv/kernel"], kernel)
    with pytest.raises(ValueError, match="the data end at byte 1000"):
        read_float_tensors(_index(), data[:1000])


def test_what_is_no_index_and_another_wheel_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not the index of a TensorFlow checkpoint"):
        read_float_tensors(b"PK" + bytes(100), b"")
    (tmp_path / "musicnn-0.1.0-py3-none-any.whl").write_bytes(b"another")
    with pytest.raises(ValueError, match="get it again"):
        convert(tmp_path / "musicnn-0.1.0-py3-none-any.whl", tmp_path / "out")
    assert not (tmp_path / "out").exists()
