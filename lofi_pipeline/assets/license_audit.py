"""license_audit: which tracks, sources and licences fed a checkpoint, what that allows today, and the files to show.

The audit itself is in audit/; here it becomes metadata and checks.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from functools import cache, partial
from pathlib import Path
from typing import Any

import dagster as dg

from lofi_pipeline.assets.failures import failing_in_words
from lofi_pipeline.assets.lora_checkpoints import known_checkpoints
from lofi_pipeline.assets.metadata import Facts, checkpoint_page, shown, table
from lofi_pipeline.assets.partitions import CHECKPOINTS, OWNERS
from lofi_pipeline.assets.standing import Standing
from lofi_pipeline.entities import AuditReport, CheckpointRecord, Finding, FindingCode, Obligation, Severity
from lofi_pipeline.errors import LofiError
from lofi_pipeline.resources import Workspace
from lofi_pipeline.storage import DataRoot, content_sha256, is_of_the_disk, read_json

IN_FORCE = "every_source_has_a_permitted_licence_in_force"
INTACT = "evidence_and_records_are_intact"
NOT_WITHDRAWN = "no_source_is_withdrawn"
LISTED = "obligations_are_listed"
NOT_IN_FORCE = {
    FindingCode.NOT_PERMITTED_THEN,
    FindingCode.NOT_PERMITTED_NOW,
    FindingCode.NOT_COMMERCIAL_NOW,
    FindingCode.SOURCE_UNKNOWN,
    FindingCode.GRANT_NOT_ACCEPTED,
    FindingCode.STRICTER_TERMS,
    FindingCode.BASE_NOT_COMMERCIAL,
    FindingCode.ORIGIN_UNKNOWN,
}
WITHDRAWN = {FindingCode.SOURCE_WITHDRAWN, FindingCode.WITHDRAWN_CONTENT, FindingCode.WITHDRAWN_COPY}


class AuditOptions(dg.Config):
    """How thorough the audit is."""

    quick: bool = True
    """Records, evidence and small files are hashed anyway; False hashes music and weights again too."""


@dg.asset(
    group_name="audit",
    kinds={"json"},
    owners=OWNERS,
    code_version="1",
    partitions_def=CHECKPOINTS,
    deps=["lora_checkpoints", "quality_metrics"],
    check_specs=[
        dg.AssetCheckSpec(
            IN_FORCE,
            asset="license_audit",
            description="Each source permits what the project does, as of training and as of today.",
        ),
        dg.AssetCheckSpec(
            INTACT,
            asset="license_audit",
            description="Version, evidence, checkpoint and scores are as they were recorded.",
        ),
        dg.AssetCheckSpec(
            NOT_WITHDRAWN,
            asset="license_audit",
            description="No source that fed the checkpoint was withdrawn since, nor one with the same recordings.",
        ),
        dg.AssetCheckSpec(
            LISTED,
            asset="license_audit",
            description="Every track that asks for attribution stands in ATTRIBUTION.md, with title and artist.",
        ),
    ],
)
@failing_in_words()
def license_audit(
    context: dg.AssetExecutionContext, workspace: Workspace, config: AuditOptions
) -> dg.MaterializeResult:
    """Audits one checkpoint and writes data/audit/<partition>/. What it finds fails checks, never the run."""
    try:
        record, report, page = _audit(workspace, context.partition_key, quick=config.quick)
    except (LofiError, OSError) as error:
        if is_of_the_disk(error, inputs=workspace.root.raw):
            raise  # says nothing of the checkpoint: the run fails, and may be repeated
        context.log.warning(str(error))
        return _not_audited(str(error))
    for finding in report.of_severity(Severity.ERROR):
        context.log.warning(f"{finding.code}: {finding.sentence}")
    version = _data_version(report.subject.hash, report.now, report.findings)
    told = _standing(workspace.root, context.partition_key, version, page, record, lambda: report)
    return told.result()


def standing_audits(workspace: Workspace) -> Iterator[Standing]:
    """The last audit of every checkpoint."""
    from lofi_pipeline.audit import is_written
    from lofi_pipeline.audit.report_file import REPORT, read_report
    from lofi_pipeline.audit.write import PAGE

    for _, record in known_checkpoints(workspace.root):
        folder = workspace.root.audits / record.partition_key
        if not is_written(folder):
            continue
        # As it is spelled there: an audit of other code, with fields that came later, keeps its version.
        with suppress(ValueError, OSError, LookupError, TypeError):
            said = read_json(folder / REPORT)
            version = _data_version(said["subject"]["hash"], said["now"], said["findings"])
            report = cache(partial(read_report, folder / REPORT))
            page = folder / PAGE
            told = _standing(workspace.root, record.partition_key, version, page, record, report)
            # An audit that found no record to go by leaves the files of the one before.
            yield replace(told, made=datetime.fromisoformat(said["made"]))


def _data_version(subject: str, now: Any, findings: Any) -> str:
    return content_sha256([subject, now, findings])


def _standing(
    root: DataRoot,
    partition_key: str,
    version: str,
    page: Path,
    record: CheckpointRecord | None,
    report: Callable[[], AuditReport],
) -> Standing:
    def told() -> Facts:
        found = report()
        return {
            **_verdicts(found),
            "studio": checkpoint_page(record) if record else None,
            "audit": dg.MetadataValue.path(root.relative(page)),
            **_tables(found),
        }

    return Standing(
        "license_audit",
        version,
        told,
        checks=lambda: _checks(report()),
        partition=partition_key,
    )


def _audit(
    workspace: Workspace, partition_key: str, *, quick: bool
) -> tuple[CheckpointRecord | None, AuditReport, Path]:
    """What was audited, the report, and the page that people read."""
    from lofi_pipeline.audit import AuditInputs, build_report, find_subject, write_audit
    from lofi_pipeline.audit.base_model import base_at_hand

    inputs = AuditInputs(workspace.root)
    subject = find_subject(inputs, partition_key)
    record = subject.checkpoint.record if subject.checkpoint else None
    base = base_at_hand(record.lineage, workspace.config, quick=quick) if record else None
    report = build_report(inputs, subject, config=workspace.config, base=base, quick=quick)
    return record, report, write_audit(inputs, subject, report).page


def _verdicts(report: AuditReport) -> Facts:
    """The report's facts, by the names of its fields."""
    return {
        "clean": report.clean,
        "then": report.then.sentence,
        "now": report.now.sentence,
        "commercial_use": report.now.commercial_use,
        "profile": report.profile,
        "policy": report.policy or "several",
        "cost": round(report.cost, 2),
        "disclaimer": report.disclaimer,
    }


