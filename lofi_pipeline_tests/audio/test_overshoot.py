"""Only the changed frames of an MP3 are decoded and measured again: the same, to the last bit, as decoding the whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lofi_pipeline import audio
from lofi_pipeline.audio.io.decode_again import decode_again
from lofi_pipeline.audio.io.encode import FRAME, encode_mp3
from lofi_pipeline.audio.io.frame_gain import turned_down
from lofi_pipeline.audio.mastering.loudness import k_weighted_power, local_peaks, peaks_after
from lofi_pipeline.audio.mastering.overshoot import reduce_overshoot
from lofi_pipeline_tests.audio.music import RATE, loop

SECONDS = 8
SILENCE = slice(3 * RATE, 5 * RATE)


@pytest.fixture(scope="module")
def mp3() -> bytes:
    """Music with two seconds of nothing: the frames there are as small as can be, and bits are saved up for what follows."""
    samples = loop(SECONDS, bpm=80) * 0.5
    samples[:, SILENCE] = 0
    return encode_mp3(samples, vbr_quality=2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mp3")


def decoded(folder: Path, mp3: bytes) -> np.ndarray:
    path = folder / "whole.mp3"
    path.write_bytes(mp3)
    heard = audio.read(path, max_seconds=SECONDS + 1)
    assert heard.bad_packets == 0
    return heard.samples


PLACES = st.lists(st.tuples(st.integers(0, SECONDS * RATE - 1), st.floats(0.1, 6.0)), min_size=1, max_size=6)


@settings(max_examples=25)
@given(places=PLACES)
def test_what_is_decoded_again_is_what_the_whole_would_be(
    folder: Path, mp3: bytes, places: list[tuple[int, float]]
) -> None:
    inside = _changed(folder, mp3, places)
    assert inside.sum() <= len(places) * 15 * FRAME  # places that lie close are decoded as one


@pytest.mark.parametrize(
    "at",
    [0, 1, SILENCE.start, *range(SILENCE.stop, SILENCE.stop + 20 * FRAME, 2500), SECONDS * RATE - 1],
)
def test_the_ends_and_the_first_sounds_after_silence_as_well(folder: Path, mp3: bytes, at: int) -> None:
    assert _changed(folder, mp3, [(at, 2.0)]).sum() <= 3 * FRAME


def _changed(folder: Path, mp3: bytes, places: list[tuple[int, float]]) -> np.ndarray:
    """Which samples are put anew where places are turned down: bool [n]; after all of it was compared with the whole."""
    before = decoded(folder, mp3)
    quieter = turned_down(mp3, places)
    heard, expected = before.copy(), decoded(folder, quieter)
    changed = decode_again(heard, mp3, quieter)
    assert np.array_equal(heard, expected)
    inside = np.zeros(before.shape[1], dtype=bool)
    for start, end in changed:
        inside[start:end] = True
    assert not (before != expected).any(axis=0)[~inside].any()
    return inside


def test_nothing_is_decoded_where_nothing_changed(folder: Path, mp3: bytes) -> None:
    before = decoded(folder, mp3)
    heard = before.copy()
    assert decode_again(heard, mp3, mp3) == []
    assert np.array_equal(heard, before)


def test_peaks_that_are_brought_up_to_date_are_those_of_the_whole() -> None:
    channel = loop(10.0, level=0.4)[0]
    before = local_peaks(channel, 0.1)
    for stretches in (
        [(0, 3000)],
        [(200_000, 200_001), (200_020, 201_000)],
        [(len(channel) - 50, len(channel))],
    ):
        changed = channel.copy()
        for start, end in stretches:
            changed[start:end] *= 1.5
        after, expected = peaks_after(before, changed, 0.1, stretches), local_peaks(changed, 0.1)
        order = np.argsort(after.index)
        assert np.array_equal(after.index[order], expected.index)
        assert np.allclose(after.level[order], expected.level, rtol=1e-6)


def test_a_tamed_mp3_keeps_the_ceiling_and_is_what_was_measured(folder: Path, mp3: bytes) -> None:
    heard = decoded(folder, mp3)
    ceiling = audio.true_peak_dbtp(heard) - 2.0
    reduced = reduce_overshoot(mp3, heard, ceiling)
    whole = decoded(folder, reduced.mp3)
    assert np.array_equal(heard, whole)
    assert reduced.peak_dbtp <= ceiling + 0.005
    assert reduced.peak_dbtp == pytest.approx(audio.true_peak_dbtp(whole), abs=1e-4)
    assert reduced.power == pytest.approx(k_weighted_power(whole), rel=1e-5)


def test_an_mp3_below_the_ceiling_stays_as_it_is(folder: Path, mp3: bytes) -> None:
    heard = decoded(folder, mp3)
    assert reduce_overshoot(mp3, heard, audio.true_peak_dbtp(heard) + 0.1).mp3 == mp3
