"""What the policy makes of each source: as of the day of training, and as of today with withdrawals and validity.

The policy itself is in licensing/; what of a verdict is a finding is in audit/findings.py.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from lofi_pipeline.audit.inputs import AuditInputs
from lofi_pipeline.config import LicensingSettings
from lofi_pipeline.entities import (
    Acceptance,
    AuditVerdict,
    BaseModelRow,
    DatasetVersion,
    DropManifest,
    Obligation,
    Provenance,
    SourceRecord,
    SourceRow,
    Verdict,
)
from lofi_pipeline.ingest.documents import with_remarks_on_documents
from lofi_pipeline.ingest.judging_day import judging_day
from lofi_pipeline.ingest.tag_statements import statements_of_files
from lofi_pipeline.licensing.grants import expired
from lofi_pipeline.licensing.judge import stricter
from lofi_pipeline.licensing.judge_source import judge_source
from lofi_pipeline.licensing.withdrawals import Withdrawal, withdrawn_sources
from lofi_pipeline.storage import DataRoot


@dataclass(frozen=True)
class SourceJudge:
    """Judges sources for two days, by the policy, by what their drops say now, and by what was withdrawn."""

    settings: LicensingSettings
    inputs: AuditInputs
    """The records: what each source's drops say by the last scan, and who accepted terms since."""
    withdrawn: Mapping[str, Withdrawal]
    """By source id, what is withdrawn today."""
    trained: date
    today: date
    base: str | None = None
    """The base model, by name: a grant may be limited to others."""
    contents: frozenset[str] = frozenset()
    """The SHA-256 of the originals that are judged: what the tags of others say does not count."""

    @classmethod
    def of(
        cls,
        inputs: AuditInputs,
        settings: LicensingSettings,
        *,
        trained: date,
        today: date,
        base: str | None = None,
        contents: Iterable[str] = (),
    ) -> SourceJudge:
        """The judge of one data root's sources."""
        withdrawn = withdrawn_sources(inputs.withdrawals, today)
        return cls(settings, inputs, withdrawn, trained, today, base, frozenset(contents))

    def then(self, record: SourceRecord, provenance: Provenance | None) -> Verdict:
        """As of the day of training: the verdict that the version keeps, else today's policy for that day."""
        verdict = provenance.verdict if provenance else self._judge(record, None, self.trained)
        grant = provenance.grant if provenance else None
        if grant is not None and verdict.permitted and (reason := expired(grant, self.trained)):
            verdict = _refused(verdict, reason)
        withdrawal = self.withdrawn.get(record.source_id)
        if withdrawal is not None and withdrawal.day < self.trained:
            verdict = _refused(verdict, _withdrawn_reason(withdrawal))
        return verdict

    def now(self, record: SourceRecord, provenance: Provenance | None) -> Verdict:
        """As of today: the stricter of what the version keeps and what the drop says now; a withdrawal ends both."""
        verdict = self._now(record, provenance)
        is_open = bool(verdict.to_accept) or not verdict.permitted
        # Whoever accepts terms writes that into source.json, and audits again: no scan lies between
        if is_open and (accepted := self.inputs.accepted_since(record.source_id)):
            verdict = self._now(record, provenance, accepted)
        withdrawal = self.withdrawn.get(record.source_id)
        return verdict if withdrawal is None else _refused(verdict, _withdrawn_reason(withdrawal))

    def _now(
        self, record: SourceRecord, provenance: Provenance | None, accepted: Sequence[Acceptance] = ()
    ) -> Verdict:
        verdict = self._judge(record, provenance, self.today, accepted)
        manifest = self.inputs.manifests.get(record.source_id)
        if manifest is not None:
            other = self._judge(manifest, provenance, self.today, accepted)
            verdict = other if stricter(other, verdict) else verdict
        for drop in self.inputs.drops_of(record.source_id):
            verdict = with_remarks_on_documents(verdict, drop)
        return verdict

    def _judge(
        self,
        source: SourceRecord | DropManifest,
        provenance: Provenance | None,
        day: date,
        accepted: Sequence[Acceptance] = (),
    ) -> Verdict:
        # A source.json brings its own grant; what the version kept is the record's.
        grant = provenance.grant if provenance and isinstance(source, SourceRecord) else None
        drops = self.inputs.drops_of(source.source_id)
        answered = [
            *(provenance.verdict.accepted if provenance else ()),
            *(item for drop in drops if drop.manifest for item in drop.manifest.accepted),
            *accepted,
        ]
        return judge_source(
            source,
            self.settings,
            grant=grant,
            evidence=provenance.evidence if provenance else [],
            accepted=answered,
            said=[said for drop in drops for said in statements_of_files(drop, only=self.contents)],
            day=day,
            base=self.base,
        )


def source_rows(version: DatasetVersion, judge: SourceJudge) -> list[SourceRow]:
    """One row for each source of a version, with both verdicts."""
    provenance = {item.source_id: item for item in version.provenance}
    tracks: Counter[str] = Counter()
    seconds: defaultdict[str, float] = defaultdict(float)
    for item in version.tracks:
        for source_id in item.source_ids:
            tracks[source_id] += 1
            seconds[source_id] += item.track.duration
    rows = []
    for record in version.sources:
        source_id = record.source_id
        kept, withdrawal = provenance.get(source_id), judge.withdrawn.get(source_id)
        row = SourceRow(
            record=record,
            provenance=kept,
            tracks=tracks[source_id],
            seconds=seconds[source_id],
            verdict_then=judge.then(record, kept),
            then_recorded=kept is not None,
            verdict_now=judge.now(record, kept),
            withdrawn=withdrawal.day if withdrawal else None,
            withdrawn_reason=withdrawal.reason if withdrawal else None,
        )
        rows.append(row)
    return rows


def verdict_today(
    root: DataRoot, version: DatasetVersion, settings: LicensingSettings, today: date
) -> AuditVerdict:
    """All sources of a version together, as of today."""
    inputs = AuditInputs(root)
    day = judging_day(inputs.scan.value, today)
    judge = SourceJudge.of(inputs, settings, trained=day, today=day, contents=contents_of(version))
    return now_verdict(source_rows(version, judge), day)


def contents_of(version: DatasetVersion) -> set[str]:
    """The SHA-256 of every original in a version."""
    return {item.sha256 for item in version.tracks}


def _withdrawn_reason(withdrawal: Withdrawal) -> str:
    return f"Withdrawn on {withdrawal.day}: {withdrawal.reason}"


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
