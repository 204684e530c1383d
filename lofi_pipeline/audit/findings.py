"""What is not as it should be with licences, sources and base model; each with what to do.

Files and records that are not as they were written are found in audit/integrity/.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from lofi_pipeline.audit.inputs import AuditInputs
from lofi_pipeline.audit.judged import JudgedSubject
from lofi_pipeline.audit.subject import Subject
from lofi_pipeline.audit.training_facts import forbids_commercial_use
from lofi_pipeline.dataset.barred import WithdrawnCopy
from lofi_pipeline.entities import (
    BaseModelRow,
    DatasetVersion,
    Finding,
    FindingCode,
    Obligation,
    Severity,
    SourceRow,
    TrackRow,
    Verdict,
    few,
)
from lofi_pipeline.ingest.day_changes import day_changes_json
from lofi_pipeline.ingest.judging_day import doubt, judging_days
from lofi_pipeline.licensing.grants import how_to_accept
from lofi_pipeline.licensing.withdrawals import Withdrawal

ERROR, WARNING, INFO = Severity.ERROR, Severity.WARNING, Severity.INFO
VERSIONLESS = re.compile(r"LicenseRef-CC-(?:BY|NC|ND|SA|-)+(?![\w-])")
"""Ids of licences of Creative Commons where nobody said which version."""
REMARKS: tuple[tuple[FindingCode, Severity], ...] = (
    (FindingCode.CLAUSE_DENIES, WARNING),
    (FindingCode.EVIDENCE_DENIES, WARNING),
    (FindingCode.EVIDENCE_WITHOUT_LICENSOR, WARNING),
    (FindingCode.EVIDENCE_UNREADABLE, INFO),
    (FindingCode.EVIDENCE_SHARED, WARNING),
    (FindingCode.LICENCE_CONTRADICTED, WARNING),
    (FindingCode.CREDENTIALS_NOT_READ, WARNING),
)
"""How much each remark of a verdict weighs."""


@dataclass(frozen=True)
class OtherRecordings:
    """What other recordings say of the tracks of a version."""

    withdrawn: Mapping[str, Withdrawal]
    """By the SHA-256 of original bytes."""
    copies: Mapping[str, WithdrawnCopy]
    """By track that hangs together with a withdrawn recording."""
    stricter: Mapping[str, str]
    """By track whose recording came under stricter terms, the reason."""


def licence_findings(
    judged: JudgedSubject, others: OtherRecordings, made: datetime, *, commercial: bool
) -> Iterable[Finding]:
    """All of them, sources first.

    Args:
        others: what other recordings say of the version's tracks.
        made: when the audit is made.
        commercial: whether the project means to use results commercially.
    """
    version, sources, tracks = judged.version, judged.sources, judged.tracks
    for row in sources:
        yield from _source(row)
    yield from _unknown_sources(version, sources)
    yield from _of_other_recordings(tracks, sources, others)
    yield from _attribution(tracks)
    yield from _claimed_twice(tracks, sources)
    yield from _checkpoint(judged.subject)
    if judged.base is not None:
        yield from _base(judged.base, commercial=commercial)
    if version.dataset.created > made:
        sentence = (
            f"The data set version was made on {version.dataset.created:%Y-%m-%d %H:%M}, which lies ahead of this machine's "
            "clock: set the clock, and audit again."
        )
        yield _finding(ERROR, FindingCode.CLOCK, version.dataset.dataset_id, sentence)


def day_findings(inputs: AuditInputs, clock: date) -> Iterable[Finding]:
    """What is to be known of the day that licences are judged for: a doubt, and who has set it."""
    scan = inputs.scan.value
    days = judging_days(scan, lambda: inputs.ledger)
    if days.judged > clock:
        sentence = (
            f"Licences are judged for {days.judged}, the latest day that they were judged for, although this machine's clock says "
            f"{clock}: set the clock; or if it is right, take the other day back: see `lofi judging-day`."
        )
        yield _finding(WARNING, FindingCode.CLOCK, inputs.scan.where, sentence)
    elif reason := doubt(days, scan.drops if scan else []):
        yield _finding(WARNING, FindingCode.CLOCK, inputs.scan.where, reason)
    for change in inputs.day_changes:
        severity = WARNING if change.taken_back else INFO
        where = inputs.root.relative(day_changes_json(inputs.root))
        yield _finding(severity, FindingCode.DAY_SET, where, str(change))


def _finding(severity: Severity, code: FindingCode, where: str, sentence: str) -> Finding:
    return Finding(severity=severity, code=code, where=where, sentence=sentence)


def _source(row: SourceRow) -> Iterable[Finding]:
    yield from _verdicts(row)
    yield from _terms(row)
    source_id = row.record.source_id
    if not row.then_recorded:
        sentence = f"The version keeps no verdict for {source_id}: what stands for the day of training was judged by today's policy."
        yield _finding(INFO, FindingCode.VERDICT_NOT_RECORDED, source_id, sentence)
    if row.record.cost is None:
        yield _finding(INFO, FindingCode.COST_UNKNOWN, source_id, f"What {source_id} cost is not on record.")
    if not (row.record.verified_by or "").strip():
        sentence = f"Nobody is named who verified the licence of {source_id}: say it in verified_by of its source.json."
        yield _finding(WARNING, FindingCode.NOT_VERIFIED, source_id, sentence)
    if VERSIONLESS.match(row.verdict_now.licence):
        sentence = f'"{row.record.license_type}" of {source_id} does not say which version; attribution should name it.'
        yield _finding(WARNING, FindingCode.LICENCE_VERSION_UNKNOWN, source_id, sentence)


def _verdicts(row: SourceRow) -> Iterable[Finding]:
    """What does not permit the training, then or now; and what a newer policy says otherwise."""
    source_id, then, today = row.record.source_id, row.verdict_then, row.verdict_now
    retrain = f"Run `lofi audit source {source_id} --withdraw --reason ...`, and train anew without it."
    if not then.permitted:
        sentence = f"{source_id} did not permit AI training on the day of training: {then.reason} {retrain}"
        yield _finding(ERROR, FindingCode.NOT_PERMITTED_THEN, source_id, sentence)
    if row.withdrawn:
        sentence = (
            f"{source_id} was withdrawn on {row.withdrawn} ({row.withdrawn_reason}): {row.tracks} tracks of it are in here. "
            "Retrain on a data set version without it, and stop publishing what was trained with it."
        )
        yield _finding(ERROR, FindingCode.SOURCE_WITHDRAWN, source_id, sentence)
    elif not today.permitted and then.permitted:
        sentence = f"{source_id} does not permit AI training as of today: {today.reason} {retrain}"
        yield _finding(ERROR, FindingCode.NOT_PERMITTED_NOW, source_id, sentence)
    elif today.permitted and then.commercial_use and not today.commercial_use:
        sentence = f"{source_id} does not permit commercial use as of today: {today.reason}"
        yield _finding(ERROR, FindingCode.NOT_COMMERCIAL_NOW, source_id, sentence)
    elif row.then_recorded and then.policy != today.policy and then.policy and today.policy:
        changes = _changes(then, today) or "the verdict is the same"
        yield _finding(INFO, FindingCode.POLICY_CHANGED, source_id, f"The policy changed since: {changes}.")


def _terms(row: SourceRow) -> Iterable[Finding]:
    """What the grant limits, who accepted that, and what else was found in and beside its documents."""
    source_id, then, today = row.record.source_id, row.verdict_then, row.verdict_now
    if today.permitted and today.to_accept:
        told = " ".join(term.sentence for term in today.to_accept)
        sentence = f"{source_id}: {told} Nobody has accepted that. {how_to_accept(today.to_accept)}"
        yield _finding(ERROR, FindingCode.GRANT_NOT_ACCEPTED, source_id, sentence)
    for accepted in today.accepted:
        sentence = (
            f"{accepted.accepted_by} accepted terms of {source_id} on {accepted.date}: {accepted.reason.rstrip('.')}. Terms: "
            f"{', '.join(accepted.terms)}."
        )
        yield _finding(INFO, FindingCode.TERMS_ACCEPTED, source_id, sentence)
    for remark in dict.fromkeys([*then.remarks, *today.remarks]):
        yield _finding(dict(REMARKS)[remark.code], remark.code, source_id, remark.sentence)


def _changes(then: Verdict, today: Verdict) -> str:
    """What two verdicts say otherwise, in words."""
    facts = (
        ("licence", then.licence, today.licence),
        ("obligations", ", ".join(then.obligations) or "none", ", ".join(today.obligations) or "none"),
        ("commercial use", then.commercial_use, today.commercial_use),
    )
    return "; ".join(
        f"{name}: {before} then, {after} now" for name, before, after in facts if before != after
    )


def _unknown_sources(version: DatasetVersion, sources: Sequence[SourceRow]) -> Iterable[Finding]:
    known = {row.record.source_id for row in sources}
    missing = Counter(
        source_id for item in version.tracks for source_id in item.source_ids if source_id not in known
    )
    for source_id, count in missing.items():
        sentence = f"{count} tracks name the source {source_id}, of which the version keeps no record."
        yield _finding(ERROR, FindingCode.SOURCE_UNKNOWN, source_id, sentence)


def _of_other_recordings(
    tracks: Iterable[TrackRow], sources: Sequence[SourceRow], others: OtherRecordings
) -> Iterable[Finding]:
    """What was withdrawn, or came under stricter terms, under other names: the same bytes, or the same recording."""
    gone = {row.record.source_id for row in sources if row.withdrawn}
    for track in tracks:
        known, copy = others.withdrawn.get(track.original_sha256), others.copies.get(track.track_id)
        if known is None and copy is not None and gone.isdisjoint(track.source_ids):
            named = f"{track.track_id} ({track.title or track.filename})"
            sentence = f"{named} is in here: {copy.sentence.rstrip('.')}. Retrain without it."
            yield _finding(ERROR, FindingCode.WITHDRAWN_COPY, track.track_id, sentence)
        elif known is None and (reason := others.stricter.get(track.track_id)):
            sentence = f"{track.track_id} ({track.title or track.filename}) is in here: {reason}; else retrain without it."
            yield _finding(ERROR, FindingCode.STRICTER_TERMS, track.track_id, sentence)
        if known is not None and known.source_id not in track.source_ids:
            sentence = (
                f"{track.track_id} holds the bytes of a track of {known.source_id}, withdrawn on {known.day}, under the name of "
                f"{', '.join(track.source_ids)}: retrain without it."
            )
            yield _finding(ERROR, FindingCode.WITHDRAWN_CONTENT, track.track_id, sentence)


def _attribution(tracks: Iterable[TrackRow]) -> Iterable[Finding]:
    bare = Counter(
        track.source_ids[0]
        for track in tracks
        if Obligation.ATTRIBUTION in track.obligations and not (track.title and track.artist)
    )
    for source_id, count in bare.items():
        sentence = (
            f"{count} tracks of {source_id} ask for attribution, but have no title or no artist: file name and provider stand "
            "in. Give them in its source.json."
        )
        yield _finding(WARNING, FindingCode.ATTRIBUTION_INCOMPLETE, source_id, sentence)


def _claimed_twice(tracks: Iterable[TrackRow], sources: Sequence[SourceRow]) -> Iterable[Finding]:
    licences = {row.record.source_id: row.verdict_then.licence for row in sources}
    for track in tracks:
        claims = {source_id: licences.get(source_id, "unknown") for source_id in track.source_ids}
        if len(set(claims.values())) > 1:
            both = ", ".join(f"{source_id} ({licence})" for source_id, licence in claims.items())
            sentence = f"{track.track_id} is claimed by {both}: the strictest, {track.licence}, was taken."
            yield _finding(WARNING, FindingCode.CLAIMED_TWICE, track.track_id, sentence)


def _checkpoint(subject: Subject) -> Iterable[Finding]:
    record = subject.checkpoint.record if subject.checkpoint else None
    if record is None:
        return
    name = record.partition_key
    if not record.checkpoint.is_valid:
        yield _finding(
            ERROR, FindingCode.CHECKPOINT_INVALID, name, f"{name} is not valid: {record.invalid_reason}."
        )
    if record.pruned:
        yield _finding(
            INFO,
            FindingCode.CHECKPOINT_PRUNED,
            name,
            f"Retention removed the weights of {name}; its record stays.",
        )
    scores = subject.checkpoint.scores if subject.checkpoint else None
    if scores is not None and scores.memorised:
        rows = [f"{row.track} for {row.share:.0%} of {row.sample}" for row in scores.memorised]
        sentence = f"Samples of {name} repeat training tracks: {few(rows, most=5)}. Listen to them before it is published."
        yield _finding(WARNING, FindingCode.MEMORISED, name, sentence)


def _base(base: BaseModelRow, *, commercial: bool) -> Iterable[Finding]:
    if base.licence is None:
        yield _finding(WARNING, FindingCode.BASE_LICENCE_UNKNOWN, base.facts.name, base.sentence)
    if commercial and forbids_commercial_use(base):
        sentence = (
            f"The base model {base.facts.name} is under {base.licence}, which does not permit commercial use; the configuration says "
            "commercial: true. Ask its owner for a licence, or train on another base."
        )
        yield _finding(ERROR, FindingCode.BASE_NOT_COMMERCIAL, base.facts.name, sentence)
