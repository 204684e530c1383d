"""The door under fire: real files with bytes changed, cut out, doubled or cut off come out as audio or as a refusal."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lofi_pipeline import audio
from lofi_pipeline_tests.audio.music import loop, write

HEAD_BYTES = 300
"""Where headers are: a change there leads a decoder further astray than one in the music."""


@cache
def _whole(suffix: str) -> bytes:
    return write(Path(mkdtemp(prefix="lofi-fuzz-")) / f"a{suffix}", loop(0.5)).read_bytes()


_PLACES = st.one_of(st.integers(0, HEAD_BYTES), st.integers(0, 100_000))
_BYTES = st.one_of(st.sampled_from([b"\0", b"\xff", b"\xff\xff\xff\xff", b"\0\0\0\0"]), st.binary(max_size=8))
_CHANGES = st.lists(
    st.tuples(st.sampled_from(["overwrite", "insert", "remove", "double", "end"]), _PLACES, _BYTES),
    min_size=1,
    max_size=6,
)


def _changed(data: bytes, how: str, place: int, new: bytes) -> bytes:
    at = place % (len(data) or 1)
    match how:
        case "overwrite":
            return data[:at] + new + data[at + len(new) :]
        case "insert":
            return data[:at] + new + data[at:]
        case "remove":
            return data[:at] + data[at + 16 * len(new) :]
        case "double":
            return data[: at + 64] + data[at:]
        case _:
            return data[:at]


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".mp3", ".ogg"])
@settings(
    max_examples=1500,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(changes=_CHANGES)
def test_a_changed_file_is_audio_or_refused(
    tmp_path: Path, suffix: str, changes: list[tuple[str, int, bytes]]
) -> None:
    data = _whole(suffix)
    for change in changes:
        data = _changed(data, *change)
    path = tmp_path / f"x{suffix}"
    path.write_bytes(data)
    try:
        heard = audio.read(path, max_seconds=100)
    except audio.AudioError as error:
        assert error.refusal
        assert path.name in error.reason
    else:
        assert heard.samples.shape[0] == 2
        assert heard.samples.dtype == np.float32
        assert np.isfinite(heard.samples).all()
        assert 0 <= heard.lost_share <= 1
        assert heard.seconds <= 101
