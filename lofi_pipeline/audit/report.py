"""From a data root's records to the report of an audit. Nothing is written: see audit/write.py."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime

from lofi_pipeline.audit.base_model import BaseAtHand
from lofi_pipeline.audit.findings import licence_findings
from lofi_pipeline.audit.inputs import AuditInputs
from lofi_pipeline.audit.integrity.dataset_version import VerifiedVersion, verify_version
from lofi_pipeline.audit.integrity.verify import verify_files
from lofi_pipeline.audit.subject import Subject
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
    SourceJudge,
    now_verdict,
    source_rows,
    then_verdict,
)
from lofi_pipeline.config import PipelineConfig
from lofi_pipeline.entities import (
    AuditReport,
    AuditSubject,
    AuditVerdict,
    BaseModelRow,
    DatasetVersion,
    Finding,
    IntegrityFacts,
    Severity,
    SourceRow,
    Split,
    SubjectKind,
    TrackRow,
    now,
)
from lofi_pipeline.ingest.scan import judging_day
from lofi_pipeline.licensing.withdrawals import withdrawn_contents
from lofi_pipeline.storage import DataRoot, content_sha256

Progress = Callable[[int, int, str], None]
SEVERITIES = list(Severity)


def build_report(
    inputs: AuditInputs,
    subject: Subject,
    *,
    config: PipelineConfig,
    day_today: date | None = None,
    base: BaseAtHand | None = None,
    quick: bool = False,
    progress: Progress = lambda done, total, what: None,
) -> AuditReport:
    """Audit a checkpoint or a data set version, as `find_subject` found it.

    Args:
        day_today: the day that "as of today" means.
        base: the checkpoint's base model, where it lies on this machine.
        quick: leave the bytes of music and weights unread; records, evidence and hashes of records are proved anyway.
        progress: called with (files done, files in all, file).

    Raises:
        BrokenRecord: a record that everything rests on is missing or can't be read.
    """
    made = now()
    today = day_today or judging_day(inputs.scan.value, made.date())
    verified = verify_version(inputs.root, subject.dataset_hash, inputs.ledger)
    version = verified.version
    judged = _judge(inputs, subject, version, config, base, today)
    files = verify_files(inputs, subject, version, quick=quick, progress=progress)
    findings = [
        *verified.findings,
        *files.findings,
        *licence_findings(
            subject,
            version,
            judged.sources,
            judged.tracks,
            judged.base,
            withdrawn_contents(inputs.withdrawals, today),
            made,
            commercial=config.licensing.commercial,
        ),
    ]
    findings.sort(key=lambda finding: SEVERITIES.index(finding.severity))
    audited = _audited(inputs.root, subject, verified)
    return _report(inputs, subject, audited, version, config, judged, files.facts, findings, made)


@dataclass(frozen=True)
class _Judged:
    """What fed the subject, judged for the day of training and for today."""

    trained: date
    sources: list[SourceRow]
    tracks: list[TrackRow]
    base: BaseModelRow | None
    then: AuditVerdict
    now: AuditVerdict


def _judge(
    inputs: AuditInputs,
    subject: Subject,
    version: DatasetVersion,
    config: PipelineConfig,
    at_hand: BaseAtHand | None,
    today: date,
) -> _Judged:
    record = subject.checkpoint.record if subject.checkpoint else None
    trained = (record.checkpoint.timestamp if record else version.dataset.created).date()
    name = record.lineage.base.name if record else None
    judge = SourceJudge.of(inputs, config.licensing, trained=trained, today=today, base=name)
    sources = source_rows(version, judge)
    base = base_row(record.lineage, at_hand) if record else None
    reserved = base if forbids_commercial_use(base) else None
    return _Judged(
        trained,
        sources,
        track_rows(version, sources),
        base,
        then_verdict(sources, trained, reserved),
        now_verdict(sources, today, reserved),
    )


def _report(
    inputs: AuditInputs,
    subject: Subject,
    audited: AuditSubject,
    version: DatasetVersion,
    config: PipelineConfig,
    judged: _Judged,
    integrity: IntegrityFacts,
    findings: list[Finding],
    made: datetime,
) -> AuditReport:
    root, checkpoint, lineage = inputs.root, subject.checkpoint, audited.lineage
    sources, tracks = judged.sources, judged.tracks
    held_out = [track for track in tracks if track.split is Split.VALIDATION]
    return AuditReport(
        subject=audited,
        made=made,
        dataset=version.dataset,
        seconds=sum(track.seconds for track in tracks),
        validation_seconds=sum(track.seconds for track in held_out),
        trained=judged.trained,
        then=judged.then,
        now=judged.now,
        profile=config.licensing.profile,
        commercial=config.licensing.commercial,
        policy=judged.now.policy,
        cost=sum(row.record.cost or 0.0 for row in sources),
        sources=sources,
        tracks=tracks,
        licences=_seconds_by_licence(tracks),
        obligations=obligation_rows(tracks, sources),
        attribution=attributions(tracks, sources),
        base=judged.base,
        captions=caption_facts(version, *caption_wordings(root, lineage)),
        caches=cache_facts(root, version, lineage.base if lineage else None),
        training=training_facts(checkpoint) if checkpoint else None,
        configuration=configuration_of(lineage, config) if lineage else {},
        base_metrics=base_metrics(root, checkpoint) if checkpoint else None,
        reference=[track.track_id for track in held_out],
        integrity=integrity,
        findings=findings,
    )


def _audited(root: DataRoot, subject: Subject, verified: VerifiedVersion) -> AuditSubject:
    checkpoint = subject.checkpoint
    if checkpoint is None or checkpoint.record is None:
        dataset = verified.version.dataset
        return AuditSubject(
            kind=SubjectKind.DATASET, id=dataset.dataset_id, hash=subject.dataset_hash, path=verified.path
        )
    record, scores = checkpoint.record, checkpoint.scores
    return AuditSubject(
        kind=SubjectKind.CHECKPOINT,
        id=record.checkpoint.checkpoint_id,
        hash=content_sha256(record.files),
        partition_key=checkpoint.key,
        path=root.relative(checkpoint.folder),
        record=record,
        metrics=scores.metrics if scores else None,
        score_key=scores.key if scores else None,
    )


def _seconds_by_licence(tracks: Iterable[TrackRow]) -> dict[str, float]:
    seconds: defaultdict[str, float] = defaultdict(float)
    for track in tracks:
        seconds[track.licence] += track.seconds
    return dict(sorted(seconds.items()))
