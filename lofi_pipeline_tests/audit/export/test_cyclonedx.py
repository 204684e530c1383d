"""bom.cdx.json: valid by the strict schema whatever people wrote, and every link in it leads somewhere."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from cyclonedx.model.bom import Bom
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from lofi_pipeline.audit.export.cyclonedx import (
    bill_of_materials,
    bill_of_tracks,
)
from lofi_pipeline.audit.export.surroundings import Surroundings
from lofi_pipeline.entities import AuditReport, Publication
from lofi_pipeline_tests.audit.export.attacks import ATTACKS
from lofi_pipeline_tests.audit.export.reports import bare, full, sha

VALIDATOR = JsonStrictValidator(SchemaVersion.V1_6)
BESIDE = {"tracks.csv": sha("table"), "tracks.cdx.json": sha("tracks")}


def read(report: AuditReport, around: Surroundings = Surroundings()) -> dict[str, Any]:
    return valid(bill_of_materials(report, BESIDE, around))


def valid(text: str) -> dict[str, Any]:
    assert VALIDATOR.validate_str(text) is None
    assert text.isascii()
    return json.loads(text)


def acknowledged(component: dict[str, Any], how: str) -> list[str]:
    """The licences of a component that were declared, or concluded."""
    found = [item.get("license", item) for item in component.get("licenses", [])]
    return [
        item.get("id") or item.get("name") or item["expression"]
        for item in found
        if item["acknowledgement"] == how
    ]


def hashes(part: object) -> set[str]:
    """Every SHA-256 in a bill that is said to be of a file."""
    if isinstance(part, list):
        return set().union(*map(hashes, part))
    if not isinstance(part, dict):
        return set()
    own = {item["content"] for item in part.get("hashes", [])}
    return own.union(*(hashes(item) for item in part.values()))


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
        assert dependency["ref"] in refs or dependency["ref"].startswith("file:")
        assert set(dependency.get("dependsOn", [])) <= set(refs)


def test_the_checkpoint_is_a_model_made_from_base_and_data() -> None:
    report = full()
    bom = read(report)
    model = bom["metadata"]["component"]
    assert model["type"] == "machine-learning-model"
    assert report.subject.record is not None
    assert {part["name"]: part["hashes"][0]["content"] for part in model["components"]} == (
        report.subject.record.files
    )
    data = by_ref(bom)[model["modelCard"]["modelParameters"]["datasets"][0]["ref"]]
    assert (data["type"], data["version"]) == ("data", report.dataset.hash)
    metrics = model["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]
    assert [float(metric["value"]) for metric in metrics] == [4.2, 0.31, 9.9, 0.1]
    assert "pedigree" not in model
    [base] = [part for part in bom["components"] if part["name"] == "nano"]
    assert acknowledged(base, "concluded") == ["Apache-2.0"]
    depends = {item["ref"]: item.get("dependsOn", []) for item in bom["dependencies"]}
    assert len(depends[data["bom-ref"]]) == len(report.sources)


def test_each_source_has_licence_supplier_and_evidence() -> None:
    report = full(sources=2)
    parts = {part["name"]: part for part in read(report)["components"]}
    assert acknowledged(parts["source-0"], "declared") == ["CC BY 4.0"]
    assert acknowledged(parts["source-0"], "concluded") == ["CC-BY-4.0"]
    contract = parts["source-1"]
    assert acknowledged(contract, "concluded") == ["LicenseRef-AI-Training-Rights"]
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
    component = next(
        part
        for part in read(report.model_copy(update={"sources": rows}))["components"]
        if part["name"] == "source-0"
    )
    choice = component["licenses"][-1]
    if expected is None:
        assert choice == {"expression": licence, "acknowledgement": "concluded"}
        assert component["evidence"]["licenses"][0]["license"]["acknowledgement"] == "declared"
    else:
        assert expected.items() <= choice["license"].items()
        assert acknowledged(component, "declared") == ["CC BY 4.0"]


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
    assert bill_of_materials(full(), BESIDE) == bill_of_materials(full(), BESIDE)
    assert list(bill_of_tracks(full())) == list(bill_of_tracks(full()))


def test_the_licence_of_the_weights_is_the_one_that_was_set() -> None:
    model = read(full())["metadata"]["component"]
    assert "licenses" not in model
    properties = {item["name"]: item["value"] for item in model["properties"]}
    assert "No licence of the weights is set" in properties["lofi:weights_licence"]
    for licence in ("Apache-2.0", "Apache-2.0 OR LicenseRef-House", "our own terms"):
        chosen = Publication(weights_licence=licence, copyright="© 2026 The Label")
        model = read(full().model_copy(update={"publication": chosen}))["metadata"]["component"]
        assert acknowledged(model, "declared") == [licence]
        assert acknowledged(model, "concluded") == []
        assert model["copyright"] == "© 2026 The Label"


def test_the_data_set_has_what_its_sources_declared_and_what_was_concluded() -> None:
    bom = read(full())
    data = next(part for part in bom["components"] if part["bom-ref"].startswith("dataset:"))
    assert acknowledged(data, "declared") == ["AI Training Rights", "CC BY 4.0"]
    assert acknowledged(data, "concluded") == ["CC-BY-4.0", "LicenseRef-AI-Training-Rights"]
    either = full()
    judged = either.sources[0].verdict_now.model_copy(update={"licence": "CC-BY-4.0 OR CC0-1.0"})
    rows = [either.sources[0].model_copy(update={"verdict_now": judged}), *either.sources[1:]]
    bom = read(either.model_copy(update={"sources": rows}))
    data = next(part for part in bom["components"] if part["bom-ref"].startswith("dataset:"))
    assert acknowledged(data, "concluded") == [
        "CC-BY-4.0 AND (CC-BY-4.0 OR CC0-1.0) AND LicenseRef-AI-Training-Rights"
    ]


def test_hashes_are_of_files_that_are_there_and_of_nothing_else() -> None:
    report = full(tracks=4, sources=2)
    record, evidence = report.subject.record, report.sources[1].provenance
    assert record is not None and evidence is not None
    of_files = {*record.files.values(), *BESIDE.values(), *(file.sha256 for file in evidence.evidence)}
    assert hashes(read(report)) == of_files
    tracks = valid(b"".join(bill_of_tracks(report)).decode())
    assert hashes(tracks) == {track.audio_sha256 for track in report.tracks}
    gone = f"{report.subject.path}/adapter_model.safetensors"
    lacking = frozenset({gone, evidence.evidence[0].path, report.tracks[0].audio_path or ""})
    around = Surroundings(lacking=lacking)
    kept = of_files - {record.files["adapter_model.safetensors"], evidence.evidence[0].sha256}
    assert hashes(read(report, around)) == kept
    assert hashes(valid(b"".join(bill_of_tracks(report, around)).decode())) == {
        track.audio_sha256 for track in report.tracks[1:]
    }


@pytest.mark.parametrize("name", ATTACKS)
def test_the_bill_of_tracks_has_one_component_for_each(name: str) -> None:
    report = full(tracks=3, sources=2, text=ATTACKS[name])
    tracks = [replace(row, copyright=ATTACKS[name]) for row in report.tracks]
    dataset = report.dataset.model_copy(update={"dataset_id": '"components": []'})
    bill = valid(
        b"".join(bill_of_tracks(report.model_copy(update={"tracks": tracks, "dataset": dataset}))).decode()
    )
    assert [part["bom-ref"] for part in bill["components"]] == [f"track:{row.track_id}" for row in tracks]
    for part, row in zip(bill["components"], tracks, strict=True):
        assert (part["name"], part["copyright"]) == (row.title, row.copyright)
        assert acknowledged(part, "concluded") == [row.licence]


def test_the_bill_links_the_bill_of_tracks_with_its_hash() -> None:
    bom = read(full())
    data = next(part for part in bom["components"] if part["bom-ref"].startswith("dataset:"))
    [link] = [item for item in data["externalReferences"] if item["type"] == "bom"]
    assert (link["url"], hashes(link)) == ("tracks.cdx.json", {BESIDE["tracks.cdx.json"]})
    linked = json.loads(b"".join(bill_of_tracks(full())).decode())
    assert linked["metadata"]["component"]["bom-ref"] == data["bom-ref"]
    assert linked["serialNumber"] != bom["serialNumber"]
