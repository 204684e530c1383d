"""Grants beside the licence: what they add with evidence, what they forbid, and from when to when they hold."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from lofi_pipeline.config import LicensingSettings
from lofi_pipeline.entities import DropManifest, Evidence, EvidenceFile, Grant, RecordError, Verdict
from lofi_pipeline.licensing import judge_source, load_policy

DAY = date(2026, 6, 1)
ALLOWED = {"train": "allowed", "commercial": "allowed", "redistribute_weights": "allowed"}
DOCUMENT = EvidenceFile(
    evidence=Evidence(document="contract.pdf"),
    path="raw/partnerships/x/contract.pdf",
    sha256="0" * 64,
    size=1,
)


def source(
    license_type: str = "Royalty Free", grant: dict[str, Any] | None = None, **fields: Any
) -> DropManifest:
    return DropManifest.parse(
        {
            "source_id": "s",
            "source_type": "partnership",
            "provider": "A label",
            "license_type": license_type,
            "date_acquired": "2025-12-22",
            **({"grant": grant} if grant is not None else {}),
            **fields,
        },
        where="source.json",
    )


def judged(
    license_type: str = "Royalty Free",
    *,
    evidence: tuple[EvidenceFile, ...] = (DOCUMENT,),
    settings: LicensingSettings | None = None,
    day: date = DAY,
    base: str | None = None,
    fields: dict[str, Any] | None = None,
    **grant: Any,
) -> Verdict:
    given = {"uses": ALLOWED, "evidence": [{"document": "contract.pdf"}], **grant}
    drop = source(license_type, given, **(fields or {}))
    return judge_source(drop, settings or LicensingSettings(), evidence=evidence, day=day, base=base)


@pytest.mark.parametrize("profile", ["cc", "strict"])
@pytest.mark.parametrize(
    "license_type",
    ["Royalty Free", "AI Training Rights", "Work for hire", "Partnership agreement", "CC BY-SA 4.0", "Sync"],
)
def test_a_grant_needs_its_document_and_words_do_not_do(license_type: str, profile: Any) -> None:
    settings, words = LicensingSettings(profile=profile), {"verified_by": "Ann"}
    found = judged(license_type, settings=settings, fields=words)
    assert found.permitted, found
    assert "contract terms" in found.obligations
    without = judged(license_type, settings=settings, fields=words, evidence=())
    assert not without.permitted
    assert '"evidence": [{"document": "contract.pdf"}]' in without.reason


def test_strict_takes_public_licences_with_a_grant() -> None:
    strict = LicensingSettings(profile="strict")
    assert not judge_source(source("CC BY 4.0", verified_by="Ann"), strict).permitted
    found = judged("CC BY 4.0", settings=strict)
    assert (found.permitted, found.licence) == (True, "CC-BY-4.0 AND LicenseRef-AI-Training-Rights")


@pytest.mark.parametrize(
    ("day", "grant", "reason"),
    [
        (date(2026, 1, 1), {}, None),
        (date(2025, 12, 31), {}, "begins on 2026-01-01"),
        (date(2026, 12, 31), {}, None),
        (date(2027, 1, 1), {}, "ended on 2026-12-31"),
        (date(2026, 3, 1), {"withdrawn": "2026-03-01"}, "withdrawn on 2026-03-01"),
        (date(2026, 2, 28), {"withdrawn": "2026-03-01"}, None),
    ],
)
@pytest.mark.parametrize("license_type", ["Royalty Free", "CC0"])
def test_a_grant_holds_from_day_to_day(
    license_type: str, day: date, grant: dict[str, Any], reason: str | None
) -> None:
    found = judged(license_type, validity={"start": "2026-01-01", "end": "2026-12-31"}, day=day, **grant)
    assert found.permitted is (reason is None)
    assert (reason or "") in found.reason
    assert found.day == day


def test_what_a_grant_forbids_is_forbidden_whatever_the_licence() -> None:
    for license_type in ("CC0", "Royalty Free", "AI Training Rights"):
        found = judged(license_type, uses={"train": "notAllowed"})
        assert not found.permitted
        found = judged(license_type, uses={"train": "allowed", "commercial": "notAllowed"})
        assert not found.permitted and "commercial: true" in found.reason
        private = judged(
            license_type,
            uses={"train": "allowed", "commercial": "notAllowed"},
            settings=LicensingSettings(commercial=False),
        )
        assert private.permitted and not private.commercial_use
        assert "non-commercial" in private.obligations


def test_a_grant_may_lift_what_the_licence_leaves_to_the_author_but_not_nd() -> None:
    assert not judged("CC BY-NC 4.0", uses={"train": "allowed"}).permitted
    found = judged("CC BY-NC 4.0")
    assert found.permitted and found.commercial_use
    assert "non-commercial" not in found.obligations
    assert not judged("CC BY-ND 4.0").permitted
    assert not judged("CC BY 4.0, no AI training").permitted
    assert not judged("trust me").permitted


def test_a_grant_that_is_silent_on_training_grants_none() -> None:
    assert not judged("Royalty Free", uses={"commercial": "allowed"}).permitted


def test_conditions_and_limits_are_told_as_terms() -> None:
    found = judged(
        uses={"train": "allowed", "redistribute_weights": "notAllowed", "data_mining": "constrained"},
        constraints="at most 500 copies",
        rights=["recording", "composition"],
        territory="Germany",
        model_versions=["Nano"],
        revocable=True,
        base="nano",
    )
    assert found.permitted
    assert "contract terms" in found.obligations
    told = " ".join(found.terms)
    for word in ("at most 500 copies", "weights", "performers", "Germany", "Nano", "revoked"):
        assert word in told, word


def test_constraints_must_be_said() -> None:
    with pytest.raises(RecordError, match="constraints"):
        Grant.parse({"uses": {"train": "constrained"}}, where="source.json")


def test_a_verdict_names_the_policy_and_the_settings_it_was_judged_with() -> None:
    first, again = judged(), judged()
    assert first == again
    assert first.policy == load_policy().hash_with(LicensingSettings())
    other = judged(settings=LicensingSettings(commercial=False))
    assert other.policy != first.policy
