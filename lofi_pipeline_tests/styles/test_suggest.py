"""Suggestions: every audible preset, ranked, with honest shares; better where the measurements fit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lofi_pipeline import audio
from lofi_pipeline.demo.drop import spec_of
from lofi_pipeline.demo.synth import render
from lofi_pipeline.entities import TrackMeasurements
from lofi_pipeline.styles import (
    SURE_ENOUGH,
    load_presets,
    needs_review,
    standouts,
    style_texts,
    suggest,
    suggest_for,
)
from lofi_pipeline.styles.mood import EXPECTED_MINOR
from lofi_pipeline.styles.vocabulary import load_vocabulary

PRESETS = load_presets()


def zero_shot(**measured: object) -> TrackMeasurements:
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
def test_any_measurements_give_every_style(
    tempo: float, sure: float, mode: str, key: float, brightness: float, onsets: float
) -> None:
    measured = zero_shot(
        tempo_bpm=tempo,
        tempo_confidence=sure,
        mode=mode,
        key_confidence=key,
        brightness_hz=brightness,
        onset_density=onsets,
    )
    suggestions = suggest(measured, PRESETS)
    assert {found.style_id for found in suggestions} == set(PRESETS)
    assert needs_review(suggestions[0]) == (suggestions[0].confidence < SURE_ENOUGH)
    shares = [found.confidence for found in suggestions]
    assert shares == sorted(shares, reverse=True)
    assert all(0 <= share <= 1 for share in shares)
    assert sum(shares) == pytest.approx(1)
    assert suggestions == suggest(measured, dict(reversed(PRESETS.items())))


def test_something_slow_dark_and_sparse_might_be_for_sleep() -> None:
    best = [
        s.style_id
        for s in suggest(zero_shot(tempo_bpm=61, mode="major", brightness_hz=700, onset_density=1), PRESETS)
    ]
    assert best[0] in {"THEME-04", "INST-01"}


def test_something_fast_bright_and_busy_in_major() -> None:
    fast = zero_shot(tempo_bpm=94, mode="major", brightness_hz=2600, onset_density=4.5)
    assert suggest(fast, PRESETS)[0].style_id in {"THEME-07", "SEASON-01", "INST-04", "SEASON-02"}


def test_double_tempo_is_the_same_suggestion() -> None:
    assert suggest(zero_shot(tempo_bpm=70), PRESETS) == suggest(zero_shot(tempo_bpm=140), PRESETS)


def test_an_unsure_measurement_says_less() -> None:
    sure, unsure = zero_shot(tempo_bpm=61), zero_shot(tempo_bpm=61, tempo_confidence=0.0, key_confidence=0.0)
    assert suggest(unsure, PRESETS)[0].confidence < suggest(sure, PRESETS)[0].confidence


def test_no_presets_no_suggestions() -> None:
    assert suggest(zero_shot(), {}) == []


def test_every_mood_has_a_place_between_major_and_minor() -> None:
    assert EXPECTED_MINOR.keys() == set(load_vocabulary().categories[1].tags)


def played(style_id: str, seed: int) -> TrackMeasurements:
    samples = render(spec_of(PRESETS[style_id], seed, 30.0)).samples
    return audio.measure(audio.mono_at(samples, 22_050))


@pytest.mark.parametrize(
    "style_id", ["CORE-01", "SEASON-05", "THEME-06", "INST-01", "INST-04", "VOCAL-01", "VOCAL-05"]
)
def test_a_piece_in_a_style_is_told_by_its_sound(style_id: str) -> None:
    ranked = suggest(played(style_id, 51_000_007), PRESETS)
    assert style_id in [found.style_id for found in ranked[:3]]


def test_a_preset_that_was_rewritten_is_not_judged_by_its_old_sound() -> None:
    measured = played("INST-04", 51_000_007)
    rewritten = PRESETS["INST-04"].model_copy(update={"instruments": ["organ", "boom bap drums"]})
    now = {found.style_id: found.confidence for found in suggest(measured, {**PRESETS, "INST-04": rewritten})}
    before = {found.style_id: found.confidence for found in suggest(measured, PRESETS)}
    assert now["INST-04"] < 0.2 < before["INST-04"]
    assert sum(now.values()) == pytest.approx(1)


def test_what_sounds_like_nothing_known_goes_to_review() -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal(30 * 22_050).astype(np.float32)
    assert needs_review(suggest(audio.measure(noise), PRESETS)[0])


def test_words_are_not_put_into_a_mouth_that_nobody_declared() -> None:
    sung = zero_shot(voice=1.0, tempo_bpm=75)
    vocal = {style_id: preset for style_id, preset in PRESETS.items() if style_id.startswith("VOCAL")}
    few = {**vocal, "CORE-07": PRESETS["CORE-07"]}
    found, review = suggest_for(sung, few, vocals=None)
    assert found.style_id in {"CORE-07", "VOCAL-03", "VOCAL-05"}
    assert review
    assert suggest_for(sung, few, vocals=False)[0].style_id == "CORE-07"
    assert suggest_for(sung, few, vocals=True)[0] == suggest(sung, few)[0]


@given(st.lists(st.floats(-4, 4), min_size=len(PRESETS), max_size=len(PRESETS)))
def test_whatever_a_model_hears_the_shares_stay_shares(values: list[float]) -> None:
    stands = dict(zip(PRESETS, values))
    shares = [found.confidence for found in suggest(zero_shot(), PRESETS, stands)]
    assert shares == sorted(shares, reverse=True) and sum(shares) == pytest.approx(1)


def test_what_a_model_hears_moves_a_style_up_and_nothing_heard_moves_none() -> None:
    plain = suggest(zero_shot(), PRESETS)
    assert suggest(zero_shot(), PRESETS, dict.fromkeys(PRESETS, 0.0)) == plain
    for style_id in ("THEME-04", "INST-04"):
        share = {found.style_id: found.confidence for found in plain}[style_id]
        moved = suggest(zero_shot(), PRESETS, {style_id: 3.0})
        assert {found.style_id: found.confidence for found in moved}[style_id] > 2 * share


def test_models_with_other_levels_and_spreads_say_the_same() -> None:
    cosines = dict(zip(PRESETS, np.random.default_rng(0).normal(0.2, 0.05, len(PRESETS)).tolist()))
    other = {style_id: 0.6 + 4 * cosine for style_id, cosine in cosines.items()}
    assert standouts(other) == pytest.approx(standouts(cosines))
    assert set(standouts(dict.fromkeys(PRESETS, 0.3)).values()) == {0.0}


@pytest.mark.parametrize("style_id", PRESETS)
def test_a_model_is_asked_in_the_words_of_prompts(style_id: str) -> None:
    texts = style_texts(PRESETS[style_id], load_vocabulary())
    assert len(texts) == len(set(texts)) >= 2
    assert all(tag in load_vocabulary() for text in texts for tag in text.split(", "))
