"""How far the limiter goes: to its setting, and no further."""

from __future__ import annotations

from pathlib import Path

import pytest

from lofi_pipeline import audio
from lofi_pipeline.config import AudioSettings
from lofi_pipeline_tests.audio.levelled import levelled
from lofi_pipeline_tests.audio.music import loop, write


@pytest.mark.parametrize("most", [0.0, 1.0, 3.0])
@pytest.mark.parametrize("ceiling", [-1.3, -3.0])
def test_the_gain_stops_where_the_limiter_would_do_more_than_it_may(most: float, ceiling: float):
    samples = loop(8.0, level=0.05)
    samples[:, 200_000] = 0.9
    peak = audio.true_peak_dbtp(samples)
    done = levelled(samples, -14.0, ceiling=ceiling, limiter=most)
    assert done.gain_db == pytest.approx(ceiling + most - peak, abs=1e-6)
    assert audio.true_peak_dbtp(done.samples) <= ceiling + 0.1
    assert done.loudness_shortfall_db > 0.5


def test_target_ceiling_and_limiter_are_those_of_the_settings(tmp_path: Path):
    source = write(tmp_path / "a.flac", loop(30.5, level=0.3))

    def made(**settings: float) -> audio.ProcessedAudio:
        return audio.process(source, tmp_path / "a.mp3", AudioSettings.model_validate(settings))

    quiet = made(target_lufs=-24.0)
    assert quiet.output_lufs == pytest.approx(-24.0, abs=0.2) and quiet.loudness_shortfall_db == 0
    loud = {most: made(target_lufs=-6.0, max_limiter_db=most) for most in (0.0, 2.0)}
    assert loud[2.0].gain_db - loud[0.0].gain_db == pytest.approx(2.0, abs=0.01)
    assert all(one.loudness_shortfall_db > 0.5 and one.true_peak_dbtp <= -0.99 for one in loud.values())
    assert made(target_lufs=-6.0, true_peak_ceiling_dbtp=-4.0).true_peak_dbtp <= -3.99
