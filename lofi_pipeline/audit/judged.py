"""What fed a subject, judged: its sources and tracks with their verdicts, and its base model.

One source is judged in audit/verdicts.py; what of all this is a finding is in audit/findings.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from lofi_pipeline.audit.base_model import BaseAtHand
from lofi_pipeline.audit.imported import verdict_on_unknown
from lofi_pipeline.audit.inputs import AuditInputs
from lofi_pipeline.audit.subject import Subject
from lofi_pipeline.audit.tables import track_rows
from lofi_pipeline.audit.training_facts import base_row, forbids_commercial_use
from lofi_pipeline.audit.verdicts import SourceJudge, contents_of, now_verdict, source_rows, then_verdict
from lofi_pipeline.config import PipelineConfig, base_name
from lofi_pipeline.entities import AuditVerdict, BaseModelRow, DatasetVersion, SourceRow, TrackRow


@dataclass(frozen=True)
class JudgedSubject:
    """A subject with what fed it, judged for the day of training and for today."""

    subject: Subject
    version: DatasetVersion
    trained: date
    today: date
    sources: list[SourceRow]
    tracks: list[TrackRow]
    base: BaseModelRow | None
    """None for a data set."""
    then: AuditVerdict
    now: AuditVerdict


def judge_subject(
    inputs: AuditInputs,
    subject: Subject,
    version: DatasetVersion,
    config: PipelineConfig,
    at_hand: BaseAtHand | None,
    today: date,
) -> JudgedSubject:
    """Judge every source of a version, and the base model that lies on this machine if it is the one trained on."""
    record = subject.checkpoint.record if subject.checkpoint else None
    trained = (record.checkpoint.timestamp if record else version.dataset.created).date()
    judge = SourceJudge.of(
        inputs,
        config.licensing,
        trained=trained,
        today=today,
        base=record.lineage.base.name if record else base_name(config),
        contents=contents_of(version),
    )
    sources = source_rows(version, judge)
    base = base_row(record.lineage, at_hand) if record else None
    reserved = base if forbids_commercial_use(base) else None
    return JudgedSubject(
        subject,
        version,
        trained,
        today,
        sources,
        track_rows(version, sources),
        base,
        *_verdicts(subject, sources, trained, today, reserved),
    )


def _verdicts(
    subject: Subject, sources: list[SourceRow], trained: date, today: date, reserved: BaseModelRow | None
) -> tuple[AuditVerdict, AuditVerdict]:
    """As of the day of training, and as of today."""
    if subject.imported:
        taken_in = verdict_on_unknown(trained, f"{trained}, the day it was taken in")
        return taken_in, verdict_on_unknown(today, f"today, {today}")
    if unknown := next((start for start in subject.before if start.lineage.imported), None):
        origin = f"the origin of {unknown.partition_key}, from which it was trained on,"
        then = verdict_on_unknown(trained, f"{trained}, the day of training", origin)
        return then, verdict_on_unknown(today, f"today, {today}", origin)
    return then_verdict(sources, trained, reserved), now_verdict(sources, today, reserved)
