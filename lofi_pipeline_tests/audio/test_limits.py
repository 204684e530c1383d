"""How far the limiter goes: to its setting, and no further."""

from __future__ import annotations

import pytest

from lofi_pipeline import audio
from lofi_pipeline.audio.mastering.limiter import level
from lofi_pipeline.audio.mastering.loudness import k_weighted_power
from lofi_pipeline_tests.audio.music import loop


@pytest.mark.parametrize("most", [0.0, 1.0, 3.0])
@pytest.mark.parametrize("ceiling", [-1.3, -3.0])
def test_the_gain_stops_where_the_limiter_would_do_more_than_it_may(most: float, ceiling: float):
    samples = loop(8.0, level=0.05)
    samples[:, 200_000] = 0.9
    peak = audio.true_peak_dbtp(samples)
    done = level(
        samples,
        power=k_weighted_power(samples),
        peak_dbtp=peak,
        target_lufs=-14.0,
        ceiling_dbtp=ceiling,
        max_limiter_db=most,
    )
    assert done.gain_db == pytest.approx(ceiling + most - peak, abs=1e-6)
    assert audio.true_peak_dbtp(done.samples) <= ceiling + 0.1
    assert done.loudness_shortfall_db > 0.5
