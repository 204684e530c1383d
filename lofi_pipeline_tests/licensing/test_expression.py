"""SPDX expressions: OR takes a permitted side, AND needs every side, and nothing that is written can be talked round."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lofi_pipeline.entities import SourceType, Verdict
from lofi_pipeline.licensing import judge
from lofi_pipeline.licensing.expression import Choice, License, read_expression


def verdict(text: str, **how: Any) -> Verdict:
    return judge(text, SourceType.CREATIVE_COMMONS, **how)


@pytest.mark.parametrize(
    ("text", "permitted", "licence"),
    [
        ("CC-BY-4.0 OR LicenseRef-House", True, "CC-BY-4.0"),
        ("LicenseRef-House OR CC-BY-4.0", True, "CC-BY-4.0"),
        ("CC-BY-4.0 or CC0-1.0", True, "CC0-1.0"),
        ("cc-by-4.0 Or cc0-1.0", True, "CC0-1.0"),
        ("CC BY 4.0 OR CC0", True, "CC-BY-4.0 AND CC0-1.0"),
        ("CC-BY-4.0 OR CC BY-NC 4.0", False, "CC-BY-4.0 AND CC-BY-NC-4.0"),
        ("CC-BY-4.0 AND CC0-1.0", True, "CC-BY-4.0 AND CC0-1.0"),
        ("CC-BY-4.0 AND LicenseRef-House", False, "CC-BY-4.0 AND LicenseRef-House"),
        ("CC-BY-4.0 AND CC-BY-ND-4.0", False, "CC-BY-4.0 AND CC-BY-ND-4.0"),
        ("CC-BY-ND-4.0 OR MIT", False, "CC-BY-ND-4.0 OR MIT"),
        ("CC-BY-4.0 OR (MIT AND CC0-1.0)", True, "CC-BY-4.0"),
        ("(CC-BY-4.0 OR MIT) AND CC0-1.0", True, "CC-BY-4.0 AND CC0-1.0"),
        ("(CC-BY-ND-4.0 OR MIT) AND CC0-1.0", False, "(CC-BY-ND-4.0 OR MIT) AND CC0-1.0"),
        ("CC-BY-3.0-US OR MIT", True, "CC-BY-3.0-US"),
        ("CC0-1.0 WITH Classpath-exception-2.0", False, "CC0-1.0 WITH Classpath-exception-2.0"),
        ("CC-BY-4.0\tOR\nLicenseRef-House", True, "CC-BY-4.0"),
        ("((((CC-BY-4.0))) OR MIT)", True, "CC-BY-4.0"),
    ],
)
def test_or_takes_a_permitted_side_and_and_needs_every_side(text: str, permitted: bool, licence: str) -> None:
    found = verdict(text)
    assert (found.permitted, found.licence) == (permitted, licence), found


def test_what_all_sides_ask_for_is_asked_for() -> None:
    found = verdict("CC-BY-SA-4.0 AND CC-BY-NC-4.0", grant=True, commercial=False)
    assert found.permitted
    assert {*found.obligations} >= {"attribution", "share-alike", "non-commercial"}
    assert found.strictness == verdict("CC-BY-NC-4.0").strictness
    assert not found.commercial_use
    assert verdict("CC-BY-4.0 OR CC0-1.0").obligations == ()


@pytest.mark.parametrize(
    "text",
    ["Royalty Free", "CC BY-SA 4.0", "CC BY-NC 4.0"],
)
def test_training_rights_as_a_side_count_where_the_grant_says_so_outright(text: str) -> None:
    licence = verdict(text).licence
    for spelled in (
        f"{licence} AND LicenseRef-AI-Training-Rights",
        f"{licence} WITH LicenseRef-AI-Training-Rights",
    ):
        assert not verdict(spelled, commercial=False).permitted
        assert not verdict(spelled, commercial=False, evidenced=True).permitted
        found = verdict(spelled, commercial=False, evidenced=True, grant=True)
        assert found.permitted, found
        assert found.licence == f"{licence} AND LicenseRef-AI-Training-Rights"


@pytest.mark.parametrize(
    "text",
    [
        "CC-BY-4.0 OR",
        "OR CC-BY-4.0",
        "CC-BY-4.0 OR OR CC0-1.0",
        "CC-BY-4.0 OR later",
        "CC-BY-4.0 OR whatever you like",
        "CC-BY-4.0 OR <b>MIT</b>",
        "CC-BY-4.0+ OR MIT-",
        "CC-BY-4.0 XOR CC0-1.0",
        "(CC-BY-4.0 OR CC0-1.0",
        "( AND CC0-1.0",
        "(CC0-1.0 AND",
        ") OR CC0-1.0 (",
        "CC-BY-4.0 OR CC0-1.0)",
        "CC-BY-4.0 CC0-1.0 OR MIT",
        "NOT CC-BY-ND-4.0 OR CC0-1.0 ignore",
        "CC-BY-4.0 OR LicenseRef-Hou\u0455e",
        "\u0421C-BY-4.0 OR CC0-1.0",
        "CC-BY-4.0\u200b OR CC0-1.0",
        "(" * 240 + "MIT" + ")" * 240,
    ],
)
def test_what_is_no_whole_expression_is_refused(text: str) -> None:
    found = verdict(text, evidenced=True)
    assert (found.permitted, found.licence) == (False, "LicenseRef-Unknown"), found


def test_a_ban_in_any_side_bans() -> None:
    for text in ("CC0-1.0 OR no AI", "CC-BY-4.0 AND AI training prohibited", "(CC0-1.0) OR NoAI"):
        assert verdict(text, grant=True).licence == "LicenseRef-No-AI-Training"


LEAVES = st.sampled_from(
    [
        "CC0-1.0",
        "CC-BY-4.0",
        "CC-BY-3.0",
        "CC-BY-SA-4.0",
        "CC-BY-NC-4.0",
        "CC-BY-ND-4.0",
        "LicenseRef-House",
        "MIT",
    ]
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.tuples(st.sampled_from(["AND", "OR"]), st.lists(inner, min_size=2, max_size=3)),
    max_leaves=8,
)


def spelled(tree: Any, case: Any) -> str:
    if isinstance(tree, str):
        return tree
    operator, sides = tree
    return f"({f' {case(operator)} '.join(spelled(side, case) for side in sides)})"


def permitted(tree: Any) -> bool:
    if isinstance(tree, str):
        return tree in ("CC0-1.0", "CC-BY-4.0", "CC-BY-3.0")
    operator, sides = tree
    return (all if operator == "AND" else any)(permitted(side) for side in sides)


@given(TREES, st.sampled_from([str.upper, str.lower, str.title]))
def test_any_expression_is_permitted_exactly_as_its_sides_are(tree: Any, case: Any) -> None:
    text = spelled(tree, case)
    found = verdict(text)
    if len(text) <= 500:
        assert found.permitted is permitted(tree), (text, found)
        again = verdict(found.licence)
        assert again.permitted is found.permitted, (text, found, again)
        if found.permitted:
            assert again.licence == found.licence


SIGNS = st.text(alphabet="CBYNDSA0-4. ()andorwithORLicenseRef+/,;:\u0410\u200b\"'<>", max_size=80)


@given(st.one_of(SIGNS, st.text(max_size=80)), st.booleans())
def test_any_text_beside_a_forbidding_licence_never_permits(text: str, evidenced: bool) -> None:
    """Whatever is written before and after AND, a licence without derivatives stays one."""
    for whole in (f"CC-BY-ND-4.0 AND {text}", f"{text} AND CC-BY-ND-4.0"):
        found = verdict(whole, evidenced=evidenced)
        # "x OR y AND nd" binds the AND first, as SPDX has it: the choice of x is then a real one
        assert not found.permitted or " or " in whole.casefold().replace("(", " ").replace(")", " "), (
            whole,
            found,
        )


@given(st.one_of(SIGNS, st.text(max_size=120)))
@example("CCBY")  # nobody says which version: LicenseRef-CC-BY
def test_any_text_gets_a_verdict_with_a_reason(text: str) -> None:
    found = verdict(text)
    assert found.reason and found.licence
    if found.permitted:
        assert found.licence.startswith("CC") or found.licence == "LicenseRef-CC-BY", (text, found)


def test_sides_within_sides_of_one_kind_are_sides_of_one() -> None:
    flat = verdict("CC-BY-4.0 AND CC0-1.0 AND CC-BY-SA-4.0", grant=True)
    for text in ("CC-BY-4.0 AND (CC0-1.0 AND CC-BY-SA-4.0)", "(CC-BY-4.0 AND CC0-1.0) AND CC-BY-SA-4.0"):
        assert verdict(text, grant=True) == flat
    tree = read_expression("MIT OR (CC0-1.0 OR (ISC OR MIT))")
    assert tree == Choice((License("MIT", True), License("CC0-1.0", True), License("ISC", True)))
