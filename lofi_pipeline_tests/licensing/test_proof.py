"""What a grant gives, it gives with its document alone; and which of two verdicts asks for more."""

from __future__ import annotations

from typing import Any

import pytest

from lofi_pipeline.config import LicensingSettings
from lofi_pipeline.entities import Obligation, Verdict
from lofi_pipeline.licensing import stricter
from lofi_pipeline.licensing.judge_source import UNPROVED
from lofi_pipeline_tests.licensing.test_grants import judged

PRIVATE = LicensingSettings(commercial=False)
BOTH = {"train": "allowed", "commercial": "allowed"}


@pytest.mark.parametrize("settings", [LicensingSettings(), PRIVATE], ids=["commercial", "private"])
def test_a_commercial_grant_counts_with_its_document_alone(settings: LicensingSettings):
    proved = judged("CC BY-NC 4.0", uses=BOTH, settings=settings)
    assert proved.permitted and proved.commercial_use and Obligation.NON_COMMERCIAL not in proved.obligations
    claimed = judged("CC BY-NC 4.0", uses=BOTH, settings=settings, evidence=())
    assert not claimed.permitted and not claimed.commercial_use
    assert Obligation.NON_COMMERCIAL in claimed.obligations


def test_terms_of_a_grant_are_to_be_kept_also_where_the_licence_alone_permits_the_training():
    found = judged("CC0", revocable=True)
    assert found.terms == ("It can be revoked.",) and Obligation.CONTRACT_TERMS in found.obligations
    assert Obligation.CONTRACT_TERMS not in judged("CC0").obligations


@pytest.mark.parametrize(
    "license_type", ["Royalty Free", "CC BY-NC 4.0", "CC BY-SA 4.0", "AI Training Rights"]
)
def test_who_claims_a_grant_is_told_to_bring_its_document_and_nothing_else(license_type: str):
    assert judged(license_type, uses=BOTH, evidence=()).reason == UNPROVED


def test_no_document_helps_where_the_licence_refuses_every_grant():
    found = judged("CC BY-ND 4.0", uses=BOTH, evidence=())
    assert not found.permitted and found.reason != UNPROVED


def verdict(**changes: Any) -> Verdict:
    return Verdict(
        **{
            "permitted": True,
            "licence": "CC-BY-4.0",
            "reason": "It allows any use.",
            "strictness": 10,
            "obligations": (Obligation.ATTRIBUTION,),
            "terms": ("It ends on 2027-01-01.",),
        }
        | changes
    )


@pytest.mark.parametrize(
    "change",
    [
        {"permitted": False},
        {"strictness": 11},
        {"commercial_use": False},
        {"obligations": (Obligation.ATTRIBUTION, Obligation.SHARE_ALIKE)},
        {"terms": ("It ends on 2027-01-01.", "It can be revoked.")},
    ],
    ids=str,
)
def test_a_verdict_is_stricter_that_allows_less_or_asks_for_more(change: dict[str, Any]):
    mild, strict = verdict(), verdict(**change)
    assert stricter(strict, mild)
    assert not stricter(mild, strict)
    assert not stricter(mild, mild)


def test_what_allows_less_is_stricter_whatever_the_other_asks_for():
    asks = verdict(obligations=tuple(Obligation), terms=("a", "b"), strictness=60, commercial_use=False)
    assert stricter(verdict(permitted=False, strictness=0), asks)
    assert stricter(verdict(strictness=61, obligations=()), asks)
    assert not stricter(asks, verdict(strictness=61, obligations=()))
