"""The policy file: complete, without two licences for one text, and refused by name when it is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from lofi_pipeline.config import config_root
from lofi_pipeline.entities import Obligation, RecordError, SourceType
from lofi_pipeline.licensing import judge, load_policy

RULE: dict[str, Any] = {
    "id": "LicenseRef-House",
    "name": "House licence",
    "patterns": ["house(?: {kind})?"],
    "needs": {"cc": "nothing", "strict": "grant"},
    "strictness": 20,
    "obligations": ["attribution"],
    "reason": "We wrote it ourselves.",
    "url": None,
}


def written(folder: Path, **fields: Any) -> Path:
    path = folder / "licence_policy.yaml"
    path.write_text(yaml.safe_dump({"macros": {"kind": "music"}, "licences": [{**RULE, **fields}]}))
    return path


def test_the_policy_says_that_it_is_no_legal_advice() -> None:
    assert "not legal advice" in (config_root() / "licence_policy.yaml").read_text()


def test_public_licences_name_their_text_and_every_id_is_there_once() -> None:
    rules = load_policy().rules
    assert len({rule.id for rule in rules}) == len(rules)
    assert len({rule.strictness for rule in rules}) == len(rules)
    for rule in rules:
        commons = "CC" in rule.id.split("-")[:2]
        assert (rule.url is not None) == (commons or rule.id.startswith(("CC0", "LAL"))), rule.id
        assert rule.url is None or rule.url.startswith(
            ("https://creativecommons.org/", "https://artlibre.org/")
        )
        assert rule.source, f"{rule.id}: where can the reason be read up?"


def test_a_licence_is_non_commercial_in_its_id_its_obligations_and_its_verdict_or_in_none() -> None:
    rules = load_policy().rules
    reserved = {rule.id for rule in rules if "NC" in rule.id.split("-")}
    assert {"CC-BY-NC-{version}", "CC-BY-NC-SA-{version}", "CC-BY-NC-ND-{version}"} <= reserved
    assert {rule.id for rule in rules if not rule.commercial_use} == reserved
    assert {rule.id for rule in rules if Obligation.NON_COMMERCIAL in rule.obligations} == reserved
    for rule in rules:
        found = judge(
            rule.id_of("4.0" if rule.id.startswith("CC-BY") else None),
            SourceType.CREATIVE_COMMONS,
            commercial=False,
        )
        assert found.commercial_use is (rule.id not in reserved), rule.id


def test_a_policy_of_ones_own(tmp_path: Path) -> None:
    policy = load_policy(written(tmp_path))
    found = judge("House Music", SourceType.PARTNERSHIP, policy=policy)
    assert (found.permitted, found.licence, found.strictness) == (True, "LicenseRef-House", 20)
    assert not judge("CC BY 4.0", SourceType.PARTNERSHIP, policy=policy).permitted


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"patterns": ["house("]}, "LicenseRef-House: 'house('"),
        ({"needs": {"cc": "nothing"}}, "needs of LicenseRef-House"),
        ({"needs": {"cc": "nothing", "strict": "luck"}}, "licences.0.needs.strict"),
        ({"obligations": ["applause"]}, "licences.0.obligations.0"),
        ({"source": "hearsay"}, "licences.0.source"),
        ({"id": "House licence"}, "licences.0.id"),
        ({"colour": "red"}, "licences.0.colour"),
    ],
)
def test_a_wrong_policy_is_refused(tmp_path: Path, fields: dict[str, Any], message: str) -> None:
    path = written(tmp_path, **fields)
    with pytest.raises(RecordError) as caught:
        load_policy(path)
    assert str(path) in str(caught.value)
    assert message in str(caught.value)
