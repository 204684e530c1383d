"""A file of the latent cache proves itself: whichever byte is another, it is not taken."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from lofi_pipeline.training.encoded_file import CONDITION, EncodedShape, encoded_shape, write_encoded

BASE = "b" * 64


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "x.safetensors"
    write_encoded(path, {"condition": np.ones((3, 2), np.float32)}, BASE)
    return path


def test_whichever_byte_is_another_the_file_is_not_taken(file: Path) -> None:
    whole, times = file.read_bytes(), (file.stat().st_atime_ns, file.stat().st_mtime_ns)
    for place in range(len(whole)):
        for bit in (1, 128):
            file.write_bytes(whole[:place] + bytes([whole[place] ^ bit]) + whole[place + 1 :])
            assert encoded_shape(file, CONDITION, BASE) is None, place
            os.utime(file, ns=times)
            assert encoded_shape(file, CONDITION, BASE, read=True) is None, place
    file.write_bytes(whole)
    assert encoded_shape(file, CONDITION, BASE) == EncodedShape(3, 2)
    assert file.stat().st_mtime_ns == times[1]  # it was read, and got its time back


def test_reading_everything_writes_nothing(file: Path) -> None:
    os.utime(file, (1, 1))
    assert encoded_shape(file, CONDITION, BASE, read=True) == EncodedShape(3, 2)
    assert file.stat().st_mtime == 1
