"""MP3 and WAV files that give back every sample."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from lofi_pipeline import audio
from lofi_pipeline_tests.audio.music import loop


@pytest.mark.parametrize("count", [1, 1151, 1152, 48_000, 100_003, 300_000])
def test_the_mp3_decodes_to_exactly_the_samples(tmp_path: Path, count: int) -> None:
    samples = loop(7.0)[:, :count]
    path = tmp_path / "a.mp3"
    path.write_bytes(audio.encode_mp3(samples, vbr_quality=2))
    heard = audio.read(path, max_seconds=100)
    assert heard.samples.shape == samples.shape
    assert heard.lost_share == 0
    assert soundfile.info(path).frames == count
    assert soundfile.read(path)[0].shape == (count, 2)


def test_the_mp3_is_in_time_and_sounds_the_same(tmp_path: Path) -> None:
    samples = loop(5.0)
    path = tmp_path / "a.mp3"
    path.write_bytes(audio.encode_mp3(samples, vbr_quality=2))
    heard = audio.read(path, max_seconds=100).samples
    spectrum = np.fft.rfft(heard[0]) * np.fft.rfft(samples[0]).conj()
    assert np.fft.irfft(spectrum).argmax() == 0
    assert np.square(heard - samples).mean() < 0.05 * np.square(samples).mean()


def test_the_same_samples_give_the_same_bytes() -> None:
    assert audio.encode_mp3(loop(3.0), vbr_quality=2) == audio.encode_mp3(loop(3.0), vbr_quality=2)


def test_wav(tmp_path: Path) -> None:
    samples = loop(1.0)
    audio.write_wav(tmp_path / "a.wav", samples, 48_000)
    assert abs(audio.read(tmp_path / "a.wav", max_seconds=10).samples - samples).max() < 1e-4
    audio.write_wav(tmp_path / "mono.wav", np.full(100, 2.0), 22_050)
    values, rate = soundfile.read(tmp_path / "mono.wav")
    assert rate == 22_050
    assert values == pytest.approx(np.full(100, 32767 / 32768))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.wav", "mono.wav"]
