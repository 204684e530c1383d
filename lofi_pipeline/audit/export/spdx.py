"""bom.spdx.json: the same bill of materials in SPDX 3.0.1 as JSON-LD, with the AI and the Dataset profile.

https://spdx.github.io/spdx-spec/v3.0.1/
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote
from uuid import NAMESPACE_URL, uuid5

from lofi_pipeline.audit.export.croissant import MAINTENANCE, PREPROCESSING, USE_CASES
from lofi_pipeline.audit.export.escape import file_stem, safe_url
from lofi_pipeline.audit.export.format import count, hours
from lofi_pipeline.audit.export.model_card import HUB_ID, INTENDED, LIMITS, NO_LICENCE
from lofi_pipeline.audit.export.reuse import licence_text, owner_of
from lofi_pipeline.audit.export.spdx_licence import REFERENCE, all_of, expression_of, ids_of
from lofi_pipeline.audit.export.surroundings import Surroundings, checkpoint_file
from lofi_pipeline.entities import AuditReport, SourceRow, SubjectKind
from lofi_pipeline.entities.audit import BaseModelRow
from lofi_pipeline.evaluation.names import score_names
from lofi_pipeline.storage import FileFacts

Json = dict[str, Any]
CONTEXT = "https://spdx.org/rdf/3.0.1/spdx-context.jsonld"
NOT_SAID = "expandedlicensing_NoAssertionLicense"
CREATION = "_:creation"


def spdx_document(report: AuditReport, tracks_csv: FileFacts, around: Surroundings = Surroundings()) -> str:
    """The whole file as JSON in ASCII. `tracks_csv`: the table that lies beside it."""
    graph = _Graph(report, around)
    dataset = _dataset(graph, tracks_csv)
    root = _model(graph, dataset) if report.subject.kind is SubjectKind.CHECKPOINT else dataset
    return json.dumps({"@context": CONTEXT, "@graph": graph.finished(root)}, indent=2) + "\n"


@dataclass
class _Graph:
    """The elements of one document, in the order in which they were added."""

    report: AuditReport
    around: Surroundings
    elements: dict[str, Json] = field(default_factory=dict)

    def __post_init__(self) -> None:
        subject = self.report.subject
        self.namespace = uuid5(NAMESPACE_URL, f"spdx {subject.hash} {self.report.made.isoformat()}").urn
        self.owner = self.agent(
            self.report.publication.provider or "left open: publication.provider is not set"
        )

    def add(self, kind: str, key: str, **facts: object) -> str:
        """Add an element once, and give its id."""
        name = f"{self.namespace}#{key}"
        given = {fact: value for fact, value in facts.items() if value not in (None, [], "")}
        self.elements.setdefault(name, {"type": kind, "spdxId": name, "creationInfo": CREATION, **given})
        return name

    def agent(self, name: str) -> str:
        """Somebody who made or gave something."""
        return self.add("Agent", f"agent-{file_stem(name)}", name=name)

    def relate(self, start: str, kind: str, ends: Iterable[str]) -> None:
        """Say how an element stands to others."""
        if found := list(ends):
            key = f"relationship-{len(self.elements)}"
            self.add("Relationship", key, relationshipType=kind, **{"from": start, "to": found})

    def file(self, path: str, address: str, sha256: str | None) -> str:
        """A file, with its hash where it is there as it was recorded."""
        proof = [{"type": "Hash", "algorithm": "sha256", "hashValue": sha256}] if sha256 else []
        key = f"file-{file_stem(path)}"
        return self.add("software_File", key, name=address, verifiedUsing=proof, software_fileKind="file")

    def kept_file(self, path: str, sha256: str) -> str:
        """A file below the data root."""
        return self.file(path, self.around.address(path), sha256 if self.around.holds(path) else None)

    def license(self, package: str, declared: Iterable[str | None], concluded: Iterable[str | None]) -> None:
        """What somebody declared, and what the policy made of it."""
        for kind, licences in (("hasDeclaredLicense", declared), ("hasConcludedLicense", concluded)):
            self.relate(package, kind, [self._licence([licence for licence in licences if licence])])

    def _licence(self, licences: list[str]) -> str:
        whole = all_of(licences)
        if whole is None:
            return NOT_SAID
        given = {expression_of(licence): licence for licence in licences}
        own = [
            _entry(reference, self._own_licence(reference, given.get(reference, reference)))
            for reference in ids_of(whole)
            if REFERENCE.fullmatch(reference)
        ]
        return self.add(
            "simplelicensing_LicenseExpression",
            f"licence-{file_stem(whole)}",
            simplelicensing_licenseExpression=whole,
            simplelicensing_customIdToUri=own,
        )

    def _own_licence(self, reference: str, given: str) -> str:
        text = licence_text(reference, self.report) if given == reference else f"As given: {given}"
        key = f"text-{file_stem(reference)}"
        return self.add(
            "simplelicensing_SimpleLicensingText", key, name=reference, simplelicensing_licenseText=text
        )

    def finished(self, root: str) -> list[Json]:
        """All elements, the document that names them first."""
        report, tool = self.report, self.add("Tool", "tool", name="lofi-pipeline")
        creation = {
            "type": "CreationInfo",
            "@id": CREATION,
            "specVersion": "3.0.1",
            "created": _moment(report.made),
            "createdBy": [self.owner],
            "createdUsing": [tool],
        }
        about = {"name": report.subject.name, "comment": report.disclaimer}
        parts = list(self.elements)
        bill = self.add(
            "software_Sbom", "bill", rootElement=[root], element=parts, software_sbomType=["build"], **about
        )
        profiles = ["core", "software", "simpleLicensing", "ai", "dataset"]
        self.add(
            "SpdxDocument",
            "document",
            rootElement=[bill],
            element=[*parts, bill],
            profileConformance=profiles,
            **about,
        )
        return [creation, *self.elements.values()]


def _model(graph: _Graph, dataset: str) -> str:
    report, subject = graph.report, graph.report.subject
    record, metrics = subject.record, subject.metrics
    saved = _moment(record.checkpoint.timestamp) if record else None
    names = score_names(subject.score_key)
    scores = [(names.fad, metrics.fad_score), (names.clap, metrics.clap_score)] if metrics else []
    training = f"A LoRA, trained until {report.trained.isoformat()}."
    model = graph.add(
        "ai_AIPackage",
        "model",
        name=report.publication.model_name or subject.name,
        summary=report.now.sentence,
        software_packageVersion=subject.name,
        software_primaryPurpose="model",
        software_downloadLocation=quote(graph.around.address(subject.path)),
        software_copyrightText=owner_of(report),
        suppliedBy=graph.owner,
        builtTime=saved,
        releaseTime=saved,
        comment=None if report.publication.weights_licence else NO_LICENCE,
        ai_typeOfModel=["LoRA adapter", "diffusion transformer"],
        ai_domain=["text-to-music"],
        ai_informationAboutApplication=INTENDED,
        ai_informationAboutTraining=f"{training} {report.training.sentence}" if report.training else training,
        ai_limitation=" ".join(LIMITS),
        ai_hyperparameter=_entries(report.configuration),
        ai_metric=[_entry(name, f"{value:.6f}") for name, value in scores],
        ai_modelDataPreprocessing=list(PREPROCESSING),
        ai_useSensitivePersonalInformation="noAssertion",
    )
    files = record.files if record else {}
    kept = [graph.kept_file(checkpoint_file(report, name), files[name]) for name in sorted(files)]
    graph.license(model, [report.publication.weights_licence], [])
    bases = [_base(graph, row, key) for key, row in (("base", report.base), ("parent", report.parent)) if row]
    graph.relate(model, "contains", kept)
    graph.relate(model, "trainedOn", [dataset])
    graph.relate(model, "testedOn", [dataset] if metrics else [])
    graph.relate(model, "descendantOf", bases)
    return model


def _base(graph: _Graph, row: BaseModelRow, key: str) -> str:
    name = row.facts.name
    base = graph.add(
        "ai_AIPackage",
        key,
        name=name,
        summary=row.sentence,
        software_packageVersion=row.facts.sha256,
        software_primaryPurpose="model",
        software_downloadLocation=f"https://huggingface.co/{name}" if HUB_ID.fullmatch(name) else None,
    )
    graph.license(base, [], [row.licence])
    return base


def _dataset(graph: _Graph, tracks_csv: FileFacts) -> str:
    report, facts = graph.report, graph.report.dataset
    held_out = f"{count(facts.validation_count, 'track')} held out"
    made = _moment(facts.created)
    styles = ", ".join(f"{style}: {facts.style_distribution[style]}" for style in facts.style_distribution)
    dataset = graph.add(
        "dataset_DatasetPackage",
        "dataset",
        name=facts.dataset_id,
        summary=f"{count(facts.track_count, 'track')}, {hours(report.seconds)} (h:mm:ss), {held_out}.",
        software_packageVersion=facts.hash,
        software_primaryPurpose="data",
        software_downloadLocation=quote(graph.around.address(f"metadata/datasets/{facts.hash}.json")),
        originatedBy=[graph.owner],
        builtTime=made,
        releaseTime=made,
        dataset_datasetType=["audio", "text"],
        dataset_datasetSize=facts.track_count,
        dataset_dataCollectionProcess=f"Collected from {count(len(report.sources), 'source')}, each a data set of its own here.",
        dataset_dataPreprocessing=list(PREPROCESSING),
        dataset_datasetUpdateMechanism=MAINTENANCE,
        dataset_intendedUse=" ".join(USE_CASES),
        dataset_knownBias=[f"Tracks by kind of style: {styles}."] if styles else [],
        dataset_hasSensitivePersonalInformation="noAssertion",
    )
    table = graph.file("tracks.csv", "tracks.csv", tracks_csv.sha256)
    sources = [_source(graph, row) for row in report.sources]
    graph.license(
        dataset,
        [row.record.license_type for row in report.sources],
        [row.verdict_now.licence for row in report.sources],
    )
    graph.relate(dataset, "hasDataFile", [table])
    graph.relate(dataset, "contains", sources)
    return dataset


def _source(graph: _Graph, row: SourceRow) -> str:
    record, provenance = row.record, row.provenance
    said = [f"Acquired on {record.date_acquired.isoformat()} ({record.source_type}).", row.verdict_now.reason]
    said += row.terms
    if row.withdrawn:
        said.append(f"Withdrawn on {row.withdrawn.isoformat()}.")
    source = graph.add(
        "dataset_DatasetPackage",
        f"source-{file_stem(record.source_id)}",
        name=record.source_id,
        summary=f"{count(row.tracks, 'track')}, {hours(row.seconds)} (h:mm:ss).",
        comment=" ".join(said),
        software_primaryPurpose="data",
        software_downloadLocation=safe_url(provenance.url) if provenance else None,
        originatedBy=[graph.agent(record.provider)],
        dataset_datasetType=["audio"],
        dataset_datasetSize=row.tracks,
        dataset_hasSensitivePersonalInformation="noAssertion",
    )
    graph.license(source, [record.license_type], [row.verdict_now.licence])
    evidence = [
        graph.kept_file(file.path, file.sha256) for file in (provenance.evidence if provenance else [])
    ]
    graph.relate(source, "hasEvidence", dict.fromkeys(evidence))
    return source


def _entries(facts: Mapping[str, str]) -> list[Json]:
    return [_entry(key, facts[key]) for key in sorted(facts)]


def _entry(key: str, value: str) -> Json:
    return {"type": "DictionaryEntry", "key": key, "value": value}


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
