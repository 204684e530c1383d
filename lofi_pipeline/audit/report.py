"""From a data root's records to the report of an audit. Nothing is written."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import date

from lofi_pipeline.audit.base_model import BaseAtHand
from lofi_pipeline.audit.findings import licence_findings
from lofi_pipeline.audit.integrity.dataset_version import VerifiedVersion, verify_version
from lofi_pipeline.audit.integrity.verify import verify_files
from lofi_pipeline.audit.subject import Subject, find_subject
from lofi_pipeline.audit.tables import (
    attributions,
    caption_facts,
    obligation_rows,
    track_rows,
)
from lofi_pipeline.audit.training_facts import (
    base_metrics,
    base_row,
    cache_facts,
    caption_wordings,
    configuration_of,
    forbids_commercial_use,
    training_facts,
)
from lofi_pipeline.audit.verdicts import (
    day_of_judging,
    now_verdict,
    source_rows,
    then_verdict,
)
from lofi_pipeline.config import PipelineConfig
from lofi_pipeline.entities import (
    AuditReport,
    AuditSubject,
    Severity,
    Split,
    SubjectKind,
    TrackRow,
    now,
)
from lofi_pipeline.licensing.withdrawals import load_withdrawals, withdrawn_contents
from lofi_pipeline.storage import DataRoot, content_sha256, read_ledger

Progress = Callable[[int, int, str], None]
SEVERITIES = list(Severity)


def build_report(
    root: DataRoot,
    subject: str | Subject,
    *,
    config: PipelineConfig,
    day_today: date | None = None,
    base: BaseAtHand | None = None,
    quick: bool = False,
    progress: Progress = lambda done, total, what: None,
) -> AuditReport:
    """Audit a checkpoint or a data set version.

    Args:
        subject: what somebody typed, see `find_subject`; or what that found.
        day_today: the day that "as of today" means.
        base: the checkpoint's base model, where it lies on this machine.
        quick: leave the bytes of music and weights unread; records, evidence and hashes of records are proved anyway.
        progress: called with (files done, files in all, file).

    Raises:
        UnknownSubject: no such checkpoint or version, or several.
        BrokenRecord: a record that everything rests on is missing or can't be read.
    """
    found = find_subject(root, subject) if isinstance(subject, str) else subject
    made = now()
    today = day_today or day_of_judging(root, made.date())
    ledger = read_ledger(root)
    verified = verify_version(root, found.dataset_hash, ledger)
    version = verified.version
    subject_facts = _subject(root, found, verified)
    trained = (
        subject_facts.record.checkpoint.timestamp if subject_facts.record else version.dataset.created
    ).date()
    lineage = subject_facts.lineage
    sources = source_rows(
        root,
        version,
        config.licensing,
        trained=trained,
        today=today,
        base=lineage.base.name if lineage else None,
    )
    tracks = track_rows(version, sources)
    base_facts = base_row(lineage, base) if lineage else None
    files = verify_files(root, found, verified, ledger, quick=quick, progress=progress)
    withdrawn = withdrawn_contents(load_withdrawals(root), today)
    findings = [
        *verified.findings,
        *files.findings,
        *licence_findings(
            found,
            version,
            sources,
            tracks,
            base_facts,
            withdrawn,
            made,
            commercial=config.licensing.commercial,
        ),
    ]
    reserved = base_facts if forbids_commercial_use(base_facts) else None
    then, today_verdict = then_verdict(sources, trained, reserved), now_verdict(sources, today, reserved)
    return AuditReport(
        subject=subject_facts,
        made=made,
        dataset=version.dataset,
        seconds=sum(track.seconds for track in tracks),
        validation_seconds=sum(track.seconds for track in tracks if track.split is Split.VALIDATION),
        trained=trained,
        then=then,
        now=today_verdict,
        profile=config.licensing.profile,
        commercial=config.licensing.commercial,
        policy=today_verdict.policy,
        cost=sum(row.record.cost or 0.0 for row in sources),
        sources=sources,
        tracks=tracks,
        licences=_seconds_by_licence(tracks),
        obligations=obligation_rows(tracks, sources),
        attribution=attributions(tracks, sources),
        base=base_facts,
        captions=caption_facts(version, *caption_wordings(root, lineage)),
        caches=cache_facts(root, version, lineage.base if lineage else None),
        training=training_facts(found.checkpoint) if found.checkpoint else None,
        configuration=configuration_of(lineage, config) if lineage else {},
        base_metrics=base_metrics(root, found.checkpoint) if found.checkpoint else None,
        reference=[track.track_id for track in tracks if track.split is Split.VALIDATION],
        integrity=files.facts,
        findings=sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity)),
    )


def _subject(root: DataRoot, found: Subject, verified: VerifiedVersion) -> AuditSubject:
    landed = found.checkpoint
    if landed is None or landed.record is None:
        dataset = verified.version.dataset
        return AuditSubject(
            kind=SubjectKind.DATASET, id=dataset.dataset_id, hash=found.dataset_hash, path=verified.path
        )
    return AuditSubject(
        kind=SubjectKind.CHECKPOINT,
        id=landed.record.checkpoint.checkpoint_id,
        hash=content_sha256(landed.record.files),
        partition_key=landed.key,
        path=root.relative(landed.folder),
        record=landed.record,
        metrics=landed.scores.metrics if landed.scores else None,
        score_key=landed.scores.key if landed.scores else None,
    )


def _seconds_by_licence(tracks: Iterable[TrackRow]) -> dict[str, float]:
    seconds: defaultdict[str, float] = defaultdict(float)
    for track in tracks:
        seconds[track.licence] += track.seconds
    return dict(sorted(seconds.items()))
