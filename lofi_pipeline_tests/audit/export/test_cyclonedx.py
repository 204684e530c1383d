"""bom.cdx.json: valid by the strict schema whatever people wrote, and every link in it leads somewhere."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cyclonedx.model.bom import Bom
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from lofi_pipeline.audit.export import AuditFileError
from lofi_pipeline.audit.export.cyclonedx import bill_of_materials, check_bill_of_materials
from lofi_pipeline.entities import AuditReport
from lofi_pipeline_tests.audit.export.attacks import ATTACKS
from lofi_pipeline_tests.audit.export.reports import bare, full

VALIDATOR = JsonStrictValidator(SchemaVersion.V1_6)


def read(report: AuditReport) -> dict[str, Any]:
    text = bill_of_materials(report)
    assert VALIDATOR.validate_str(text) is None
    assert text.isascii()
    return json.loads(text)


def by_ref(bom: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        component["bom-ref"]: component for component in [bom["metadata"]["component"], *bom["components"]]
    }


def shape(value: object) -> object:
    """Keys and kinds, without what the texts say."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return sorted(json.dumps(shape(item), sort_keys=True) for item in value)
    return type(value).__name__


@pytest.fixture(scope="module")
def harmless() -> object:
    """The shape of a bill without any attack."""
    return shape(read(full(tracks=2, sources=2, text="Somebody")))


@pytest.mark.parametrize("name", ATTACKS)
def test_valid_and_of_the_same_shape_whatever_people_write(name: str, harmless: object) -> None:
    text = ATTACKS[name]
    attacked = read(full(tracks=2, sources=2, text=text))
    assert shape(attacked) == harmless
    provider = full(tracks=1, text=text).sources[0].record.provider
    suppliers = {part["supplier"]["name"] for part in attacked["components"] if "supplier" in part}
    assert suppliers == {provider}  # the fact itself, escaped by JSON


def test_source_ids_make_references_that_hold() -> None:
    ids = list(dict.fromkeys(text.strip()[:200] for text in ATTACKS.values()))
    bom = read(full(tracks=len(ids), source_ids=ids))
    refs = by_ref(bom)
    assert len(refs) == len(bom["components"]) + 1
    for dependency in bom["dependencies"]:
        assert dependency["ref"] in refs or dependency["ref"].startswith(("file:", "ancestor:"))
        assert set(dependency.get("dependsOn", [])) <= set(refs)


def test_the_checkpoint_is_a_model_made_from_base_and_data() -> None:
    report = full()
    bom = read(report)
    model = bom["metadata"]["component"]
    assert model["type"] == "machine-learning-model"
    assert model["hashes"] == [{"alg": "SHA-256", "content": report.subject.hash}]
    assert report.subject.record is not None
    assert {part["name"]: part["hashes"][0]["content"] for part in model["components"]} == (
        report.subject.record.files
    )
    data = by_ref(bom)[model["modelCard"]["modelParameters"]["datasets"][0]["ref"]]
    assert (data["type"], data["version"]) == ("data", report.dataset.hash)
    metrics = model["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]
    assert [float(metric["value"]) for metric in metrics] == [4.2, 0.31, 9.9, 0.1]
    assert model["pedigree"]["ancestors"][0]["licenses"][0]["license"]["id"] == "Apache-2.0"
    depends = {item["ref"]: item.get("dependsOn", []) for item in bom["dependencies"]}
    assert len(depends[data["bom-ref"]]) == len(report.sources)


def test_each_source_has_licence_supplier_and_evidence() -> None:
    report = full(sources=2)
    parts = {part["name"]: part for part in read(report)["components"]}
    assert parts["source-0"]["licenses"][0]["license"]["id"] == "CC-BY-4.0"
    contract = parts["source-1"]
    assert contract["licenses"][0]["license"]["name"] == "LicenseRef-AI-Training-Rights"
    assert contract["supplier"]["name"] == "Provider 1"
    row = report.sources[1]
    assert row.provenance is not None
    evidence = [item for item in contract["externalReferences"] if item["type"] == "evidence"]
    assert [item["hashes"][0]["content"] for item in evidence] == [
        file.sha256 for file in row.provenance.evidence
    ]
    properties = {item["name"]: item["value"] for item in contract["data"][0]["contents"]["properties"]}
    assert properties["lofi:grant:train"] == "allowed"
    assert properties["lofi:grant:end"] == "2030-01-01"


@pytest.mark.parametrize(
    ("licence", "expected"),
    [
        ("CC0-1.0", {"id": "CC0-1.0"}),
        ("CC-BY-NC-4.0 AND LicenseRef-AI-Training-Rights", None),
        ("CC-BY-4.0 OR (CC0-1.0 AND LicenseRef-House)", None),
        ("LicenseRef-Unknown", {"name": "LicenseRef-Unknown"}),
        ("CC BY AND =1+1", {"name": "CC BY AND =1+1"}),
        ("cc0", {"name": "cc0"}),
    ],
)
def test_licences_are_ids_expressions_or_names(licence: str, expected: dict[str, str] | None) -> None:
    report = full(tracks=1, sources=1)
    row = report.sources[0]
    judged = row.verdict_now.model_copy(update={"licence": licence})
    rows = [row.model_copy(update={"verdict_now": judged})]
    [choice] = next(
        part
        for part in read(report.model_copy(update={"sources": rows}))["components"]
        if part["name"] == "source-0"
    )["licenses"]
    if expected is None:
        assert choice["expression"] == licence
    else:
        assert expected.items() <= choice["license"].items()


def test_a_data_set_without_optional_facts() -> None:
    bom = read(bare())
    assert bom["metadata"]["component"]["type"] == "data"
    assert bom["metadata"]["component"]["data"][0]["type"] == "dataset"
    assert "modelCard" not in bom["metadata"]["component"]


def test_the_library_reads_it_back() -> None:
    found = read(full())
    found["metadata"]["component"].pop("modelCard")  # what the library has no classes for
    for component in found["components"]:
        component.pop("data", None)
    bom: Any = Bom.from_json(found)  # pyright: ignore[reportAttributeAccessIssue]
    assert len(bom.components) == len(found["components"])


def test_one_report_gives_one_bill() -> None:
    assert bill_of_materials(full()) == bill_of_materials(full())


def test_a_bill_that_breaks_the_schema_is_refused() -> None:
    found = read(bare())
    found["components"][0]["type"] = "music"
    with pytest.raises(AuditFileError, match=r"components\.0"):
        check_bill_of_materials(json.dumps(found))
