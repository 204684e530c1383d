"""From a data root's records to the report of an audit. Nothing is written: see audit/write.py."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import date, datetime

from lofi_pipeline.audit.base_model import BaseAtHand
from lofi_pipeline.audit.copies import tracks_under_stricter_terms, withdrawn_copies
from lofi_pipeline.audit.findings import OtherRecordings, day_findings, licence_findings
from lofi_pipeline.audit.imported import NO_CAPTIONS, origin_findings, version_behind
from lofi_pipeline.audit.inputs import AuditInputs
from lofi_pipeline.audit.integrity.dataset_version import VerifiedVersion
from lofi_pipeline.audit.integrity.verify import verify_files
from lofi_pipeline.audit.judged import JudgedSubject, judge_subject
from lofi_pipeline.audit.subject import Subject
from lofi_pipeline.audit.tables import attributions, caption_facts, languages_of, obligation_rows
from lofi_pipeline.audit.training_facts import (
    base_scores,
    cache_facts,
    caption_wordings,
    configuration_of,
    training_facts,
)
from lofi_pipeline.config import PipelineConfig
from lofi_pipeline.entities import (
    AuditReport,
    AuditSubject,
    Finding,
    IntegrityFacts,
    Publication,
    Severity,
    Split,
    SubjectKind,
    TrackRow,
    now,
)
from lofi_pipeline.ingest.judging_day import clock_day, judging_day
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
    verified = version_behind(inputs, subject)
    judged = judge_subject(inputs, subject, verified.version, config, base, today)
    files = verify_files(inputs, subject, verified.version, quick=quick, progress=progress)
    others = OtherRecordings(
        withdrawn_contents(inputs.withdrawals, today),
        withdrawn_copies(inputs, verified.version, withdrawn_contents(inputs.withdrawals, today)),
        tracks_under_stricter_terms(inputs, verified.version, config, today),
    )
    inputs.forget_registered()
    findings = [
        *origin_findings(subject),
        *verified.findings,
        *files.findings,
        *day_findings(inputs, clock_day()),
        *licence_findings(judged, others, made, commercial=config.licensing.commercial),
    ]
    findings.sort(key=lambda finding: SEVERITIES.index(finding.severity))
    audited = _audited(inputs.root, subject, verified)
    return _report(inputs.root, audited, judged, config, files.facts, findings, made)


def _report(
    root: DataRoot,
    audited: AuditSubject,
    judged: JudgedSubject,
    config: PipelineConfig,
    integrity: IntegrityFacts,
    findings: list[Finding],
    made: datetime,
) -> AuditReport:
    version, sources, tracks = judged.version, judged.sources, judged.tracks
    checkpoint, lineage, imported = judged.subject.checkpoint, audited.lineage, judged.subject.imported
    held_out = [track for track in tracks if track.split is Split.VALIDATION]
    of_base = base_scores(root, checkpoint) if checkpoint else None
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
        captions=NO_CAPTIONS if imported else caption_facts(version, *caption_wordings(root, lineage)),
        caches=cache_facts(root, version, lineage.base if lineage else None),
        training=training_facts(checkpoint) if checkpoint and not imported else None,
        configuration=configuration_of(lineage, config) if lineage else {},
        base_metrics=of_base.metrics if of_base else None,
        base_precision=of_base.precision if of_base else None,
        reference=[track.track_id for track in held_out],
        integrity=integrity,
        findings=findings,
        languages=languages_of(version),
        # What is said there is said of what was trained here
        publication=Publication() if imported else config.publication,
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
        precision=scores.precision if scores else None,
        samples=len(scores.samples) if scores else None,
        memorised=scores.memorised if scores else None,
    )


def _seconds_by_licence(tracks: Iterable[TrackRow]) -> dict[str, float]:
    seconds: defaultdict[str, float] = defaultdict(float)
    for track in tracks:
        seconds[track.licence] += track.seconds
    return dict(sorted(seconds.items()))
