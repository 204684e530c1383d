"""bom.spdx.json: the official model of SPDX 3 reads it, and finds in it what the AI and the Dataset profile ask for."""

from __future__ import annotations

import json
from io import BytesIO, StringIO
from typing import Any

import pytest
from spdx_python_model import v3_0_1 as spdx

from lofi_pipeline.audit.export.spdx import spdx_document
from lofi_pipeline.audit.export.surroundings import Surroundings
from lofi_pipeline.entities import AuditReport, Publication
from lofi_pipeline.storage import FileFacts
from lofi_pipeline_tests.audit.export.attacks import ATTACKS
from lofi_pipeline_tests.audit.export.reports import CONTRACT, bare, full

TABLE = FileFacts("7" * 64, 5)


def read(report: AuditReport, around: Surroundings = Surroundings()) -> Any:
    """The elements as objects of the model. Writing them again checks what is required of each."""
    text = spdx_document(report, TABLE, around)
    assert text.isascii()
    found: Any = spdx.SHACLObjectSet()
    spdx.JSONLDDeserializer().read(StringIO(text), found)  # pyright: ignore[reportArgumentType]
    assert not found.missing_ids
    spdx.JSONLDSerializer().write(found, BytesIO())
    return found


def ends(found: Any, element: Any, kind: str) -> list[Any]:
    """What an element is related to."""
    iri = getattr(spdx.RelationshipType, kind)
    related = [
        item.to
        for item in found.foreach_type("Relationship")
        if item.from_ is element and item.relationshipType == iri
    ]
    return [end for item in related for end in item]


def licence(found: Any, element: Any, kind: str) -> str | None:
    """The one licence of an element; None: nothing is asserted."""
    [end] = ends(found, element, kind)
    return getattr(end, "simplelicensing_licenseExpression", None)


@pytest.mark.parametrize("report", [full(), bare()], ids=["full", "bare"])
def test_every_model_and_data_set_has_one_declared_and_one_concluded_licence(report: AuditReport) -> None:
    found = read(report)
    packages = [*found.foreach_type("ai_AIPackage"), *found.foreach_type("dataset_DatasetPackage")]
    assert len(packages) == 1 + len(report.sources) + (2 if report.base else 0)
    for package in packages:
        assert len(ends(found, package, "hasDeclaredLicense")) == 1
        assert len(ends(found, package, "hasConcludedLicense")) == 1
    [document] = found.foreach_type("SpdxDocument")
    profiles = {iri.rpartition("/")[2] for iri in document.profileConformance}
    assert profiles == {"core", "software", "simpleLicensing", "ai", "dataset"}


def test_the_model_was_trained_on_the_data_set_and_descends_from_its_base() -> None:
    report = full().model_copy(
        update={"publication": Publication(weights_licence="Apache-2.0", provider="The Label")}
    )
    found = read(report)
    by_name = {item.name: item for item in found.foreach_type("ai_AIPackage")}
    model, base = by_name[report.subject.name], by_name["nano"]
    [data] = ends(found, model, "trainedOn")
    assert (data.name, data.dataset_datasetSize) == (report.dataset.dataset_id, len(report.tracks))
    assert ends(found, model, "descendantOf") == [base]
    assert len(ends(found, data, "contains")) == len(report.sources)
    assert licence(found, model, "hasDeclaredLicense") == "Apache-2.0"
    assert licence(found, model, "hasConcludedLicense") is None
    assert licence(found, base, "hasConcludedLicense") == "Apache-2.0"
    assert licence(found, data, "hasConcludedLicense") == f"CC-BY-4.0 AND {CONTRACT}"
    assert model.suppliedBy.name == "The Label"
    assert {item.key for item in model.ai_hyperparameter} == set(report.configuration)
    assert [float(item.value) for item in model.ai_metric] == [4.2, 0.31]


def test_what_nobody_set_is_said_to_be_open() -> None:
    found = read(full())
    [model] = [item for item in found.foreach_type("ai_AIPackage") if item.name != "nano"]
    assert licence(found, model, "hasDeclaredLicense") is None
    assert "No licence of the weights is set" in model.comment
    assert model.suppliedBy.name.startswith("left open")


def test_files_have_the_hash_on_record_where_they_are_as_recorded() -> None:
    report = full(sources=2)
    record, provenance = report.subject.record, report.sources[1].provenance
    assert record is not None and provenance is not None
    gone = provenance.evidence[0].path

    def files(around: Surroundings) -> dict[str, list[str]]:
        found = read(report, around).foreach_type("software_File")
        return {file.name: [proof.hashValue for proof in file.verifiedUsing] for file in found}

    named = files(Surroundings())
    assert named[f"../../{gone}"] == [provenance.evidence[0].sha256]
    assert {name.rpartition("/")[2]: hashes for name, hashes in named.items()}.items() >= {
        name: [sha256] for name, sha256 in record.files.items()
    }.items()
    assert files(Surroundings(lacking=frozenset({gone})))[f"../../{gone}"] == []


@pytest.mark.parametrize("name", ATTACKS)
def test_whatever_people_write_is_a_text_and_nothing_else(name: str) -> None:
    text = ATTACKS[name]

    def attacked(text: str) -> AuditReport:
        report = full(tracks=2, sources=2, text=text)
        rows = [
            row.model_copy(update={"verdict_now": row.verdict_now.model_copy(update={"licence": text})})
            for row in report.sources
        ]
        said = Publication(provider=text, model_name=text, weights_licence=text[:200], copyright=text)
        return report.model_copy(update={"sources": rows, "publication": said})

    def kinds(text: str) -> set[str]:
        return {item["type"] for item in json.loads(spdx_document(attacked(text), TABLE))["@graph"]}

    found = read(attacked(text))
    assert kinds(text) == kinds("Somebody")
    assert text in {item.name for item in found.foreach_type("ai_AIPackage")}
    given = [
        item.simplelicensing_licenseText for item in found.foreach_type("simplelicensing_SimpleLicensingText")
    ]
    assert f"As given: {text}" in given


def test_one_report_gives_one_document() -> None:
    assert spdx_document(full(), TABLE) == spdx_document(full(), TABLE)
