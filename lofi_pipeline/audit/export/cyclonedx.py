"""bom.cdx.json and tracks.cdx.json: the machine-learning bill of materials, CycloneDX 1.6 (ECMA-424).

The checkpoint is a machine-learning-model with its model card, made from the base model and a data set; each source is data. The
tracks have a bill of their own, which the data set links. Hashes are of files alone: what names a whole folder or record stands
among the properties.
https://cyclonedx.org/docs/1.6/json/
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote
from uuid import NAMESPACE_URL, uuid5

from lofi_pipeline.audit.export.escape import file_stem, safe_url
from lofi_pipeline.audit.export.format import count
from lofi_pipeline.audit.export.model_card import INTENDED, LIMITS, NO_LICENCE
from lofi_pipeline.audit.export.reuse import NOBODY, owner_of
from lofi_pipeline.audit.export.sources import SHEETS
from lofi_pipeline.audit.export.spdx_licence import REFERENCE, all_of, is_expression, is_listed
from lofi_pipeline.audit.export.surroundings import Surroundings, checkpoint_file
from lofi_pipeline.entities import (
    AuditReport,
    AuditVerdict,
    Precision,
    QualityMetrics,
    SourceRow,
    SubjectKind,
    TrackRow,
)
from lofi_pipeline.evaluation.names import ScoreNames, score_names

Json = dict[str, Any]
BILL, TRACKS_BILL = "bom.cdx.json", "tracks.cdx.json"


def bill_of_materials(
    report: AuditReport, beside: Mapping[str, str], around: Surroundings = Surroundings()
) -> str:
    """The whole file as JSON in ASCII. `beside`: SHA-256 of the files that it links, tracks.csv and tracks.cdx.json, by name."""
    # Written plainly: cyclonedx-python-lib has no classes for model cards and data yet; its validator has the last word in tests
    return _text(_bom(report, beside, around))


def bill_of_tracks(report: AuditReport, around: Surroundings = Surroundings()) -> Iterator[bytes]:
    """The bill of the tracks as JSON in ASCII, a block for each, on a line of its own: there may be very many."""
    dataset = _component(report.dataset.dataset_id, "data", _dataset_ref(report), version=report.dataset.hash)
    made_from = {_ref(dataset): [_track_ref(track) for track in report.tracks]}
    around_them = _text(_bill(report, TRACKS_BILL, dataset, [], made_from))
    before, _, after = around_them.partition('"components": []')
    yield f'{before}"components": ['.encode()
    for place, track in enumerate(report.tracks):
        yield (",\n" if place else "\n").encode() + json.dumps(_track(track, around)).encode()
    yield f"\n]{after}".encode()


def _text(found: Json) -> str:
    return json.dumps(found, indent=2) + "\n"


def _bom(report: AuditReport, beside: Mapping[str, str], around: Surroundings) -> Json:
    dataset = _dataset(report, beside)
    sources = [_source(row, around) for row in report.sources]
    made_from = {_ref(dataset): [_ref(source) for source in sources]}
    if report.subject.kind is SubjectKind.DATASET:
        subject, components = dataset, sources
    else:
        subject, bases = _checkpoint(report, _ref(dataset), around), _bases(report)
        components = [dataset, *bases, *sources]
        made_from = {_ref(subject): [_ref(part) for part in (dataset, *bases)], **made_from}
    return _bill(report, BILL, subject, components, made_from)


def _bill(
    report: AuditReport, name: str, subject: Json, components: list[Json], made_from: Mapping[str, list[str]]
) -> Json:
    key = f"{report.subject.hash} {report.made.isoformat()}" + ("" if name == BILL else f" {name}")
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": uuid5(NAMESPACE_URL, key).urn,
        "version": 1,
        "metadata": {
            "timestamp": report.made.isoformat(),
            "tools": {"components": [_component("lofi-pipeline", "application", "tool")]},
            "component": subject,
        },
        "components": components,
        "dependencies": [{"ref": ref, "dependsOn": parts} for ref, parts in made_from.items()],
    }


def _checkpoint(report: AuditReport, dataset: str, around: Surroundings) -> Json:
    subject = report.subject
    files = subject.record.files if subject.record else {}
    component = _component(
        f"lofi LoRA {subject.name}",
        "machine-learning-model",
        f"checkpoint:{file_stem(subject.name)}",
        version=subject.name,
        properties={
            "lofi:content_sha256": subject.hash,
            "lofi:checkpoint_id": subject.id,
            "lofi:path": subject.path,
            "lofi:disclaimer": report.disclaimer,
            **_verdict("then", report.then),
            **_verdict("now", report.now),
            "lofi:weights_licence": report.publication.weights_licence or NO_LICENCE,
            "lofi:findings": str(len(report.findings)),
            "lofi:clean": _yes(report.clean),
        },
    )
    parts = [
        _file(name, files[name], checkpoint_file(report, name), around, ref=f"file:{file_stem(name)}")
        for name in sorted(files)
    ]
    weights = report.publication.weights_licence
    owner = owner_of(report)
    return {
        **component,
        **(_licences([weights], []) if weights else {}),
        **({"copyright": owner} if owner != NOBODY else {}),
        **({"components": parts} if parts else {}),
        "modelCard": _model_card(report, dataset),
    }


def _file(name: str, sha256: str, path: str | None, around: Surroundings, *, ref: str) -> Json:
    """A file with its hash; the hash is a property alone where the file is not there as it was recorded."""
    there = around.holds(path)
    return _component(
        name,
        "file",
        ref,
        sha256=sha256 if there else None,
        properties={"lofi:path": path, "lofi:recorded_sha256": None if there else sha256},
    )


def _track_ref(track: TrackRow) -> str:
    return f"track:{track.track_id}"


def _track(track: TrackRow, around: Surroundings) -> Json:
    component = _file(
        track.title or track.filename,
        track.audio_sha256,
        track.audio_path,
        around,
        ref=_track_ref(track),
    )
    component["properties"] = _properties(
        {item["name"]: item["value"] for item in component.get("properties", [])}
        | {
            "lofi:track_id": track.track_id,
            "lofi:filename": track.filename,
            "lofi:original_sha256": track.original_sha256,
            "lofi:sources": ", ".join(track.source_ids),
            "lofi:split": track.split,
            "lofi:seconds": f"{track.seconds:.3f}",
            "lofi:obligations": ", ".join(track.obligations),
        }
    )
    address = safe_url(track.url)
    return {
        **component,
        **({"authors": [{"name": track.artist}]} if track.artist else {}),
        **({"copyright": track.copyright} if track.copyright else {}),
        **_licences([], [track.licence]),
        **({"externalReferences": [{"type": "website", "url": address}]} if address else {}),
    }


def _bases(report: AuditReport) -> list[Json]:
    rows = {"base model": report.base, "LoRA that training began from": report.parent}
    return [
        _component(
            row.facts.name,
            "machine-learning-model",
            f"base:{file_stem(role)}",
            version=row.facts.sha256,
            properties={
                "lofi:role": role,
                "lofi:remark": row.sentence,
                "lofi:content_sha256": row.facts.sha256,
            },
        )
        | (_licences([], [row.licence]) if row.licence else {})
        for role, row in rows.items()
        if row
    ]


def _dataset_ref(report: AuditReport) -> str:
    return f"dataset:{file_stem(report.dataset.dataset_id)}"


def _dataset(report: AuditReport, beside: Mapping[str, str]) -> Json:
    dataset = report.dataset
    properties = {
        "lofi:content_sha256": dataset.hash,
        "lofi:tracks": str(dataset.track_count),
        "lofi:tracks:validation": str(dataset.validation_count),
        "lofi:seconds": f"{report.seconds:.3f}",
        "lofi:cost:usd": f"{report.cost:.2f}",
    }
    if report.subject.kind is SubjectKind.DATASET:
        properties |= {**_verdict("then", report.then), **_verdict("now", report.now)}
        properties["lofi:disclaimer"] = report.disclaimer
    component = _component(
        dataset.dataset_id,
        "data",
        _dataset_ref(report),
        version=dataset.hash,
        properties=properties,
    )
    declared = sorted({row.record.license_type for row in report.sources})
    concluded = sorted({row.verdict_now.licence for row in report.sources})
    references = {"tracks.csv": "source-distribution", TRACKS_BILL: "bom"}
    return {
        **component,
        **_licences(declared, concluded),
        "externalReferences": [
            {"type": references[name], "url": name, "hashes": _hashes(beside[name])} for name in references
        ],
        "data": [_dataset_data(report)],
    }


def _dataset_data(report: AuditReport) -> Json:
    seconds = {f"lofi:seconds:{licence}": f"{report.licences[licence]:.3f}" for licence in report.licences}
    return {
        "type": "dataset",
        "name": report.dataset.dataset_id,
        "contents": {"url": "croissant.json", "properties": _properties(seconds)},
        "classification": "music recordings with captions",
    }


def _source(row: SourceRow, around: Surroundings) -> Json:
    record = row.record
    component = _component(
        record.source_id,
        "data",
        f"source:{file_stem(record.source_id)}",
        properties={
            "lofi:source_type": record.source_type,
            "lofi:license_type": record.license_type,
            "lofi:date_acquired": record.date_acquired.isoformat(),
            "lofi:verified_by": record.verified_by,
            "lofi:cost:usd": None if record.cost is None else f"{record.cost:.2f}",
            "lofi:tracks": str(row.tracks),
            "lofi:seconds": f"{row.seconds:.3f}",
            "lofi:permitted:then": _yes(row.verdict_then.permitted),
            "lofi:permitted:now": _yes(row.verdict_now.permitted),
            "lofi:commercial_use": _yes(row.verdict_now.commercial_use),
            "lofi:obligations": ", ".join(row.verdict_now.obligations) or None,
            "lofi:terms": " ".join(row.terms) or None,
            "lofi:withdrawn": row.withdrawn.isoformat() if row.withdrawn else None,
        },
    )
    references = _references(row, around)
    return {
        **component,
        **_licences([record.license_type], [row.verdict_now.licence]),
        "supplier": {"name": record.provider},
        **({"externalReferences": references} if references else {}),
        "data": [_source_data(row)],
    }


def _references(row: SourceRow, around: Surroundings) -> list[Json]:
    provenance = row.provenance
    addresses = {
        "license": safe_url(row.verdict_now.url),
        "website": safe_url(provenance.url if provenance else None),
    }
    references: list[Json] = [{"type": kind, "url": url} for kind, url in addresses.items() if url]
    references.append({"type": "attestation", "url": f"{SHEETS}/{file_stem(row.record.source_id)}.txt"})
    for file in provenance.evidence if provenance else []:
        there = around.holds(file.path)
        hashes = {"hashes": _hashes(file.sha256)} if there else {}
        told = file.evidence.document + (
            "" if there else f" (not as recorded; its SHA-256 was {file.sha256})"
        )
        url = quote(around.address(file.path))
        references.append({"type": "evidence", "url": url, "comment": told, **hashes})
    return references


def _source_data(row: SourceRow) -> Json:
    grant = row.provenance.grant if row.provenance else None
    data: Json = {"type": "dataset", "name": row.record.source_id}
    if grant:
        facts = {f"lofi:grant:{use}": grant.uses[use] for use in sorted(grant.uses)} | {
            "lofi:grant:constraints": grant.constraints,
            "lofi:grant:rights": ", ".join(grant.rights),
            "lofi:grant:territory": grant.territory,
            "lofi:grant:start": grant.validity.start.isoformat() if grant.validity.start else None,
            "lofi:grant:end": grant.validity.end.isoformat() if grant.validity.end else None,
            "lofi:grant:revocable": _yes(grant.revocable),
            "lofi:grant:withdrawn": grant.withdrawn.isoformat() if grant.withdrawn else None,
            "lofi:grant:model_versions": ", ".join(grant.model_versions) or None,
        }
        data["contents"] = {"properties": _properties(facts)}
    owners = sorted(
        {
            file.evidence.licensor
            for file in (row.provenance.evidence if row.provenance else [])
            if file.evidence.licensor
        }
    )
    data["governance"] = {
        "owners": [{"organization": {"name": owner}} for owner in owners or [row.record.provider]]
    }
    return data


def _model_card(report: AuditReport, dataset: str) -> Json:
    card: Json = {
        "modelParameters": {
            "task": "text-to-audio",
            "architectureFamily": "diffusion transformer",
            "modelArchitecture": "LoRA adapter",
            "datasets": [{"ref": dataset}],
            "inputs": [{"format": "text"}],
            "outputs": [{"format": "audio"}],
        },
        "considerations": {
            "useCases": [INTENDED],
            "technicalLimitations": list(LIMITS),
            "ethicalConsiderations": [
                {
                    "name": f"{row.obligation} ({count(row.tracks, 'track')})",
                    "mitigationStrategy": row.sentence,
                }
                for row in report.obligations
            ]
            + [
                {"name": f"terms of {row.record.source_id}", "mitigationStrategy": " ".join(row.terms)}
                for row in report.limited
            ],
        },
        "properties": _properties(
            {f"lofi:training:{name}": value for name, value in report.configuration.items()}
        ),
    }
    measured = [
        entry
        for metrics, precision, part in (
            (report.subject.metrics, report.subject.precision, "checkpoint"),
            (report.base_metrics, report.base_precision, "base model alone"),
        )
        if metrics
        for entry in _measured(score_names(report.subject.score_key), metrics, precision, part)
    ]
    if measured:
        card["quantitativeAnalysis"] = {"performanceMetrics": measured}
    return card


def _measured(
    names: ScoreNames, metrics: QualityMetrics, precision: Precision | None, part: str
) -> list[Json]:
    """Performance metrics, with the intervals that were measured: of FAD, two standard errors on each side."""
    error, clap = (precision.fad_se, precision.clap_interval) if precision else (None, None)
    fad = None if error is None else (max(0.0, metrics.fad_score - 2 * error), metrics.fad_score + 2 * error)
    entries = []
    for kind, value, interval in (
        (names.fad, metrics.fad_score, fad),
        (names.clap, metrics.clap_score, clap),
    ):
        entry: Json = {"type": kind, "value": f"{value:.6f}", "slice": part}
        if interval:
            bounds = zip(("lowerBound", "upperBound"), interval, strict=True)
            entry["confidenceInterval"] = {name: f"{bound:.6f}" for name, bound in bounds}
        entries.append(entry)
    return entries


def _component(
    name: str,
    kind: str,
    ref: str,
    *,
    version: str | None = None,
    sha256: str | None = None,
    properties: Mapping[str, str | None] | None = None,
) -> Json:
    component: Json = {"type": kind, "bom-ref": ref, "name": name}
    if version:
        component["version"] = version
    if sha256:
        component["hashes"] = _hashes(sha256)
    if properties:
        component["properties"] = _properties(properties)
    return component


def _hashes(sha256: str) -> list[Json]:
    return [{"alg": "SHA-256", "content": sha256}]


def _licences(declared: list[str], concluded: list[str]) -> Json:
    """What somebody declared, and what the policy made of it. An expression must stand alone: the declared one is then evidence."""
    said = [_licence(licence, "declared") for licence in declared]
    judged = [_licence(licence, "concluded") for licence in concluded]
    if len(said) + len(judged) == 1 or not any("expression" in item for item in [*said, *judged]):
        return {"licenses": [*said, *judged]} if said or judged else {}
    whole = all_of(concluded)
    names = [{"license": {"name": licence, "acknowledgement": "declared"}} for licence in declared]
    return {
        "licenses": [{"expression": whole, "acknowledgement": "concluded"}] if whole else names,
        **({"evidence": {"licenses": names}} if names and whole else {}),
    }


def _licence(licence: str, how: str) -> Json:
    """An id of the SPDX list, an expression of such ids and LicenseRefs, or else a name."""
    if is_listed(licence):
        return {"license": {"id": licence, "acknowledgement": how}}
    if is_expression(licence) and not REFERENCE.fullmatch(licence):
        return {"expression": licence, "acknowledgement": how}
    return {"license": {"name": licence, "acknowledgement": how}}


def _verdict(when: str, verdict: AuditVerdict) -> dict[str, str]:
    return {
        f"lofi:{when}:day": verdict.day.isoformat(),
        f"lofi:{when}:permitted": _yes(verdict.permitted),
        f"lofi:{when}:commercial_use": _yes(verdict.commercial_use),
        f"lofi:{when}:obligations": ", ".join(verdict.obligations),
    }


def _properties(facts: Mapping[str, str | None]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in _given(facts)]


def _given(facts: Mapping[str, str | None]) -> Iterable[tuple[str, str]]:
    return ((name, value) for name, value in sorted(facts.items()) if value)


def _ref(component: Json) -> str:
    return component["bom-ref"]


def _yes(value: bool) -> str:
    return "yes" if value else "no"