def _tables(report: AuditReport) -> Facts:
    """The report's lists, by the names of its fields."""
    hours = [(name, f"{seconds / 3600:.3f}") for name, seconds in report.licences.items()]
    sources = [
        (
            row.record.source_id,
            row.record.provider,
            row.verdict_now.licence,
            row.tracks,
            "permitted" if row.verdict_now.permitted else row.verdict_now.reason,
        )
        for row in report.sources
    ]
    obligations = [(row.obligation, row.tracks, row.sentence) for row in report.obligations]
    terms = [(row.record.source_id, " ".join(row.terms)) for row in report.limited]
    findings = [(it.severity, it.code, it.where, it.sentence) for it in report.findings]
    return {
        "licences": table(["licence", "hours"], hours),
        "sources": table(["source_id", "provider", "licence", "tracks", "today"], sources),
        "obligations": table(["obligation", "tracks", "what to do"], obligations),
        "terms": table(["source_id", "what its grant limits"], terms),
        "findings": table(["severity", "code", "where", "sentence"], findings),
    }


def _checks(report: AuditReport) -> list[dg.AssetCheckResult]:
    from lofi_pipeline.audit import not_intact

    errors = report.of_severity(Severity.ERROR)
    listed = {entry.track_id for entry in report.attribution}
    unlisted = [
        track.track_id
        for track in report.tracks
        if Obligation.ATTRIBUTION in track.obligations and track.track_id not in listed
    ]
    incomplete = [
        finding for finding in report.findings if finding.code is FindingCode.ATTRIBUTION_INCOMPLETE
    ]
    return [
        _check(IN_FORCE, [finding for finding in errors if finding.code in NOT_IN_FORCE]),
        _check(INTACT, not_intact(report)),
        _check(NOT_WITHDRAWN, [finding for finding in errors if finding.code in WITHDRAWN]),
        dg.AssetCheckResult(
            check_name=LISTED,
            passed=not (unlisted or incomplete),
            severity=dg.AssetCheckSeverity.ERROR if unlisted else dg.AssetCheckSeverity.WARN,
            metadata=shown(
                {
                    "unlisted": table(["track_id"], [[name] for name in unlisted]),
                    "incomplete": table(["what to do"], [[finding.sentence] for finding in incomplete]),
                }
            ),
        ),
    ]


def _check(name: str, findings: list[Finding]) -> dg.AssetCheckResult:
    rows = [(finding.where, finding.sentence) for finding in findings]
    return dg.AssetCheckResult(
        check_name=name,
        passed=not findings,
        metadata=shown({"count": len(findings), "findings": table(["where", "what to do"], rows)}),
    )


def _not_audited(why: str) -> dg.MaterializeResult:
    """Without its records nothing can be said: every check fails, and says why."""
    checks = (IN_FORCE, INTACT, NOT_WITHDRAWN, LISTED)
    return dg.MaterializeResult(
        metadata={"clean": False, "not_audited": why},
        check_results=[
            dg.AssetCheckResult(check_name=name, passed=False, metadata={"not_audited": why})
            for name in checks
        ],
    )
