"""Clips that are compared are equally loud, and none is played so loud that it clips; and what their pictures show."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from lofi_pipeline.audio import integrated_loudness, true_peak_dbtp
from lofi_pipeline.evaluation.clip_sound import (
    CEILING_DBTP,
    TARGET_LUFS,
    ClipLevel,
    clip_level,
    matched_gains,
    spectrogram,
    spectrogram_png,
)
from lofi_pipeline.evaluation.errors import EvaluationError
from lofi_pipeline.storage import DataRoot
from lofi_pipeline_tests.checkpoints.lineages import RATE, tone

LEVELS = st.builds(
    lambda lufs, crest: ClipLevel(lufs=lufs, peak_dbtp=lufs + crest), st.floats(-60, -5), st.floats(0, 30)
)


@given(st.lists(LEVELS, min_size=1, max_size=12))
def test_all_are_equally_loud_and_none_clips(levels: list[ClipLevel]) -> None:
    gains = matched_gains(levels)
    loud = [level.lufs + gain for level, gain in zip(levels, gains, strict=True) if level.lufs is not None]
    assert max(loud) - min(loud) < 0.011 and max(loud) <= TARGET_LUFS + 0.01
    assert all(it.peak_dbtp + gain <= CEILING_DBTP + 0.01 for it, gain in zip(levels, gains, strict=True))


def test_the_gains_are_those_that_the_meter_of_tracks_hears(root: DataRoot) -> None:
    clips = [tone(220, 0.8), tone(220, 0.05), tone(1760, 0.3)]
    levels = []
    for number, samples in enumerate(clips):
        path = root.cache / f"{number}.wav"
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, samples, RATE, subtype="FLOAT")
        levels.append(clip_level(root, path))
    played = [
        samples.T * np.float32(10 ** (gain / 20))
        for samples, gain in zip(clips, matched_gains(levels), strict=True)
    ]
    heard = [integrated_loudness(samples) for samples in played]
    assert heard == pytest.approx([heard[0]] * 3, abs=0.02)
    assert all(true_peak_dbtp(samples) <= CEILING_DBTP + 0.02 for samples in played)


def test_silence_stays_as_it_is_and_does_not_hold_the_others_back(root: DataRoot) -> None:
    path = root.path / "silent.wav"
    soundfile.write(path, np.zeros((RATE, 2), np.int16), RATE)
    silent, other = clip_level(root, path), ClipLevel(lufs=-20.0, peak_dbtp=-10.0)
    assert silent.lufs is None
    assert matched_gains([silent, other, None]) == [0.0, 4.0, 0.0]


def test_a_level_is_measured_once_and_anew_when_the_file_is_another(
    root: DataRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = root.path / "a.wav"
    soundfile.write(path, tone(220, 0.5), RATE)
    first = clip_level(root, path)
    monkeypatch.setattr("lofi_pipeline.evaluation.clip_sound.integrated_loudness", lambda samples: -99.0)
    assert clip_level(root, path) == first
    soundfile.write(path, tone(220, 0.4), RATE)
    assert clip_level(root, path).lufs == -99.0


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("L"), dtype=float)


def test_a_picture_shows_high_notes_above_low_ones_and_time_to_the_right(root: DataRoot) -> None:
    low_then_high = np.concatenate([tone(150, 0.5), tone(4000, 0.5)])
    path = root.path / "a.flac"
    soundfile.write(path, low_then_high, RATE)
    shown = pixels(spectrogram(root, path).read_bytes())
    half = shown.shape[1] // 2
    brightest = [float(part.mean(axis=1).argmax()) for part in (shown[:, : half - 5], shown[:, half + 5 :])]
    assert brightest[0] > brightest[1] + shown.shape[0] / 4
    assert spectrogram(root, path) == spectrogram(root, path)


def test_a_long_clip_has_a_picture_no_wider_than_a_short_one() -> None:
    assert pixels(spectrogram_png(tone(220, 0.5, 30.0).T, RATE)).shape == (96, 320)
    assert pixels(spectrogram_png(np.zeros((2, RATE), np.float32), RATE)).shape[0] == 96


def test_what_is_no_audio_is_named(root: DataRoot, tmp_path: Path) -> None:
    broken = tmp_path / "broken.flac"
    broken.write_bytes(b"fLaC no")
    for asked in (lambda: clip_level(root, broken), lambda: spectrogram(root, tmp_path / "gone.flac")):
        with pytest.raises(EvaluationError, match=r"(broken|gone)\.flac: can't be read as audio"):
            asked()
