"""Which sources and tracks may be used on the day a data set is built, and why others may not.

The verdict itself is in licensing/. Which files are left out for any reason is listed in exclusions.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from lofi_pipeline.config import PipelineConfig, base_name
from lofi_pipeline.entities import (
    DropManifest,
    DropStatus,
    EvidenceFile,
    Provenance,
    RegisteredTrack,
    Scan,
    Verdict,
)
from lofi_pipeline.ingest import Judge, load_scan, withdrawn_reason
from lofi_pipeline.ingest.documents import with_remarks_on_documents
from lofi_pipeline.ingest.judging_day import clock_day, judging_day, with_remedy
from lofi_pipeline.ingest.tag_statements import statements_of_files
from lofi_pipeline.licensing import (
    Withdrawal,
    judge_source,
    load_withdrawals,
    withdrawn_contents,
    withdrawn_sources,
)
from lofi_pipeline.licensing.grants import expired
from lofi_pipeline.storage import DataRoot, no_search_for_cycles


def _nobody_judges(manifest: DropManifest, evidence: Sequence[EvidenceFile]) -> Verdict:
    raise NotImplementedError("an eligibility that was made without a policy")


@dataclass(frozen=True)
class Eligibility:
    """By source id, the provenance (verdict, grant, evidence) and manifest as of a day; and what was withdrawn by then."""

    day: date
    provenance: Mapping[str, Provenance]
    manifests: Mapping[str, DropManifest]
    withdrawn: Mapping[str, Withdrawal] = field(default_factory=dict)
    withdrawn_contents: Mapping[str, Withdrawal] = field(default_factory=dict)
    replaces: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """By source id, the records that it supersedes with evidence."""
    judge: Judge = _nobody_judges
    """What the policy says of a source.json with these documents on the day."""
    scan: Scan | None = None
    needs_review: str = "train"
    """What becomes of tracks that a person should look at: see the setting of that name."""

    def refusal_reason(self, track: RegisteredTrack) -> str | None:
        """Why a track may not enter a data set on that day, or None."""
        withdrawal = self.withdrawn_contents.get(track.sha256)
        if withdrawal is not None:
            return withdrawn_reason(withdrawal)
        for origin in track.origins:
            withdrawal, known = self.withdrawn.get(origin.source_id), self.provenance.get(origin.source_id)
            if withdrawal is not None:
                return withdrawn_reason(withdrawal)
            if known is None:
                return f"nothing is known of its source {origin.source_id!r}; scan the drops again"
            if not known.verdict.permitted:
                return f"source {origin.source_id!r}: {known.verdict.reason}"
        return None


@no_search_for_cycles()
def eligibility_of(root: DataRoot, config: PipelineConfig, *, day: date | None = None) -> Eligibility:
    """Judge every source of the last scan for a day (default: today; never before the scan's)."""
    scan, clock = load_scan(root), day or clock_day()
    judged_for = judging_day(scan, clock)

    def judge(manifest: DropManifest, evidence: Sequence[EvidenceFile]) -> Verdict:
        return judge_source(
            manifest, config.licensing, evidence=evidence, day=judged_for, base=base_name(config)
        )

    replaces: dict[str, list[str]] = {}
    found: dict[str, Provenance] = {}
    manifests: dict[str, DropManifest] = {}
    for drop in scan.drops if scan else []:
        if drop.status is not DropStatus.ACCEPTED or drop.manifest is None:
            continue
        replaces.setdefault(drop.manifest.source_id, []).extend(drop.replaces)
        verdict = judge_source(
            drop.manifest,
            config.licensing,
            evidence=drop.evidence,
            said=statements_of_files(drop),
            day=judged_for,
            base=base_name(config),
        )
        verdict = with_remarks_on_documents(verdict, drop)
        verdict = with_remedy(verdict, drop.manifest.grant, judged=judged_for, clock=clock)
        ended = expired(drop.also, judged_for) if drop.also else None
        if ended and verdict.permitted:
            verdict = verdict.model_copy(update={"permitted": False, "reason": ended})
        provenance = Provenance(
            source_id=drop.manifest.source_id,
            verdict=verdict,
            grant=drop.manifest.grant,
            evidence=drop.evidence,
            url=drop.manifest.url,
        )
        found.setdefault(drop.manifest.source_id, provenance)
        manifests.setdefault(drop.manifest.source_id, drop.manifest)
    withdrawals = load_withdrawals(root)
    return Eligibility(
        judged_for,
        found,
        manifests,
        withdrawn_sources(withdrawals, judged_for),
        withdrawn_contents(withdrawals, judged_for),
        replaces,
        judge,
        scan,
        config.tagging.needs_review,
    )
