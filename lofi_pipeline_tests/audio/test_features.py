"""Tempo and key: what was put into a loop is heard in it."""

from __future__ import annotations

import numpy as np
import pytest
import soxr

from lofi_pipeline import audio
from lofi_pipeline_tests.audio.music import loop


def _mono(samples: np.ndarray) -> np.ndarray:
    return audio.mono_at(samples, 22_050)


@pytest.mark.parametrize(
    ("bpm", "tonic", "mode", "name"),
    [
        (64, 9, "minor", "A"),
        (72.5, 0, "major", "C"),
        (80, 6, "major", "F#"),
        (88, 2, "minor", "D"),
        (95, 5, "major", "F"),
    ],
)
def test_tempo_and_key(bpm: float, tonic: int, mode: str, name: str) -> None:
    heard = audio.measure(_mono(loop(32.0, bpm=bpm, tonic=tonic, mode=mode, seed=tonic)))
    assert heard.tempo_bpm == pytest.approx(bpm, rel=0.01)
    assert heard.tempo_confidence > 0.3
    assert (heard.key, heard.mode) == (name, mode)
    assert heard.time_signature == "4/4"
    assert heard.time_signature_confidence <= 0.9
    assert 1.0 < heard.onset_density < 6.0


def test_noise_has_no_sure_tempo_or_key() -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal((2, 30 * 48_000)).astype(np.float32)
    heard = audio.measure(_mono(noise))
    assert heard.tempo_confidence < 0.1
    assert heard.key_confidence < 0.35
    assert heard.brightness_hz > 4000


def test_brightness_follows_the_treble() -> None:
    samples = loop(10.0)
    dull = soxr.resample(soxr.resample(samples.T, 48_000, 4000), 4000, 48_000).T
    assert audio.measure(_mono(dull)).brightness_hz < 0.5 * audio.measure(_mono(samples)).brightness_hz


def test_measures_do_not_depend_on_the_level() -> None:
    loud, soft = (audio.measure(_mono(loop(16.0, level=level))) for level in (0.9, 0.003))
    assert loud.tempo_bpm == pytest.approx(soft.tempo_bpm, rel=0.001)
    assert (loud.key, loud.mode) == (soft.key, soft.mode)
    assert loud.onset_density == pytest.approx(soft.onset_density, rel=0.05)


def test_silence_can_be_measured() -> None:
    heard = audio.measure(np.zeros(22_050, np.float32))
    assert heard.tempo_confidence == heard.key_confidence == heard.onset_density == 0
