"""Why a style fits a track, in words that people read."""

from __future__ import annotations

from lofi_pipeline.entities import TrackMeasurements
from lofi_pipeline.styles import load_presets, why


def measured(**changes: float) -> TrackMeasurements:
    given = {
        "tempo_bpm": 160.0,
        "tempo_confidence": 0.9,
        "key": "A",
        "mode": "minor",
        "key_confidence": 0.9,
        "time_signature_confidence": 0.9,
        "brightness_hz": 1500.0,
        "onset_density": 3.0,
    }
    return TrackMeasurements.model_validate({**given, **changes})


def test_each_measurement_that_was_clear_speaks_for_or_against() -> None:
    presets = load_presets()
    rainy = next(it for it in presets.values() if it.atmosphere == "rain")
    low, high = rainy.tempo_range
    said = why(measured(rain=0.9, voice=0.95, drums=0.5), rainy)
    assert said[0].endswith(f"{low} to {high}")
    assert "rain heard, as expected" in said
    assert not any("drums" in each for each in said), "0.5 says nothing"
    sings = rainy.vocal_type not in (None, "instrumental")
    assert ("a voice heard, not expected" in said) is not sings
    assert "rain expected, not heard" in why(measured(rain=0.1), rainy)


def test_a_tempo_in_another_octave_counts_as_the_presets() -> None:
    preset = load_presets()["CORE-01"]
    middle = sum(preset.tempo_range) // 2
    assert why(measured(tempo_bpm=2.0 * middle), preset)[0].startswith(f"tempo {middle} fits")
