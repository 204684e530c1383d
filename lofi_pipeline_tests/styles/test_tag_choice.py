"""A tag enters a prompt only when something supports it, and the record says what."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lofi_pipeline.entities import Support, SupportedTag, TagKind, TrackMeasurements
from lofi_pipeline.evaluation.embedders.musicnn_tags import TAG_NAMES
from lofi_pipeline.styles import (
    STYLE_IDS,
    Hearing,
    KnownStyles,
    TagChoice,
    choose_tags,
    load_presets,
    load_vocabulary,
)
from lofi_pipeline.styles.hearing import DRUM_LABELS, VOICE_LABELS

VOCABULARY, PRESETS = load_vocabulary(), load_presets()
ORDER = list(TagKind)
UNSURE = KnownStyles(["VOCAL-03"], Support.SUGGESTED, 0.31)
DECLARED = KnownStyles(["CORE-05"], Support.DECLARED, 1.0)


def measured(**changes: float) -> TrackMeasurements:
    given = {
        "tempo_bpm": 92.0,
        "tempo_confidence": 0.7,
        "beat_confidence": 1.0,
        "beat_steadiness": 1.0,
        "key": "A",
        "mode": "minor",
        "key_confidence": 0.5,
        "time_signature_confidence": 0.5,
        "brightness_hz": 1500.0,
        "onset_density": 3.0,
        "voice": 0.3,
        "drums": 0.9,
        "crackle": 0.1,
        "rain": 0.0,
    }
    return TrackMeasurements.model_validate(given | changes)


def hearing(**labels: float) -> Hearing:
    """A tagger that hears drums and some voice, and these: `MTT_piano=0.9`."""
    heard = dict.fromkeys(TAG_NAMES, 0.01) | {"MTT drums": 0.3, "MTT vocal": 0.2}
    return Hearing("musicnn", heard | {name.replace("_", " "): share for name, share in labels.items()})


def choice(known: KnownStyles, given: TrackMeasurements | None = None, **options: object) -> TagChoice:
    return choose_tags(known, given or measured(), PRESETS, VOCABULARY, **options)  # pyright: ignore[reportArgumentType]


def tags(known: KnownStyles, given: TrackMeasurements | None = None, **options: object) -> list[str]:
    return [tag.tag for tag in choice(known, given, **options).tags]


def test_no_word_of_a_preset_that_was_only_guessed_is_in_a_prompt_but_all_are_offered() -> None:
    words = {*PRESETS["VOCAL-03"].base_tags[:1], PRESETS["VOCAL-03"].production[0], "vocal chops"}
    found = choice(UNSURE, heard=hearing())
    assert [tag.tag for tag in found.tags] == ["92 bpm"]
    assert words <= {tag.tag for tag in found.offered}
    sure = KnownStyles(["CORE-05"], Support.SUGGESTED, 0.9)
    assert "boom bap" in tags(sure) and {tag.support for tag in choice(sure).tags} == {
        Support.SUGGESTED,
        Support.MEASURED,
    }


@pytest.mark.parametrize("support", [Support.DECLARED, Support.VERIFIED])
def test_the_words_of_a_style_that_somebody_named_are(support: Support) -> None:
    found = choice(KnownStyles(["CORE-05"], support, 1.0), key="x")
    assert found.prompt.startswith("boom bap, ") and found.prompt.endswith(", city street, instrumental")
    assert {tag.support for tag in found.tags} == {support, Support.MEASURED}
    assert all(tag.by in ("style CORE-05", "tempo") for tag in found.tags)


@pytest.mark.parametrize(
    ("known", "changes", "said"),
    [
        (UNSURE, {}, True),
        (UNSURE, {"tempo_confidence": 0.59}, False),
        (UNSURE, {"tempo_confidence": 0.0}, False),
        (UNSURE, {"beat_steadiness": 0.99}, False),
        (UNSURE, {"beat_confidence": 0.4}, False),
        (DECLARED, {"tempo_confidence": 0.1, "beat_steadiness": 0.86}, True),
        (DECLARED, {"tempo_confidence": 0.0}, False),
        (DECLARED, {"tempo_confidence": 0.1, "beat_steadiness": 0.5}, False),
        # 123 bpm is in no octave of this style's range: the style does not support it
        (DECLARED, {"tempo_bpm": 123.0, "tempo_confidence": 0.3}, False),
        (DECLARED, {"tempo_bpm": 123.0}, True),
    ],
)
def test_a_tempo_is_said_only_where_it_is_sure(
    known: KnownStyles, changes: dict[str, float], said: bool
) -> None:
    assert any(tag.endswith(" bpm") for tag in tags(known, measured(**changes))) is said


def test_no_voice_is_named_against_what_was_measured_or_heard() -> None:
    chops = KnownStyles(["VOCAL-03"], Support.DECLARED, 1.0)
    assert "vocal chops" in tags(chops)
    assert "vocal chops" not in tags(chops, measured(voice=0.01))
    assert "vocal chops" in tags(chops, measured(voice=0.01), vocals=True), "somebody said so"
    guessed = KnownStyles(["VOCAL-03"], Support.SUGGESTED, 0.95)
    silent = hearing(**{label.replace(" ", "_"): 0.02 for label in VOICE_LABELS})
    assert "vocal chops" in tags(guessed, heard=hearing())
    assert "vocal chops" not in tags(guessed, heard=silent)


def test_instrumental_is_said_where_nothing_hears_a_voice() -> None:
    silent = hearing(**{label.replace(" ", "_"): 0.02 for label in VOICE_LABELS})
    assert "instrumental" in tags(UNSURE, heard=silent)
    assert "instrumental" not in tags(UNSURE, heard=hearing())
    faint = hearing(MTT_vocal=0.08)  # as of a singer far behind the music
    assert faint.no_voice and "instrumental" not in tags(UNSURE, heard=faint)
    assert "instrumental" not in tags(UNSURE, measured(voice=0.8), heard=silent)
    assert "instrumental" not in tags(UNSURE, heard=silent, vocals=True)
    assert "instrumental" in tags(UNSURE, heard=hearing(), vocals=False)
    # Without a tagger, the measurement must be sure
    assert "instrumental" not in tags(UNSURE) and "instrumental" in tags(UNSURE, measured(voice=0.04))


def test_no_drums_are_denied_that_one_of_two_hears() -> None:
    quiet = hearing(**{label.replace(" ", "_"): 0.02 for label in DRUM_LABELS})
    assert "no drums" in tags(UNSURE, measured(drums=0.004), heard=quiet)
    assert "no drums" not in tags(UNSURE, measured(drums=0.004), heard=hearing())
    assert "no drums" not in tags(UNSURE, measured(drums=0.3), heard=quiet)


def test_of_instruments_a_tagger_says_only_what_it_is_often_right_about() -> None:
    heard = hearing(MTT_strings=0.4, MTT_piano=0.99, MSD_jazz=0.99, MTT_female_vocal=0.9)
    found = choice(UNSURE, heard=heard)
    assert [tag.tag for tag in found.tags] == ["strings", "92 bpm"]
    assert {"piano", "lofi jazz", "female vocals"} <= {tag.tag for tag in found.offered}
    (strings,) = [tag for tag in found.tags if tag.tag == "strings"]
    assert strings == SupportedTag(
        tag="strings", support=Support.TAGGED, by="musicnn: MTT strings", confidence=0.4
    )


def test_of_which_nothing_is_known_a_prompt_says_no_more_than_that_it_is_here() -> None:
    (only,) = choice(UNSURE, measured(tempo_confidence=0.0), heard=hearing()).tags
    assert (only.tag, only.support, only.confidence) == ("lofi", Support.NOTHING, 0.0)


shares = st.floats(0, 1)
supports = st.sampled_from([Support.DECLARED, Support.VERIFIED, Support.SUGGESTED])


@settings(max_examples=40)
@given(
    st.builds(KnownStyles, st.lists(st.sampled_from(STYLE_IDS), min_size=1, max_size=2), supports, shares),
    st.builds(
        measured,
        tempo_bpm=st.floats(40, 180),
        tempo_confidence=shares,
        beat_steadiness=shares,
        voice=shares,
        drums=shares,
        rain=shares,
    ),
    st.lists(shares, min_size=100, max_size=100) | st.none(),
    st.sampled_from([True, False, None]),
)
def test_any_prompt_is_in_order_one_of_a_kind_and_each_tag_is_supported(
    known: KnownStyles, given_facts: TrackMeasurements, heard: list[float] | None, vocals: bool | None
) -> None:
    listened = Hearing("musicnn", dict(zip(TAG_NAMES, heard, strict=True))) if heard else None
    found = choice(known, given_facts, heard=listened, vocals=vocals)
    kinds = [VOCABULARY.kind_of(tag.tag) for tag in found.tags]
    assert kinds and kinds == sorted(set(kinds), key=ORDER.index)
    assert all(VOCABULARY.canonical(tag.tag) == tag.tag for tag in [*found.tags, *found.offered])
    assert not {tag.tag for tag in found.tags} & {tag.tag for tag in found.offered}
    if not known.give_words:
        assert not {Support.SUGGESTED, Support.DECLARED} & {
            tag.support for tag in found.tags if tag.by != "vocals"
        }
