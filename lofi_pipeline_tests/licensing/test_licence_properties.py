"""What holds for any string: a ban stays a ban, what is added never makes milder, and spelling changes nothing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lofi_pipeline.config import LicensingSettings
from lofi_pipeline.entities import SourceType, Verdict
from lofi_pipeline.licensing import judge
from lofi_pipeline.licensing.commons_names import ELEMENTS, PORTS
from lofi_pipeline_tests.licensing.test_licence_strings import ROWS, judged

PERMISSIVE = LicensingSettings(commercial=False)
BANS = [row.text for row in ROWS if row.group == "Bans" and "CC" not in row.text]
NAMED = [row.text for row in ROWS if row.verdict not in ("ban", "unknown")]
BETWEEN = st.sampled_from(
    [" ", ", ", "; ", " - ", " (", ". ", "\n", " / ", " | ", " and ", " AND ", " OR ", " with "]
)
WORDS = st.text(max_size=60).filter(lambda text: sum(char.isalpha() for char in text) >= 4)
MAKERS = ("cc", "Creative Commons")  # beside a name, these are part of it
ANYTHING = st.one_of(st.sampled_from([row.text for row in ROWS if row.text not in MAKERS]), WORDS)


def verdict(text: str, **how: Any) -> Verdict:
    return judge(text, SourceType.CREATIVE_COMMONS, **how)


@given(ANYTHING, BETWEEN, st.sampled_from(BANS), st.booleans())
def test_a_ban_beside_any_string_never_permits(text: str, between: str, ban: str, first: bool) -> None:
    whole = f"{ban}{between}{text}" if first else f"{text}{between}{ban}"
    assert not judged(whole, PERMISSIVE, "training and commerce").permitted, whole


@given(st.sampled_from(NAMED), st.sampled_from(BANS))
def test_a_ban_beside_a_known_licence_is_called_a_ban(text: str, ban: str) -> None:
    assert verdict(f"{text} - {ban}").licence == "LicenseRef-No-AI-Training"


@given(
    ANYTHING,
    st.sampled_from([" AND ", " and ", ", ", "; ", " & ", " | "]),
    ANYTHING,
    st.sampled_from(["cc", "strict"]),
)
@example("Public Domain", ", ", "CC0", "strict")
@example("CC BY 4.0", ", ", "CC BY 1.0", "cc")
@example("Attribution", " AND ", "AI Training Rights", "cc")
def test_what_is_added_never_makes_milder(one: str, between: str, other: str, profile: Any) -> None:
    whole = verdict(f"{one}{between}{other}", profile=profile)
    if not whole.permitted:
        return
    for side in (verdict(one, profile=profile), verdict(other, profile=profile)):
        assert side.permitted, (whole, side)
        assert whole.strictness >= side.strictness
        assert {*whole.obligations} >= {*side.obligations}


@given(
    st.sampled_from([text for text in NAMED if "://" not in text and "+" not in text]),
    st.sampled_from([str.upper, str.lower, str.swapcase]),
    st.sampled_from(
        ["{}", "  {}\n", "({})", "[{}]", '"{}"', "\u201c{}\u201d", "\u00ab{}\u00bb", "{}.", "{{{{{}}}}}"]
    ),
    st.sampled_from([" ", "  ", "\t", "\u00a0", "\u3000", " \n"]),
)
def test_case_spaces_and_quotes_change_nothing(text: str, case: Any, frame: str, space: str) -> None:
    spelled = frame.format(case(text).replace(" ", space))
    # Upper case cannot be undone for these: "Atribuție" is the same, "Gemeinfreie Straße" is not
    if case(text).casefold() == text.casefold() and not any(bracket in text for bracket in "{[("):
        assert verdict(spelled) == verdict(text), spelled


CODES = st.sampled_from(["BY", "BY-SA", "BY-ND", "BY-NC", "BY-NC-SA", "BY-NC-ND"])


@given(
    CODES, st.sampled_from(sorted(PORTS)), st.sampled_from(["1.0", "2.0", "2.1", "2.5", "3.0", "4.0", "5.0"])
)
def test_every_port_is_read_in_its_versions_and_in_no_other(code: str, port: str, version: str) -> None:
    published = version in PORTS[port][0].split()
    forms = [f"CC {code} {version} {port.upper()}", f"CC-{code}-{version}-{port}"]
    if (code, version) != ("BY-NC-ND", "1.0"):  # its address has another order: by-nd-nc
        forms.append(f"https://creativecommons.org/licenses/{code.lower()}/{version}/{port}/")
    forms += [f"CC {code} {version} {name.strip()}" for name in PORTS[port][1].split(" | ")[:3]]
    for form in forms:
        found = verdict(form)
        assert (found.licence != "LicenseRef-Unknown") is published, (form, found)
        assert found.permitted is (published and code == "BY"), form
        if published:
            assert f"/{version}/{port}/" in (found.url or "")


@pytest.mark.parametrize("unit", ["nc", "nd", "sa"])
def test_no_name_of_a_condition_is_lost(unit: str) -> None:
    """In whatever language a condition is written, the licence is not read as plain attribution."""
    for name in ELEMENTS[unit].split(" | "):
        found = verdict(f"Creative Commons Attribution-{name.strip()} 4.0")
        assert found.licence == f"CC-BY-{unit.upper()}-4.0", name


def test_contradicting_versions_are_refused_and_lists_of_versions_are_not() -> None:
    for text in ("Attribution 4.0 (CC BY 1.0)", "CC BY 4.0 3.0", "Attribution 4.0, CC BY 1.0"):
        assert "more than one licence" in verdict(text).reason
    assert verdict("CC BY 3.0, 2.5").licence == "CC-BY-3.0 AND CC-BY-2.5"


def test_an_unknown_licence_with_a_proved_grant_is_not_told_to_ask_for_it() -> None:
    found = judged("Terms of 2019", proof="training")
    assert not found.permitted
    assert "ask" not in found.reason
    assert "write into license_type what the document says" in found.reason


@pytest.mark.parametrize(
    "text",
    [
        "CC BY 4.0 " * 400,
        "(" * 1900,
        "epidemic sound " + "terms of use " * 140 + "x",
        "AI " + "not " * 480,
        "CC BY 1.0" + ", 4.0" * 380,
    ],
    ids=["names", "brackets", "terms", "bans", "versions"],
)
def test_long_texts_are_refused_at_once(text: str) -> None:
    found = verdict(text)
    assert not found.permitted or found.licence == "CC-BY-1.0 AND CC-BY-4.0"
