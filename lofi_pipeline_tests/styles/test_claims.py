"""Claims of a model that writes captions: confirmed, contradicted, or left to a person."""

from __future__ import annotations

import pytest

from lofi_pipeline.entities import RecordError, Support
from lofi_pipeline.styles import CheckedClaims, Claims, check_claims
from lofi_pipeline_tests.styles.test_tag_choice import UNSURE, VOCABULARY, choice, hearing, measured


def checked(claims: Claims, vocals: bool | None = None, **changes: float) -> CheckedClaims:
    heard = hearing(MTT_piano=0.5, MTT_vocal=0.01)
    return check_claims(claims, measured(**changes), heard, VOCABULARY, vocals=vocals)


def test_what_another_witness_confirms_may_stand_in_a_prompt() -> None:
    found = checked(Claims(caption="A mellow piano piece at 184 bpm."))
    assert {tag.tag for tag in found.confirmed} == {"92 bpm", "piano"} and not found.disputed
    assert {tag.support for tag in found.confirmed} == {Support.CLAIMED}
    assert [tag.tag for tag in found.unchecked] == ["mellow"]
    chosen = choice(UNSURE, measured(tempo_confidence=0.2), claims=found)
    assert chosen.prompt == "piano, 92 bpm" and "mellow" in {tag.tag for tag in chosen.offered}


@pytest.mark.parametrize(
    ("claims", "because"),
    [
        (Claims(tempo=123.0), "123 bpm is claimed; measured are 92 bpm"),
        (Claims(caption="slow, 70 BPM"), "70 bpm is claimed"),
        (Claims(key="C# major"), "the key C# major is claimed; measured is A minor"),
        (Claims(caption="Something in Eb minor"), "Eb minor is claimed"),
        (Claims(voice=True), "a voice is claimed; no voice was heard"),
        (Claims(tags=["female vocals"]), "female vocals is claimed"),
        (Claims(caption="soft drums and vocal chops"), "vocal chops is claimed"),
        (Claims(tags=["drumless"]), "no drums is claimed; what was measured rules it out"),
    ],
)
def test_what_a_measurement_contradicts_goes_to_review_and_into_no_prompt(
    claims: Claims, because: str
) -> None:
    found = checked(claims, drums=0.99)
    assert any(because in sentence for sentence in found.disputed), found
    assert not found.confirmed


@pytest.mark.parametrize(
    "claims",
    [
        Claims(key="A minor"),
        Claims(key="C major"),  # the same notes
        Claims(caption="no piano, without vocals"),
        Claims(voice=False),
        Claims(tags=["a word that nobody knows", "dreamy", "lofi house"]),
        Claims(),
    ],
)
def test_what_nothing_speaks_against_or_for_is_neither(claims: Claims) -> None:
    found = checked(claims)
    assert not found.disputed and not found.confirmed


def test_a_tempo_that_was_not_measured_surely_contradicts_nothing() -> None:
    found = checked(Claims(tempo=123.0), tempo_confidence=0.1)
    assert not found.disputed and not found.confirmed


def test_that_nobody_sings_is_not_believed_where_somebody_was_declared_to() -> None:
    (sentence,) = checked(Claims(voice=False), vocals=True).disputed
    assert "a voice is declared" in sentence
    assert [tag.tag for tag in checked(Claims(tags=["rap"]), vocals=True).confirmed] == ["rap"]


def test_an_answer_of_another_shape_is_refused_by_name() -> None:
    with pytest.raises(RecordError, match="tempo"):
        Claims.parse({"tempo": "fast"}, where="the captioner")
