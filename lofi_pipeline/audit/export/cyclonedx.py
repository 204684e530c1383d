"""bom.cdx.json: the machine-learning bill of materials, CycloneDX 1.6 (ECMA-424).

The checkpoint is a machine-learning-model with its model card, made from the base model and a data set; each source is data.
https://cyclonedx.org/docs/1.6/json/
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid5

from lofi_pipeline.audit.export.errors import AuditFileError
from lofi_pipeline.audit.export.escape import file_stem, safe_url
from lofi_pipeline.audit.export.format import count
from lofi_pipeline.audit.export.model_card import CLAP, FAD, INTENDED, LIMITS
from lofi_pipeline.entities import AuditReport, AuditVerdict, SourceRow, SubjectKind

if TYPE_CHECKING:
    from cyclonedx.validation.json import JsonStrictValidator

Json = dict[str, Any]
_LICENCE_REF = re.compile(r"(?:DocumentRef-[A-Za-z0-9.\-]+:)?LicenseRef-[A-Za-z0-9.\-]+")
_PLAIN_ADDRESS = re.compile(  # RFC 3986: an address of the web, or a path beside the file
    r"(?:https?://[A-Za-z0-9.-]+(?::\d+)?(?:[/?#]|$)|[A-Za-z0-9._-]+(?:/|$))"
    r"(?:[A-Za-z0-9._~:/?@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*(?:#(?:[A-Za-z0-9._~:/?@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*)?"
)
_SIGNS = re.compile(r"\(|\)|[^\s()]+")


def bill_of_materials(report: AuditReport) -> str:
    """The whole file as JSON in ASCII."""
    # Written plainly: cyclonedx-python-lib has no classes for model cards and data yet; its validator has the last word in tests
    return json.dumps(_bom(report), indent=2) + "\n"


def check_bill_of_materials(text: str) -> None:
    """Check a bill of materials against the strict schema of CycloneDX 1.6, as tests do: at each audit it would take seconds.

    Addresses of the plain kind that we write are checked here and not by the schema's own rule, which takes a tenth of a
    second for each.

    Raises:
        AuditFileError: it breaks the schema.
    """
    error: Any = _validator().validate_str(json.dumps(_without_plain_addresses(json.loads(text))))
    if error is not None:
        place = ".".join(str(step) for step in error.data.absolute_path)
        raise AuditFileError(
            f"bom.cdx.json: {place}: {error.data.message:.300}; this is a fault of the program: report it"
        )


def _without_plain_addresses(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: ""
            if key == "url" and isinstance(item, str) and _PLAIN_ADDRESS.fullmatch(item)
            else _without_plain_addresses(item)
            for key, item in value.items()
        }
    return [_without_plain_addresses(item) for item in value] if isinstance(value, list) else value


@cache
def _validator() -> JsonStrictValidator:
    """Kept: it reads the schema and the list of licences once."""
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    return JsonStrictValidator(SchemaVersion.V1_6)


def _bom(report: AuditReport) -> Json:
    dataset = _dataset(report)
    sources = [_source(row) for row in report.sources]
    made_from = {_ref(dataset): [_ref(source) for source in sources]}
    if report.subject.kind is SubjectKind.DATASET:
        subject, components = dataset, sources
    else:
        subject, bases = _checkpoint(report, _ref(dataset)), _bases(report)
        components = [dataset, *bases, *sources]
        made_from = {_ref(subject): [_ref(part) for part in (dataset, *bases)], **made_from}
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": uuid5(NAMESPACE_URL, f"{report.subject.hash} {report.made.isoformat()}").urn,
        "version": 1,
        "metadata": {
            "timestamp": report.made.isoformat(),
            "tools": {"components": [_component("lofi-pipeline", "application", "tool")]},
            "component": subject,
        },
        "components": components,
        "dependencies": [{"ref": ref, "dependsOn": parts} for ref, parts in made_from.items()],
    }


def _checkpoint(report: AuditReport, dataset: str) -> Json:
    subject = report.subject
    files = subject.record.files if subject.record else {}
    component = _component(
        f"lofi LoRA {subject.name}",
        "machine-learning-model",
        f"checkpoint:{file_stem(subject.name)}",
        version=subject.name,
        sha256=subject.hash,
        properties={
            "lofi:checkpoint_id": subject.id,
            "lofi:path": subject.path,
            "lofi:disclaimer": report.disclaimer,
            **_verdict("then", report.then),
            **_verdict("now", report.now),
            "lofi:findings": str(len(report.findings)),
            "lofi:clean": _yes(report.clean),
        },
    )
    parts = [
        _component(name, "file", f"file:{file_stem(name)}", sha256=files[name]) for name in sorted(files)
    ]
    ancestors = _bases(report, "ancestor")
    return {
        **component,
        **({"components": parts} if parts else {}),
        **({"pedigree": {"ancestors": ancestors}} if ancestors else {}),
        "modelCard": _model_card(report, dataset),
    }


def _bases(report: AuditReport, where: str = "base") -> list[Json]:
    rows = {"base model": report.base, "LoRA that training began from": report.parent}
    return [
        _component(
            row.facts.name,
            "machine-learning-model",
            f"{where}:{file_stem(role)}",
            version=row.facts.sha256,
            sha256=row.facts.sha256,
            licence=row.licence,
            properties={"lofi:role": role, "lofi:remark": row.sentence},
        )
        for role, row in rows.items()
        if row
    ]


def _dataset(report: AuditReport) -> Json:
    dataset = report.dataset
    properties = {
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
        f"dataset:{file_stem(dataset.dataset_id)}",
        version=dataset.hash,
        sha256=dataset.hash,
        properties=properties,
    )
    return {**component, "data": [_dataset_data(report)]}


def _dataset_data(report: AuditReport) -> Json:
    seconds = {f"lofi:seconds:{licence}": f"{report.licences[licence]:.3f}" for licence in report.licences}
    return {
        "type": "dataset",
        "name": report.dataset.dataset_id,
        "contents": {"url": "croissant.json", "properties": _properties(seconds)},
        "classification": "music recordings with captions",
    }


def _source(row: SourceRow) -> Json:
    record = row.record
    component = _component(
        record.source_id,
        "data",
        f"source:{file_stem(record.source_id)}",
        licence=row.verdict_now.licence,
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
    references = _references(row)
    return {
        **component,
        "supplier": {"name": record.provider},
        **({"externalReferences": references} if references else {}),
        "data": [_source_data(row)],
    }


def _references(row: SourceRow) -> list[Json]:
    provenance = row.provenance
    addresses = {
        "license": safe_url(row.verdict_now.url),
        "website": safe_url(provenance.url if provenance else None),
    }
    references: list[Json] = [{"type": kind, "url": url} for kind, url in addresses.items() if url]
    text = f"LICENSES/{file_stem(row.record.source_id)}.txt"
    for file in provenance.evidence if provenance else []:
        hashes = [{"alg": "SHA-256", "content": file.sha256}]
        references.append(
            {"type": "evidence", "url": text, "comment": file.evidence.document, "hashes": hashes}
        )
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
    scores = [(report.subject.metrics, "checkpoint"), (report.base_metrics, "base model alone")]
    measured = [
        {"type": kind, "value": f"{value:.6f}", "slice": part}
        for metrics, part in scores
        if metrics
        for kind, value in ((FAD, metrics.fad_score), (CLAP, metrics.clap_score))
    ]
    if measured:
        card["quantitativeAnalysis"] = {"performanceMetrics": measured}
    return card


def _component(
    name: str,
    kind: str,
    ref: str,
    *,
    version: str | None = None,
    sha256: str | None = None,
    licence: str | None = None,
    properties: Mapping[str, str | None] | None = None,
) -> Json:
    component: Json = {"type": kind, "bom-ref": ref, "name": name}
    if version:
        component["version"] = version
    if sha256:
        component["hashes"] = [{"alg": "SHA-256", "content": sha256}]
    if licence:
        component["licenses"] = [_licence(licence)]
    if properties:
        component["properties"] = _properties(properties)
    return component


def _licence(licence: str) -> Json:
    """An id of the SPDX list, an expression of such ids and LicenseRefs, or else a name."""
    from cyclonedx.spdx import is_supported_id

    if is_supported_id(licence):
        return {"license": {"id": licence, "acknowledgement": "concluded"}}
    signs = _SIGNS.findall(licence)
    operators = {"AND", "OR", "WITH", "(", ")"}
    known = all(sign in operators or is_supported_id(sign) or _LICENCE_REF.fullmatch(sign) for sign in signs)
    if known and len(signs) > 1:
        return {"expression": licence, "acknowledgement": "concluded"}
    return {"license": {"name": licence, "acknowledgement": "concluded"}}


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
