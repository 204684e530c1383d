"""The door under fire: real files with bytes changed, cut out, doubled or cut off come out as audio or as a refusal."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lofi_pipeline import audio
from lofi_pipeline_tests.audio.music import loop, write, write_av

HEAD_BYTES = 300
"""Where headers are: a change there leads a decoder further astray than one in the music."""
EXAMPLES = {
    **dict.fromkeys([".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a", ".aac"], 1200),
    **dict.fromkeys([".w64", ".aiff", ".caf", ".au", ".wv", ".tta", ".wma", ".mka", ".webm"], 300),
}
"""Of each kind of container: about a minute in all."""
WARM = 100
MOST_GROWTH_MEGABYTES = 32
_CODECS = {".m4a": "aac", ".aac": "aac", ".opus": "libopus", ".mka": "flac", ".webm": "libopus"}
_CODECS |= {".wv": "wavpack", ".tta": "tta", ".wma": "wmav2"}


@cache
def _whole(suffix: str) -> bytes:
    codec = _CODECS.get(suffix)
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"a{suffix}"
        return (write_av(path, loop(0.5), codec) if codec else write(path, loop(0.5))).read_bytes()


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


@pytest.mark.parametrize("suffix", sorted(EXAMPLES))
def test_a_changed_file_is_audio_or_refused_and_nothing_leaks(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    process = psutil.Process()
    held: list[tuple[int, int]] = []

    @settings(max_examples=EXAMPLES[suffix])
    @given(changes=_CHANGES)
    def attack(changes: list[tuple[str, int, bytes]]) -> None:
        data = _whole(suffix)
        for change in changes:
            data = _changed(data, *change)
        path.write_bytes(data)
        _is_audio_or_refused(path)
        held.append((process.num_fds(), process.memory_info().rss >> 20))

    attack()
    (files, megabytes), (files_at_end, megabytes_at_end) = held[WARM], held[-1]
    print(f"{len(held)} files, {megabytes} MB, at the end {megabytes_at_end} MB")
    assert files_at_end <= files
    assert megabytes_at_end < megabytes + MOST_GROWTH_MEGABYTES


def _is_audio_or_refused(path: Path) -> None:
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
