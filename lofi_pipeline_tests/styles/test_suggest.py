"""Suggestions: every audible preset, ranked, with honest shares; better where the measurements fit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lofi_pipeline.entities import TrackMeasurements
from lofi_pipeline.styles import load_presets, suggest
from lofi_pipeline.styles.mood import EXPECTED_MINOR
from lofi_pipeline.styles.vocabulary import load_vocabulary

PRESETS = load_presets()


def heard(**measured: object) -> TrackMeasurements:
    usual = {
        "tempo_bpm": 82.0,
        "tempo_confidence": 0.9,
        "key": "A",
        "mode": "minor",
        "key_confidence": 0.8,
        "time_signature_confidence": 0.5,
        "brightness_hz": 1500.0,
        "onset_density": 3.0,
    }
    return TrackMeasurements.model_validate({**usual, **measured})


@given(
    st.floats(20, 400),
    st.floats(0, 1),
    st.sampled_from(["major", "minor"]),
    st.floats(0, 1),
    st.floats(0, 20000),
    st.floats(0, 50),
)
def test_any_measurements_give_every_style_but_the_vocal_ones(
    tempo: float, sure: float, mode: str, key: float, brightness: float, onsets: float
) -> None:
    measured = heard(
        tempo_bpm=tempo,
        tempo_confidence=sure,
        mode=mode,
        key_confidence=key,
        brightness_hz=brightness,
        onset_density=onsets,
    )
    suggestions = suggest(measured, PRESETS)
    assert {found.style_id for found in suggestions} == {s for s in PRESETS if not s.startswith("VOCAL")}
    shares = [found.confidence for found in suggestions]
    assert shares == sorted(shares, reverse=True)
    assert all(0 <= share <= 1 for share in shares)
    assert sum(shares) == pytest.approx(1)
    assert suggestions == suggest(measured, dict(reversed(PRESETS.items())))


def test_something_slow_dark_and_sparse_might_be_for_sleep() -> None:
    best = [
        s.style_id
        for s in suggest(heard(tempo_bpm=61, mode="major", brightness_hz=700, onset_density=1), PRESETS)
    ]
    assert best[0] in {"THEME-04", "INST-01"}


def test_something_fast_bright_and_busy_in_major() -> None:
    fast = heard(tempo_bpm=94, mode="major", brightness_hz=2600, onset_density=4.5)
    assert suggest(fast, PRESETS)[0].style_id in {"THEME-07", "SEASON-01", "INST-04", "SEASON-02"}


def test_double_tempo_is_the_same_suggestion() -> None:
    assert suggest(heard(tempo_bpm=70), PRESETS) == suggest(heard(tempo_bpm=140), PRESETS)


def test_an_unsure_measurement_says_less() -> None:
    sure, unsure = heard(tempo_bpm=61), heard(tempo_bpm=61, tempo_confidence=0.0, key_confidence=0.0)
    assert suggest(unsure, PRESETS)[0].confidence < suggest(sure, PRESETS)[0].confidence


def test_no_presets_no_suggestions() -> None:
    assert suggest(heard(), {}) == []


def test_every_mood_has_a_place_between_major_and_minor() -> None:
    assert EXPECTED_MINOR.keys() == set(load_vocabulary().categories[1].tags)
