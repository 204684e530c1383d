"""Places of an MP3 turned down: by just so much, just there, and every decoder still takes it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from lofi_pipeline import audio
from lofi_pipeline.audio.errors import EncodingFailed
from lofi_pipeline.audio.io.encode import encode_mp3
from lofi_pipeline.audio.io.frame_gain import STEP_DB, turned_down
from lofi_pipeline_tests.audio.music import loop

GRANULE = 576


@pytest.fixture(scope="module")
def mp3() -> bytes:
    return encode_mp3(loop(6.0, bpm=80) * 0.5, vbr_quality=2)


def decoded(folder: Path, mp3: bytes) -> np.ndarray:
    path = folder / "a.mp3"
    path.write_bytes(mp3)
    heard = audio.read(path, max_seconds=10)
    assert heard.bad_packets == 0
    others, _ = soundfile.read(path, dtype="float32", always_2d=True)
    assert others.T.shape == heard.samples.shape
    assert np.abs(others.T - heard.samples).max() < 1e-3
    return heard.samples


def test_a_place_gets_quieter_by_whole_steps_and_the_rest_stays(tmp_path: Path, mp3: bytes) -> None:
    before = decoded(tmp_path, mp3)
    at = 100_000
    after = decoded(tmp_path, turned_down(mp3, [(at, 2.0)]))
    assert after.shape == before.shape
    changed = np.flatnonzero(np.abs(after - before).max(axis=0) > 1e-6)
    assert at - 4 * GRANULE < changed.min() < at < changed.max() < at + 4 * GRANULE
    near = slice(at - 100, at + 100)
    quieter = 20 * np.log10(np.abs(before[:, near]).max() / np.abs(after[:, near]).max())
    assert quieter == pytest.approx(2 * STEP_DB, abs=0.3)


def test_everywhere_is_a_change_of_gain_alone(tmp_path: Path, mp3: bytes) -> None:
    before = decoded(tmp_path, mp3)
    everywhere = [(at, 1.0) for at in range(0, before.shape[1] + 2 * GRANULE, GRANULE)]
    after = decoded(tmp_path, turned_down(mp3, everywhere))
    assert np.abs(after - before * 10 ** (-STEP_DB / 20)).max() < 1e-4


def test_the_ends_of_the_music_can_be_turned_down_and_nothing_else_is_taken(mp3: bytes) -> None:
    assert turned_down(mp3, []) == mp3
    assert len(turned_down(mp3, [(0, 1.0), (6 * 48_000 - 1, 1.0)])) == len(mp3)
    with pytest.raises(EncodingFailed, match="no frame at byte"):
        turned_down(mp3 + b"not a frame", [(0, 1.0)])
