"""The licence table, judged behind the one door; free text in any spelling; what is not recognised is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lofi_pipeline.config import LicensingSettings
from lofi_pipeline.entities import DropManifest, SourceRecord, SourceType, Verdict
from lofi_pipeline.licensing import judge, judge_source

CC = SourceType.CREATIVE_COMMONS


def verdict(text: str, **how: Any) -> Verdict:
    return judge(text, how.pop("source_type", CC), **how)


YES, GRANT, EVIDENCE, NO, NOT_COMMERCIAL = "yes", "with a grant", "with evidence", "never", "not commercially"
TABLE = [
    ("CC0", "CC0-1.0", YES, YES, []),
    ("CC0 1.0 Universal", "CC0-1.0", YES, YES, []),
    ("Public Domain", "CC-PDM-1.0", YES, EVIDENCE, []),
    ("Public Domain Mark 1.0", "CC-PDM-1.0", YES, EVIDENCE, []),
    ("Work for hire", "LicenseRef-Work-For-Hire", EVIDENCE, EVIDENCE, ["contract terms"]),
    ("CC BY 4.0", "CC-BY-4.0", YES, GRANT, ["attribution"]),
    ("CC BY 3.0 US", "CC-BY-3.0-US", YES, GRANT, ["attribution"]),
    ("CC BY", "LicenseRef-CC-BY", YES, GRANT, ["attribution"]),
    ("CC BY-SA 4.0", "CC-BY-SA-4.0", GRANT, GRANT, ["attribution", "share-alike"]),
    ("CC BY-NC 4.0", "CC-BY-NC-4.0", NOT_COMMERCIAL, NOT_COMMERCIAL, ["attribution", "non-commercial"]),
    ("CC BY-NC-SA 4.0", "CC-BY-NC-SA-4.0", NOT_COMMERCIAL, NOT_COMMERCIAL, None),
    ("CC BY-ND 4.0", "CC-BY-ND-4.0", NO, NO, None),
    ("CC BY-NC-ND 3.0", "CC-BY-NC-ND-3.0", NO, NO, None),
    ("AI Training Rights", "LicenseRef-AI-Training-Rights", GRANT, GRANT, ["contract terms"]),
    ("Royalty Free", "LicenseRef-Royalty-Free", GRANT, GRANT, None),
    ("Sync", "LicenseRef-Sync", GRANT, GRANT, None),
    ("All Rights Reserved", "LicenseRef-All-Rights-Reserved", GRANT, GRANT, None),
    ("Some platform's terms of 2019", "LicenseRef-Unknown", NO, NO, None),
    ("CC BY 4.0, no AI training", "LicenseRef-No-AI-Training", NO, NO, None),
]


@pytest.mark.parametrize(("text", "licence", "cc", "strict", "obligations"), TABLE)
def test_the_table(text: str, licence: str, cc: str, strict: str, obligations: list[str] | None) -> None:
    for profile, needs in (("cc", cc), ("strict", strict)):
        for commercial in (True, False):
            for grant in (True, False):
                for evidenced in (True, False):
                    found = verdict(
                        text, profile=profile, commercial=commercial, grant=grant, evidenced=evidenced
                    )
                    expected = {
                        YES: True,
                        GRANT: grant,
                        EVIDENCE: evidenced or grant,
                        NO: False,
                        NOT_COMMERCIAL: grant and not commercial,
                    }[needs]
                    assert found.permitted is expected, (profile, commercial, grant, evidenced, found)
                    assert found.licence.split(" AND ")[0] == licence
                    assert found.reason.endswith(".")
    if obligations is not None:
        assert list(verdict(text).obligations) == obligations


@pytest.mark.parametrize(
    ("text", "licence"),
    [
        ("cc-by 4.0", "CC-BY-4.0"),
        ("CC-BY-4.0", "CC-BY-4.0"),
        ("CC BY v4", "CC-BY-4.0"),
        ("CC BY 2.5", "CC-BY-2.5"),
        ("(CC BY 4.0)", "CC-BY-4.0"),
        ("\uff23\uff23 \uff22\uff39 4.0", "CC-BY-4.0"),
        ("CC\u2011BY\u00a04.0", "CC-BY-4.0"),
        ("Creative Commons Attribution 4.0 International License", "CC-BY-4.0"),
        ("Creative Commons Attribution 4.0 International (CC BY 4.0)", "CC-BY-4.0"),
        ("https://creativecommons.org/licenses/by/3.0/", "CC-BY-3.0"),
        ("https://creativecommons.org/licenses/by/4.0/deed.de", "CC-BY-4.0"),
        ("https://creativecommons.org/licenses/by-nc-sa/4.0/", "CC-BY-NC-SA-4.0"),
        ("https://creativecommons.org/publicdomain/zero/1.0/", "CC0-1.0"),
        ("Attribution-NonCommercial-NoDerivatives 4.0 International", "CC-BY-NC-ND-4.0"),
        ("Creative Commons Attribution-ShareAlike 4.0 International (CC BY-SA 4.0)", "CC-BY-SA-4.0"),
        ("CC Zero", "CC0-1.0"),
        ("royalty-free licence", "LicenseRef-Royalty-Free"),
        ("synchronisation", "LicenseRef-Sync"),
        ("Sync License", "LicenseRef-Sync"),
        ("Non-exclusive AI training rights", "LicenseRef-AI-Training-Rights"),
    ],
)
def test_how_people_write_them(text: str, licence: str) -> None:
    assert verdict(text).licence == licence


LICENCES = [row[0] for row in TABLE if row[1] not in ("LicenseRef-Unknown", "LicenseRef-No-AI-Training")]


@given(
    st.sampled_from(LICENCES),
    st.sampled_from([str.upper, str.lower, str.title, str.swapcase]),
    st.sampled_from([" ", "-", "_", "  ", "\t", "\u00a0", "\u2013", " - "]),
    st.sampled_from(["{}", " {} ", "({})", '"{}"', "{}.", "{} license", "{} Licence"]),
)
def test_case_spaces_and_dashes_never_matter(text: str, case: Any, separator: str, frame: str) -> None:
    spelled = frame.format(case(text.replace("-", " ").replace(" ", separator)))
    assert verdict(spelled, evidenced=True) == verdict(text, evidenced=True)


@given(st.text(max_size=60), st.booleans(), st.booleans())
def test_any_text_gets_a_verdict(text: str, commercial: bool, evidenced: bool) -> None:
    found = verdict(text, commercial=commercial, evidenced=evidenced)
    assert found.licence
    assert found.reason


@given(
    st.sampled_from(["CC BY 4.0", "CC0", "AI Training Rights"]),
    st.integers(0, 17),
    st.sampled_from("СВҮоаеі\u200b\u00ad\u202e"),
)
def test_look_alikes_and_invisible_signs_are_never_permitted(text: str, place: int, odd: str) -> None:
    place = min(place, len(text) - 1)
    spoiled = text[:place] + odd + text[place + 1 :]
    found = verdict(spoiled, evidenced=True)
    assert not found.permitted, spoiled


def test_a_look_alike_is_named() -> None:
    found = verdict("\u0421C BY 4.0")
    assert (found.permitted, found.licence) == (False, "LicenseRef-Unknown")
    assert "CYRILLIC SMALL LETTER ES" in found.reason


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "CC",
        "CC BY 5.0",
        "CC BY 4.0 or later",
        "CC BY 4.0 (drums only)",
        "CC BY 3.0 NC",
        "free",
        "ask Bob",
        "CC BY 4.0\nand something else",
        "Royalty Free, AI training on request",
        "Royalty Free (AI training rights available)",
        "AI training rights pending",
        "some platform with AI training rights",
        "MIT",
        "x" * 500,
    ],
)
def test_what_is_not_wholly_recognised_is_refused(text: str) -> None:
    found = verdict(text, evidenced=True)
    assert (found.permitted, found.licence) == (False, "LicenseRef-Unknown")
    assert "recognised" in found.reason


@pytest.mark.parametrize(
    "text",
    [
        "No AI",
        "NoAI",
        "Royalty Free - no AI training",
        "AI training prohibited",
        "CC BY 4.0 but not for machine learning",
        "AI Training Rights: not included",
        "All rights reserved, text and data mining opted out",
        "CC0 except AI training",
    ],
)
def test_a_ban_holds_against_everything(text: str) -> None:
    found = verdict(text, grant=True, evidenced=True, commercial=False)
    assert (found.permitted, found.licence) == (False, "LicenseRef-No-AI-Training")
    assert text in found.reason


@pytest.mark.parametrize(
    ("text", "licence"),
    [
        ("Royalty Free with AI Training Rights", "LicenseRef-Royalty-Free AND LicenseRef-AI-Training-Rights"),
        ("royalty-free, AI training permitted", "LicenseRef-Royalty-Free AND LicenseRef-AI-Training-Rights"),
        ("CC BY-SA 4.0 plus AI training grant", "CC-BY-SA-4.0 AND LicenseRef-AI-Training-Rights"),
        ("AI Training Rights", "LicenseRef-AI-Training-Rights"),
    ],
)
def test_a_grant_in_the_text_counts_where_the_grant_says_so_outright(text: str, licence: str) -> None:
    found = verdict(text, evidenced=True, grant=True)
    for without in (verdict(text), verdict(text, evidenced=True)):
        assert not without.permitted
        assert '"uses": {"train": "allowed"}, "evidence": [{"document":' in without.reason
    assert (found.permitted, found.licence) == (True, licence)
    assert "contract terms" in found.obligations


def test_a_grant_does_not_undo_nd_or_commercial_nc() -> None:
    assert not verdict("CC BY-ND 4.0 with AI training rights", grant=True, commercial=False).permitted
    assert not verdict("CC BY-NC 4.0 with AI training rights", grant=True).permitted
    assert verdict("CC BY-NC 4.0 with AI training rights", grant=True, commercial=False).permitted


def test_a_refusal_says_what_to_do() -> None:
    assert (
        "ask the platform for AI training rights"
        in verdict("Royalty Free", source_type=SourceType.ROYALTY_FREE).reason
    )
    assert "into the commission" in verdict("Sync", source_type=SourceType.COMMISSIONED).reason
    assert "commercial: true" in verdict("CC BY-NC 4.0").reason


def test_the_stricter_licence_can_be_told() -> None:
    order = [
        "CC0",
        "CC BY 4.0",
        "CC BY-SA 4.0",
        "AI Training Rights",
        "CC BY-NC 4.0",
        "CC BY-ND 4.0",
        "No AI",
    ]
    levels = [verdict(text).strictness for text in order]
    assert levels == sorted(set(levels))


def test_a_licence_names_the_text_of_its_version() -> None:
    assert verdict("CC BY 3.0").url == "https://creativecommons.org/licenses/by/3.0/legalcode"
    assert verdict("AI Training Rights").url is None


def source(**fields: Any) -> dict[str, Any]:
    return {
        "source_id": "s",
        "source_type": "partnership",
        "provider": "A label",
        "license_type": "AI Training Rights",
        "date_acquired": "2025-12-22",
        **fields,
    }


@pytest.mark.parametrize(
    ("fields", "permitted"),
    [
        ({}, False),
        ({"verified_by": "Ann", "notes": "contract 17, clause 3: training of models"}, False),
        ({"license_type": "CC BY 4.0"}, True),
        ({"license_type": "Royalty Free", "verified_by": "Ann"}, False),
    ],
)
def test_what_a_source_says_of_its_contract_is_no_evidence(fields: dict[str, Any], permitted: bool) -> None:
    drop = DropManifest.parse(source(**fields), where="source.json")
    record = drop.record(["track_001"])
    assert judge_source(drop, LicensingSettings()) == judge_source(record, LicensingSettings())
    assert judge_source(drop, LicensingSettings()).permitted is permitted


def test_the_profile_comes_from_the_configuration() -> None:
    drop = DropManifest.parse(source(license_type="CC BY 4.0"), where="source.json")
    assert not judge_source(drop, LicensingSettings(profile="strict")).permitted


@pytest.mark.parametrize("license_type", ["CC0", "CC BY-ND 4.0"])
def test_a_record_is_judged_by_its_licence(license_type: str) -> None:
    data = source(license_type=license_type, track_ids=["track_001"])
    found = judge_source(SourceRecord.parse(data, where="sources[0]"), LicensingSettings())
    assert found.permitted is (license_type == "CC0")
    assert found.permitted or found.reason.startswith("It forbids derivatives")
