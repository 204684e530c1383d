"""license_audit: which tracks, sources and licences fed a checkpoint, what that allows today, and the files to show."""

import dagster as dg

from lofi_pipeline.assets.metadata import table
from lofi_pipeline.assets.partitions import CHECKPOINTS, OWNERS
from lofi_pipeline.entities import AuditReport, Finding, Severity
from lofi_pipeline.errors import LofiError
from lofi_pipeline.resources import Workspace
from lofi_pipeline.storage import content_sha256

IN_FORCE = "every_source_has_a_permitted_licence_in_force"
INTACT = "evidence_and_records_are_intact"
NOT_WITHDRAWN = "no_source_is_withdrawn"
LISTED = "obligations_are_listed"
MOST_ROWS = 100
NOT_IN_FORCE = {
    "not-permitted-then",
    "not-permitted-now",
    "not-commercial-now",
    "source-unknown",
    "base-not-commercial",
}
WITHDRAWN = {"source-withdrawn", "withdrawn-content"}


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
            description="No source that fed the checkpoint was withdrawn since.",
        ),
        dg.AssetCheckSpec(
            LISTED,
            asset="license_audit",
            description="Every track that asks for attribution stands in ATTRIBUTION.md, with title and artist.",
        ),
    ],
)
def license_audit(
    context: dg.AssetExecutionContext, workspace: Workspace, config: AuditOptions
) -> dg.MaterializeResult:
    """Audits one checkpoint and writes data/audit/<partition>/. What it finds fails checks, never the run."""
    from lofi_pipeline.audit import build_report, find_subject, write_audit
    from lofi_pipeline.audit.base_model import base_at_hand

    root, settings = workspace.root, workspace.config
    try:
        subject = find_subject(root, context.partition_key)
        record = subject.checkpoint.record if subject.checkpoint else None
        base = base_at_hand(record.lineage, settings, quick=config.quick) if record else None
        report = build_report(root, subject, config=settings, base=base, quick=config.quick)
        written = write_audit(root, subject, report)
    except (LofiError, OSError) as error:
        context.log.warning(str(error))
        return _not_audited(str(error))
    for finding in report.of_severity(Severity.ERROR):
        context.log.warning(f"{finding.code}: {finding.sentence}")
    return dg.MaterializeResult(
        metadata={
            "verdict": "clean" if report.clean else "findings",
            "as_of_training": report.then.sentence,
            "as_of_today": report.now.sentence,
            "commercial_use": str(report.now.commercial_use),
            "profile": report.profile,
            "policy": report.policy or "several",
            "cost_usd": report.cost,
            "licences": table(
                ["licence", "hours"],
                [(name, f"{seconds / 3600:.3f}") for name, seconds in report.licences.items()],
            ),
            "sources": table(
                ["source", "provider", "licence", "tracks", "today"],
                [
                    (
                        row.record.source_id,
                        row.record.provider,
                        row.verdict_now.licence,
                        row.tracks,
                        "permitted" if row.verdict_now.permitted else row.verdict_now.reason,
                    )
                    for row in report.sources[:MOST_ROWS]
                ],
            ),
            "obligations": table(
                ["obligation", "tracks", "what to do"],
                [(row.obligation, row.tracks, row.sentence) for row in report.obligations],
            ),
            "terms": table(
                ["source", "what its grant limits"],
                [(row.record.source_id, " ".join(row.terms)) for row in report.limited[:MOST_ROWS]],
            ),
            "findings": table(
                ["severity", "what", "where", "sentence"],
                [(it.severity, it.code, it.where, it.sentence) for it in report.findings[:MOST_ROWS]],
            ),
            "audit": dg.MetadataValue.path(str(written.page)),
            "disclaimer": report.disclaimer,
        },
        data_version=dg.DataVersion(content_sha256([report.subject.hash, report.now, report.findings])),
        check_results=_checks(report),
    )


def _checks(report: AuditReport) -> list[dg.AssetCheckResult]:
    from lofi_pipeline.audit import not_intact

    errors = report.of_severity(Severity.ERROR)
    listed = {entry.track_id for entry in report.attribution}
    unlisted = [
        track.track_id
        for track in report.tracks
        if "attribution" in track.obligations and track.track_id not in listed
    ]
    incomplete = [finding for finding in report.findings if finding.code == "attribution-incomplete"]
    return [
        _check(IN_FORCE, [finding for finding in errors if finding.code in NOT_IN_FORCE]),
        _check(INTACT, not_intact(report)),
        _check(NOT_WITHDRAWN, [finding for finding in errors if finding.code in WITHDRAWN]),
        dg.AssetCheckResult(
            check_name=LISTED,
            passed=not (unlisted or incomplete),
            severity=dg.AssetCheckSeverity.ERROR if unlisted else dg.AssetCheckSeverity.WARN,
            metadata={
                "unlisted": ", ".join(unlisted[:MOST_ROWS]) or "none",
                "incomplete": " ".join(finding.sentence for finding in incomplete) or "none",
            },
        ),
    ]


def _check(name: str, findings: list[Finding]) -> dg.AssetCheckResult:
    rows = [(finding.where, finding.sentence) for finding in findings[:MOST_ROWS]]
    return dg.AssetCheckResult(
        check_name=name,
        passed=not findings,
        metadata={"count": len(findings), "findings": table(["where", "what to do"], rows)},
    )


def _not_audited(why: str) -> dg.MaterializeResult:
    """Without its records nothing can be said: every check fails, and says why."""
    checks = (IN_FORCE, INTACT, NOT_WITHDRAWN, LISTED)
    return dg.MaterializeResult(
        metadata={"verdict": "findings", "not_audited": why},
        check_results=[
            dg.AssetCheckResult(check_name=name, passed=False, metadata={"not_audited": why})
            for name in checks
        ],
    )
