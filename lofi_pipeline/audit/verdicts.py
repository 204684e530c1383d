"""What the policy makes of each source: as of the day of training, and as of today with withdrawals and validity."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import date

from lofi_pipeline.config import LicensingSettings
from lofi_pipeline.entities import (
    AuditVerdict,
    BaseModelRow,
    DatasetVersion,
    DropManifest,
    DropStatus,
    Obligation,
    Provenance,
    RecordError,
    Scan,
    SourceRecord,
    SourceRow,
    Verdict,
)
from lofi_pipeline.licensing.grants import expired
from lofi_pipeline.licensing.judge import judge_source, stricter
from lofi_pipeline.licensing.withdrawals import Withdrawal, load_withdrawals, withdrawn_sources
from lofi_pipeline.storage import DataRoot, UnreadableRecord, read_json


def source_rows(
    root: DataRoot,
    version: DatasetVersion,
    settings: LicensingSettings,
    *,
    trained: date,
    today: date,
    base: str | None = None,
) -> list[SourceRow]:
    """One row for each source of a version, with both verdicts. `base`: the base model, by name: a grant may be limited."""
    provenance = {item.source_id: item for item in version.provenance}
    withdrawn = withdrawn_sources(load_withdrawals(root), today)
    dropped = manifests_now(root)
    tracks: Counter[str] = Counter()
    seconds: defaultdict[str, float] = defaultdict(float)
    for item in version.tracks:
        for source_id in item.source_ids:
            tracks[source_id] += 1
            seconds[source_id] += item.track.duration
    return [
        _row(
            record,
            provenance.get(record.source_id),
            dropped.get(record.source_id),
            withdrawn.get(record.source_id),
            settings,
            trained,
            today,
            base,
        ).model_copy(update={"tracks": tracks[record.source_id], "seconds": seconds[record.source_id]})
        for record in version.sources
    ]


def day_of_judging(root: DataRoot, today: date) -> date:
    """`today`, or the latest day that was ever judged for: a clock that was set back brings no ended grant back."""
    try:
        judged_for = Scan.parse(read_json(root.drops_json), where=str(root.drops_json)).day
    except (OSError, UnreadableRecord, RecordError):
        return today
    return max(today, judged_for or today)


def verdict_today(
    root: DataRoot, version: DatasetVersion, settings: LicensingSettings, today: date
) -> AuditVerdict:
    """All sources of a version together, as of today."""
    day = day_of_judging(root, today)
    return now_verdict(source_rows(root, version, settings, trained=day, today=day), day)


def manifests_now(root: DataRoot) -> dict[str, DropManifest]:
    """What each source's drop says by the last scan; nothing where the scan can't be read."""
    try:
        scan = Scan.parse(read_json(root.drops_json), where=str(root.drops_json))
    except (OSError, UnreadableRecord, RecordError):
        return {}
    return {
        drop.manifest.source_id: drop.manifest
        for drop in reversed(scan.drops)
        if drop.manifest is not None and drop.status in (DropStatus.ACCEPTED, DropStatus.FORBIDDEN)
    }


def _row(
    record: SourceRecord,
    provenance: Provenance | None,
    dropped: DropManifest | None,
    withdrawal: Withdrawal | None,
    settings: LicensingSettings,
    trained: date,
    today: date,
    base: str | None,
) -> SourceRow:
    grant = provenance.grant if provenance else None
    evidence = provenance.evidence if provenance else []

    def judged(source: SourceRecord | DropManifest, day: date) -> Verdict:
        # A source.json brings its own grant; what the version kept is the record's.
        own = grant if isinstance(source, SourceRecord) else None
        return judge_source(source, settings, grant=own, evidence=evidence, day=day, base=base)

    then = provenance.verdict if provenance else judged(record, trained)
    if grant is not None and then.permitted and (reason := expired(grant, trained)):
        then = _refused(then, reason)
    now = judged(record, today)
    if dropped is not None and (other := judged(dropped, today)) and stricter(other, now):
        now = other
    if withdrawal is not None:
        now = _refused(now, f"Withdrawn on {withdrawal.day}: {withdrawal.reason}")
        if withdrawal.day < trained:
            then = _refused(then, now.reason)
    return SourceRow(
        record=record,
        provenance=provenance,
        tracks=0,
        seconds=0.0,
        verdict_then=then,
        then_recorded=provenance is not None,
        verdict_now=now,
        withdrawn=withdrawal.day if withdrawal else None,
        withdrawn_reason=withdrawal.reason if withdrawal else None,
    )


def judged_now(
    root: DataRoot,
    record: SourceRecord,
    versions: Sequence[DatasetVersion],
    settings: LicensingSettings,
    today: date,
) -> Verdict:
    """The verdict of one source as of today, with what the newest version that knows it keeps of grant and evidence."""
    kept = [item for version in versions for item in version.provenance if item.source_id == record.source_id]
    dropped = manifests_now(root).get(record.source_id)
    withdrawal = withdrawn_sources(load_withdrawals(root), today).get(record.source_id)
    newest = kept[-1] if kept else None
    return _row(record, newest, dropped, withdrawal, settings, today, today, None).verdict_now


def _refused(verdict: Verdict, reason: str) -> Verdict:
    return verdict.model_copy(update={"permitted": False, "commercial_use": False, "reason": reason})


def then_verdict(
    rows: Sequence[SourceRow], trained: date, reserved: BaseModelRow | None = None
) -> AuditVerdict:
    """All sources together, as of the day of training. `reserved`: a base model that forbids commercial use."""
    verdicts = {row.record.source_id: row.verdict_then for row in rows}
    recorded = all(row.then_recorded for row in rows)
    how = "" if recorded else " (not recorded on that day: judged by today's policy)"
    return _together(verdicts, trained, recorded, f"{trained}, the day of training{how}", reserved)


def now_verdict(rows: Sequence[SourceRow], today: date, reserved: BaseModelRow | None = None) -> AuditVerdict:
    """All sources together, as of today. `reserved`: a base model that forbids commercial use."""
    verdicts = {row.record.source_id: row.verdict_now for row in rows}
    return _together(verdicts, today, False, f"today, {today}", reserved)


def _together(
    verdicts: Mapping[str, Verdict], day: date, recorded: bool, when: str, base: BaseModelRow | None
) -> AuditVerdict:
    refused = [source_id for source_id, verdict in verdicts.items() if not verdict.permitted]
    reserved = [source_id for source_id, verdict in verdicts.items() if not verdict.commercial_use]
    obligations = tuple(dict.fromkeys(each for verdict in verdicts.values() for each in verdict.obligations))
    policies = {verdict.policy for verdict in verdicts.values()}
    return AuditVerdict(
        day=day,
        permitted=not refused,
        commercial_use=not (refused or reserved or base),
        obligations=obligations,
        policy=policies.pop() if len(policies) == 1 else None,
        recorded=recorded,
        sentence=_sentence(len(verdicts), refused, reserved, obligations, when) + _of_base(base),
    )


def _of_base(base: BaseModelRow | None) -> str:
    return (
        f" The base model {base.facts.name} ({base.licence}) does not permit commercial use." if base else ""
    )


def _sentence(
    count: int, refused: list[str], reserved: list[str], obligations: tuple[Obligation, ...], when: str
) -> str:
    if refused:
        return f"As of {when}, {_some(refused, count)} not permit AI training."
    met = f" Obligations: {', '.join(obligations)}." if obligations else " No obligations come with it."
    if reserved:
        return f"As of {when}, every source permits AI training, but {_some(reserved, count)} not permit commercial use.{met}"
    return f"As of {when}, every source permits AI training and commercial use.{met}"


def _some(names: list[str], count: int) -> str:
    if len(names) == count:
        return "no source does" if count > 1 else f"the source {names[0]} does"
    shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return f"{len(names)} of {count} sources ({shown}) {'does' if len(names) == 1 else 'do'}"
