"""May the music of a source be trained on? Its licence, its grant with the evidence, and what else is said of its rights.

A licence alone is judged in licensing/judge.py, what a grant limits is in grants.py. Withdrawn sources are not known here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from lofi_pipeline.config import LicensingSettings
from lofi_pipeline.entities import (
    Acceptance,
    DropManifest,
    EvidenceFile,
    FindingCode,
    Grant,
    Permission,
    Remark,
    SourceRecord,
    Statement,
    Use,
    Verdict,
)
from lofi_pipeline.licensing import grants
from lofi_pipeline.licensing.contradictions import (
    CREDENTIALS_NOT_READ,
    named_licences,
    same_licence,
    statements_of,
)
from lofi_pipeline.licensing.denials import denials, quoted
from lofi_pipeline.licensing.judge import EVIDENCE, UNKNOWN, all_of, banned, judge, parts, stricter
from lofi_pipeline.licensing.policy import Policy, load_policy

SOURCE_RULES = 1
"""Raise it when what this package makes of a source beside its licence changes: every source is then judged anew."""
UNPROVED = f"A grant counts only with evidence: {EVIDENCE}."
OUTRIGHT = (
    'A contract grants training where the grant says so outright: write "train": "allowed" into grant.uses of source.json, if the '
    "document says it."
)
NOT_READ = "it holds content credentials (C2PA) that could not be read, or that do not fit the file: what they say of training is not known; look with `c2patool`."


def judge_source(
    source: SourceRecord | DropManifest,
    settings: LicensingSettings,
    *,
    grant: Grant | None = None,
    evidence: Sequence[EvidenceFile] = (),
    accepted: Sequence[Acceptance] = (),
    said: Sequence[Statement] = (),
    day: date | None = None,
    base: str | None = None,
    policy: Policy | None = None,
) -> Verdict:
    """Judge a source.json or a source's record under the configured profile, for a day (default: today).

    Args:
        grant: what was granted beside the licence; a source.json brings its own.
        evidence: the documents of the grant that are there; nothing else is evidence.
        accepted: who accepted which terms; a source.json brings its own.
        said: what tags of files say of the rights; notes and url of a source.json count anyway.
        base: the base model to be trained on, by name: a grant may be limited to others.
    """
    policy, day = policy or load_policy(), day or date.today()
    if isinstance(source, DropManifest):
        grant = source.grant if grant is None else grant
        accepted = [*accepted, *source.accepted]
    acceptances = grants.Acceptances(source.source_id, accepted)
    case = _Case(source, settings, grant, bool(evidence), acceptances, policy)
    verdict = case.held_to([*statements_of(source), *said], case.granted(day, base))
    return verdict.model_copy(update={"policy": policy.hash_with(settings), "day": day})


@dataclass(frozen=True)
class _Case:
    """A source, with what it is judged by."""

    source: SourceRecord | DropManifest
    settings: LicensingSettings
    grant: Grant | None
    proved: bool
    """Whether a document proves the grant."""
    acceptances: grants.Acceptances
    policy: Policy

    def by_licence(self, grant: Grant | None, *, proved: bool, license_type: str | None = None) -> Verdict:
        """What a licence comes to with what a grant adds; one that is not proved, or does not say it outright, adds nothing."""
        outright = proved and grants.gives(grant, Use.TRAIN)
        return judge(
            license_type or self.source.license_type,
            self.source.source_type,
            profile=self.settings.profile,
            commercial=self.settings.commercial,
            grant=outright,
            commercial_grant=proved and grants.gives(grant, Use.COMMERCIAL),
            evidenced=proved,
            policy=self.policy,
        )

    def granted(self, day: date, base: str | None) -> Verdict:
        """By the licence and the grant."""
        if self.grant is None:
            return self.by_licence(None, proved=False)
        grant = self.grant
        verdict = self.by_licence(grants.met(grant, self.acceptances), proved=self.proved)
        # What the licence would come to with a grant that is whole
        spoken = grant.model_copy(update={"uses": dict.fromkeys(Use, Permission.ALLOWED)})
        winnable = self.by_licence(spoken, proved=True).permitted
        if winnable and not verdict.permitted and (lacking := self._lacking(grant)):
            verdict = verdict.model_copy(update={"reason": lacking})
        verdict = self._within_limits(grant, verdict)
        refusal = grants.expired(grant, day) or grants.forbids(
            grant, commercial=self.settings.commercial, base=base
        )
        if refusal and (verdict.permitted or (winnable and self.proved)):
            verdict = verdict.model_copy(update={"permitted": False, "reason": refusal})
        return verdict

    def _lacking(self, grant: Grant) -> str | None:
        """What a grant lacks that would let the music in: its document, or the word."""
        if not self.proved and self.by_licence(grants.met(grant), proved=True).permitted:
            return UNPROVED
        said = any(use in grant.uses for use in grants.TRAINING)
        return OUTRIGHT if self.proved and not said else None

    def _within_limits(self, grant: Grant, verdict: Verdict) -> Verdict:
        """A verdict with the limits of a grant: those at its core refuse the music until somebody accepts them."""
        bare = self.by_licence(None, proved=False)
        limits = list(
            grants.limits_of(
                grant,
                self.acceptances,
                commercial=self.settings.commercial,
                needed=not bare.permitted,
                needed_to_sell=not bare.commercial_use,
            )
        )
        verdict = grants.limited(verdict, grant, limits, self.acceptances)
        if not self.by_licence(grants.met(grant), proved=self.proved).permitted:
            return verdict.model_copy(update={"to_accept": ()})  # no acceptance would let the music in
        if core := [term.sentence for term in verdict.to_accept if term.refuses]:
            reason = f"{' '.join(core)} Nobody has accepted that. {grants.how_to_accept(verdict.to_accept)}"
            return verdict.model_copy(update={"permitted": False, "reason": reason})
        return verdict

    def held_to(self, said: Sequence[Statement], verdict: Verdict) -> Verdict:
        """A verdict held to what is said of the rights elsewhere, where that is stricter and nobody has answered for it."""
        held, accepted, remarks = [verdict], list(verdict.accepted), list(verdict.remarks)
        declared = self._declared(verdict)
        for statement in said:
            where = f"{statement.file}: {statement.place}" if statement.file else statement.place
            if statement.place == CREDENTIALS_NOT_READ:
                remarks.append(Remark(code=FindingCode.CREDENTIALS_NOT_READ, sentence=f"{where}: {NOT_READ}"))
                continue
            term = self.acceptances.term("said", statement.place, statement.text, sentence="")
            by = self.acceptances.by(term)
            for other in self._readings(statement.text, where, declared):
                told = f'{where} says "{quoted(statement.text)}": {other.licence}, where license_type is {verdict.licence}.'
                if stricter(other, verdict) and by is None:
                    told = f"{told} The stricter holds. {grants.how_to_accept([term])}"
                    reason = verdict.reason if other.permitted else f"{told} {other.reason}"
                    held.append(other.model_copy(update={"reason": reason}))
                remarks.append(Remark(code=FindingCode.LICENCE_CONTRADICTED, sentence=told))
                accepted += [by] if by else []
        if len(held) > 1:
            kept = {"to_accept": verdict.to_accept, "terms": verdict.terms}
            verdict = all_of(held).model_copy(update=kept)
        told_once = {"accepted": tuple(dict.fromkeys(accepted)), "remarks": tuple(dict.fromkeys(remarks))}
        return verdict.model_copy(update=told_once)

    def _declared(self, verdict: Verdict) -> list[str]:
        """The canonical ids that `license_type` names: that of the verdict, and the others of a choice."""
        named = named_licences(self.source.license_type, self.policy)
        found = [verdict.licence, *(self._bare(name).licence for name in named)]
        return [part for licence in found for part in parts(licence)]

    def _bare(self, license_type: str) -> Verdict:
        return self.by_licence(self.grant, proved=self.proved, license_type=license_type)

    def _readings(self, text: str, where: str, declared: Sequence[str]) -> Iterator[Verdict]:
        """What a statement comes to: the verdict on each other licence that it names, and a ban if it denies training."""
        for name in named_licences(text, self.policy):
            other = self._bare(name)
            if other.licence != UNKNOWN and not same_licence(parts(other.licence)[0], declared):
                yield other
        if denied := denials(text, most=1):
            yield banned(f'{where} denies training: "{denied[0]}".')
