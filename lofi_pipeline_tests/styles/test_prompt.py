"""Prompts: canonical, without repeats, one tag for each category, in one order, the tempo folded; the same every time."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lofi_pipeline.entities import Support, TagKind, TrackMeasurements
from lofi_pipeline.styles import (
    STYLE_IDS,
    TEMPO_TAG_RANGE,
    KnownStyles,
    StyleError,
    UnknownStyle,
    build_prompt,
    caption_variants,
    contradicted,
    fold_tempo,
    has_words,
    leading_instruments,
    load_presets,
    load_vocabulary,
    prompt_bpm,
    style_prompt,
    tempo_tag,
)

VOCABULARY = load_vocabulary()
PRESETS = load_presets()
ORDER = list(TagKind)


def zero_shot(tempo: float = 82.0, mode: str = "minor", sure: float = 0.0) -> TrackMeasurements:
    return TrackMeasurements.model_validate(
        {
            "tempo_bpm": tempo,
            "tempo_confidence": 0.8,
            "beat_confidence": 1.0,
            "beat_steadiness": 1.0,
            "key": "A",
            "mode": mode,
            "key_confidence": sure,
            "time_signature_confidence": 0.5,
            "brightness_hz": 1500.0,
            "onset_density": 3.0,
        }
    )


def kinds_of(prompt: str) -> list[TagKind]:
    return [VOCABULARY.kind_of(tag) for tag in prompt.split(", ")]


tempos = st.floats(min_value=20, max_value=400)
styles = st.lists(st.sampled_from(STYLE_IDS), min_size=1, max_size=3)
measurements = st.builds(zero_shot, tempos, st.sampled_from(["major", "minor"]), st.floats(0, 1))


@given(styles, measurements, st.sampled_from([True, False, None]), st.text(max_size=20))
def test_any_prompt_is_canonical_in_order_and_without_repeats(
    style_ids: list[str], measured: TrackMeasurements, vocals: bool | None, key: str
) -> None:
    prompt = build_prompt(style_ids, measured, PRESETS, VOCABULARY, vocals=vocals, key=key)
    tags = prompt.split(", ")
    assert [VOCABULARY.canonical(tag) for tag in tags] == tags
    assert len(set(tags)) == len(tags)
    kinds = kinds_of(prompt)
    assert kinds == sorted(set(kinds), key=ORDER.index), "one of each, in the order of the vocabulary"
    assert {TagKind.GENRE, TagKind.MOOD, TagKind.INSTRUMENTS, TagKind.TEMPO, TagKind.PRODUCTION} <= set(kinds)
    assert prompt == build_prompt(style_ids, measured, PRESETS, VOCABULARY, vocals=vocals, key=key)
    if vocals is False:
        assert tags[-1] == "instrumental"


@given(styles, measurements, st.text(max_size=20))
def test_a_prompt_says_only_what_the_style_allows(
    style_ids: list[str], measured: TrackMeasurements, key: str
) -> None:
    preset = PRESETS[style_ids[0]]
    tags = build_prompt(style_ids, measured, PRESETS, VOCABULARY, key=key).split(", ")
    by_kind = {VOCABULARY.kind_of(tag): tag for tag in tags}
    assert by_kind[TagKind.GENRE] == preset.base_tags[0]
    assert by_kind[TagKind.MOOD] in preset.mood_options
    assert by_kind[TagKind.INSTRUMENTS] in leading_instruments(preset)
    assert by_kind[TagKind.PRODUCTION] == preset.production[0]
    assert by_kind[TagKind.TEMPO] == tempo_tag(
        prompt_bpm(KnownStyles(style_ids, Support.DECLARED, 1.0), measured, PRESETS)
    )


def test_one_prompt_in_full() -> None:
    prompt = build_prompt(["THEME-05"], zero_shot(156), PRESETS, VOCABULARY)
    assert prompt == "lofi, bittersweet, upright piano, 78 bpm, vinyl crackle, rainy window, instrumental"


def test_tracks_of_one_style_vary_and_one_track_does_not() -> None:
    prompts = {build_prompt(["CORE-05"], zero_shot(), PRESETS, VOCABULARY, key=str(n)) for n in range(40)}
    assert len(prompts) == 6, "three moods, two leading instruments"


def test_a_surely_measured_mode_chooses_among_the_moods() -> None:
    def moods(mode: str, sure: float) -> set[str]:
        given = zero_shot(mode=mode, sure=sure)
        return {
            build_prompt(["VOCAL-02"], given, PRESETS, VOCABULARY, key=str(n)).split(", ")[1]
            for n in range(40)
        }

    assert moods("major", 0.9) == {"hopeful"}
    assert moods("minor", 0.9) == {"nostalgic", "lonely"}
    assert moods("minor", 0.1) == {"nostalgic", "lonely", "hopeful"}


def test_a_second_style_fills_in_what_the_first_leaves_open() -> None:
    assert PRESETS["CORE-01"].atmosphere is None
    assert "library" in build_prompt(["CORE-01", "THEME-01"], zero_shot(), PRESETS, VOCABULARY)
    assert build_prompt(["CORE-01", "VOCAL-03"], zero_shot(), PRESETS, VOCABULARY).endswith("vocal chops")


@pytest.mark.parametrize(
    ("style", "vocals", "end"),
    [
        ("VOCAL-01", None, "female vocals"),
        ("VOCAL-01", True, "female vocals"),
        ("VOCAL-01", False, "instrumental"),
        ("CORE-03", None, "instrumental"),
        ("CORE-03", False, "instrumental"),
        ("CORE-03", True, "late night"),
    ],
)
def test_the_voice_is_named_when_somebody_knows_it(style: str, vocals: bool | None, end: str) -> None:
    assert build_prompt([style], zero_shot(), PRESETS, VOCABULARY, vocals=vocals).split(", ")[-1] == end


@pytest.mark.parametrize(
    ("style", "vocals", "words"),
    [
        ("CORE-01", None, False),
        ("CORE-01", True, True),
        ("VOCAL-01", None, True),
        ("VOCAL-01", False, False),
        ("VOCAL-03", None, False),
        ("VOCAL-04", None, True),
        ("VOCAL-05", None, False),
    ],
)
def test_who_needs_lyrics(style: str, vocals: bool | None, words: bool) -> None:
    assert has_words([style], PRESETS, vocals) is words


def test_no_style_and_unknown_styles_are_refused() -> None:
    with pytest.raises(StyleError, match="at least one style"):
        build_prompt([], zero_shot(), PRESETS, VOCABULARY)
    with pytest.raises(UnknownStyle, match="CORE-99"):
        build_prompt(["CORE-99"], zero_shot(), PRESETS, VOCABULARY)


def test_the_fixed_prompts_of_the_styles_all_differ() -> None:
    prompts = [style_prompt(preset, VOCABULARY) for preset in PRESETS.values()]
    assert len(set(prompts)) == 38
    assert prompts[0] == "lofi hip hop, mellow, rhodes, 83 bpm, vinyl crackle, instrumental"
    for prompt in prompts:
        kinds = kinds_of(prompt)
        assert kinds == sorted(set(kinds), key=ORDER.index)
        assert kinds[-1] is TagKind.VOCAL_TYPE


@pytest.mark.parametrize(
    ("bpm", "tempo_range", "folded"),
    [
        (82, (70, 90), 82),
        (164, (70, 90), 82),
        (41, (70, 90), 82),
        (20.5, (70, 90), 82),
        (328, (70, 90), 82),
        (70, (70, 90), 70),
        (180, (70, 90), 90),
        (100, (78, 88), 100),
        (64, (86, 96), 128),
        (66, (84, 94), 66),
        (130, (84, 94), 65),
        (44, (58, 64), 88),
        (60, (60, 130), 120),
    ],
)
def test_folding(bpm: float, tempo_range: tuple[int, int], folded: float) -> None:
    assert fold_tempo(bpm, tempo_range) == folded


@given(tempos, st.integers(50, 100), st.integers(0, 40))
def test_folding_keeps_the_pitch_class_of_time(bpm: float, low: int, width: int) -> None:
    folded = fold_tempo(bpm, (low, low + width))
    octave = math.log2(folded / bpm)
    assert octave == round(octave)
    assert TEMPO_TAG_RANGE[0] <= round(folded) <= TEMPO_TAG_RANGE[1]
    fits = [k for k in range(-6, 7) if low <= bpm * 2.0**k <= low + width]
    assert (low <= folded <= low + width) == bool(fits)


@pytest.mark.parametrize("bpm", [0.0, -80.0, math.nan, math.inf])
def test_no_tempo(bpm: float) -> None:
    with pytest.raises(ValueError, match="positive and finite"):
        fold_tempo(bpm, (70, 90))


def test_no_tag_that_a_measurement_contradicts() -> None:
    def tags(style_id: str, **measured: float) -> list[str]:
        given = zero_shot(61).model_copy(update=measured)
        return build_prompt([style_id], given, PRESETS, VOCABULARY).split(", ")

    assert "vinyl crackle" in tags("CORE-01")
    assert "vinyl crackle" in tags("CORE-01", crackle=0.3)
    assert "vinyl crackle" not in tags("CORE-01", crackle=0.0)
    assert "dusty drums" in tags("CORE-01", crackle=0.0)
    assert "tape saturation" in tags("CORE-01", crackle=0.0, drums=0.0)
    assert "rain" in tags("SEASON-05") and "rain" not in tags("SEASON-05", rain=0.01)
    assert "swung drums" in tags("CORE-03", swing=0.5, swing_confidence=1.0, beat_confidence=1.0)
    assert "chopped samples" in tags("CORE-03", drums=0.0)


probability = st.one_of(st.none(), st.floats(0, 1))


@given(st.sampled_from(STYLE_IDS), probability, probability, probability, st.text(max_size=5))
def test_whatever_is_heard_no_tag_is_against_it(
    style_id: str, drums: float | None, crackle: float | None, rain: float | None, key: str
) -> None:
    given_facts = zero_shot().model_copy(update={"drums": drums, "crackle": crackle, "rain": rain})
    prompt = build_prompt([style_id], given_facts, PRESETS, VOCABULARY, key=key)
    assert not [tag for tag in prompt.split(", ") if contradicted(tag, given_facts)]
    kinds = kinds_of(prompt)
    assert kinds == sorted(set(kinds), key=ORDER.index)


@given(st.sampled_from(STYLE_IDS), st.integers(1, 12), st.text(max_size=8))
def test_caption_variants_say_the_same_facts(style_id: str, count: int, seed: str) -> None:
    prompt = build_prompt([style_id], zero_shot(), PRESETS, VOCABULARY, key=seed)
    captions = caption_variants(prompt, VOCABULARY, count=count, seed=seed)
    assert captions[0] == prompt
    assert len(captions) == len(set(captions)) == count
    assert captions == caption_variants(prompt, VOCABULARY, count=count, seed=seed)
    for caption in captions:
        assert all(tag in caption for tag in prompt.split(", "))
    assert captions == caption_variants(prompt, VOCABULARY, count=12, seed=seed)[:count]


def test_captions_differ_by_seed_and_are_counted() -> None:
    prompt = style_prompt(PRESETS["CORE-01"], VOCABULARY)
    assert caption_variants(prompt, VOCABULARY, count=5, seed="a") != caption_variants(
        prompt, VOCABULARY, count=5, seed="b"
    )
    with pytest.raises(ValueError, match="between 1 and 64"):
        caption_variants(prompt, VOCABULARY, count=0)
