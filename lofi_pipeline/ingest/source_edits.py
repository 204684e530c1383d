"""What holds of a drop beside its own words: the claims it was ingested with, and the withdrawals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from functools import partial

from lofi_pipeline.entities import (
    Drop,
    DropAudio,
    DropManifest,
    DropStatus,
    EvidenceFile,
    RecordError,
    Scan,
    Verdict,
)
from lofi_pipeline.entities.source import SOURCE_JSON
from lofi_pipeline.ingest.evidence import documents_of
from lofi_pipeline.ingest.source_history import HASH_SHOWN, DeclaredTerms, DeclaredTermsRecord, amends
from lofi_pipeline.licensing import Withdrawal, stricter, withdrawn_contents, withdrawn_sources
from lofi_pipeline.storage import DataRoot

Judge = Callable[[DropManifest, Sequence[EvidenceFile]], Verdict]
JUDGED = (DropStatus.ACCEPTED, DropStatus.FORBIDDEN)


def source_json_of(drop: Drop) -> str:
    """Where a drop's source.json lies, as people are told."""
    return f"{drop.folder}/{SOURCE_JSON}"


def with_verdict(drop: Drop, verdict: Verdict) -> Drop:
    """A drop as its verdict has it: accepted, or forbidden with the reason."""
    reason = f"{source_json_of(drop)}: license_type: {verdict.reason}"
    return drop.model_copy(
        update={
            "verdict": verdict,
            "licence": verdict.licence,
            "strictness": verdict.strictness,
            "status": DropStatus.ACCEPTED if verdict.permitted else DropStatus.FORBIDDEN,
            "reason": None if verdict.permitted else reason,
        }
    )


def hold_to_declared_terms(
    root: DataRoot, drops: Sequence[Drop], record: DeclaredTermsRecord, known: Scan | None, judge: Judge
) -> list[Drop]:
    """Where a source.json says other things than its tracks were ingested with, the stricter of the two holds."""
    former = {drop.folder: drop for drop in (known.drops if known else [])}
    return [
        _held(root, drop, on_record, judge)
        if (on_record := _on_record(drop, record, former.get(drop.folder))) is not None
        else drop
        for drop in drops
    ]


def _on_record(drop: Drop, record: DeclaredTermsRecord, former: Drop | None) -> DeclaredTerms | None:
    """The claims that a drop is held to: those of its source; of its former source when it only took another name."""
    if drop.manifest is None or drop.status not in JUDGED:
        return None
    if former is not None and former.manifest is not None and _contents(former) & _contents(drop):
        renamed = record.on_record(former.manifest.source_id)
        if renamed is not None:
            return renamed
    return record.on_record(drop.manifest.source_id)


def _contents(drop: Drop) -> set[str]:
    return {file.sha256 for file in drop.files if file.sha256}


def _held(root: DataRoot, drop: Drop, on_record: DeclaredTerms, judge: Judge) -> Drop:
    assert drop.manifest is not None and drop.verdict is not None
    claims = DeclaredTerms.of(drop.manifest, drop.evidence)
    if claims == on_record or amends(drop.manifest, on_record):
        return drop
    manifest = on_record.over(drop.manifest)
    evidence = _intact(root, drop, on_record)
    verdict = judge(manifest, evidence)
    differences = "; ".join(on_record.difference(claims))
    holds_now = stricter(drop.verdict, verdict)
    which = "what it says now is stricter and holds" if holds_now else "what it said then holds"
    edited = (
        f"{source_json_of(drop)}: was edited after its tracks were ingested ({differences}); {which}. If the change is meant, "
        f'write "amends": "{on_record.sha256[:HASH_SHOWN]}" into it, else undo it'
    )
    if holds_now:
        return drop.model_copy(update={"edited": edited})
    update = {"manifest": manifest, "evidence": evidence, "edited": edited, "also": drop.manifest.grant}
    held = drop.model_copy(update=update)
    held = with_verdict(held, verdict)
    return held if verdict.permitted else held.model_copy(update={"reason": f"{held.reason} {edited}"})


def _intact(root: DataRoot, drop: Drop, on_record: DeclaredTerms) -> list[EvidenceFile]:
    """The documents on record that are still there byte for byte."""
    try:
        found = documents_of(root, root.inside(drop.folder), on_record.grant, where=source_json_of(drop))
    except RecordError:
        return []
    return [item for item in found if on_record.documents.get(item.evidence.document) == item.sha256]


def without_withdrawn(drops: Sequence[Drop], withdrawals: Sequence[Withdrawal], day: date) -> list[Drop]:
    """The drops of withdrawn sources are forbidden; their bytes give no track in any other drop."""
    sources, contents = withdrawn_sources(withdrawals, day), withdrawn_contents(withdrawals, day)
    return [_without(drop, sources, contents) if drop.status in JUDGED else drop for drop in drops]


def _without(drop: Drop, sources: Mapping[str, Withdrawal], contents: Mapping[str, Withdrawal]) -> Drop:
    withdrawal = sources.get(drop.manifest.source_id) if drop.manifest else None
    if withdrawal is not None and drop.verdict is not None:
        verdict = drop.verdict.model_copy(update={"permitted": False, "reason": withdrawn_reason(withdrawal)})
        return with_verdict(drop, verdict)
    return drop.model_copy(update={"files": list(map(partial(_unless_withdrawn, contents), drop.files))})


def _unless_withdrawn(contents: Mapping[str, Withdrawal], file: DropAudio) -> DropAudio:
    withdrawal = contents.get(file.sha256 or "")
    if withdrawal is None:
        return file
    return file.model_copy(update={"refusal": f"{file.path}: {withdrawn_reason(withdrawal)}"})


def withdrawn_reason(withdrawal: Withdrawal) -> str:
    """Why a source, or bytes that came with it, give no track."""
    return (
        f"The source {withdrawal.source_id!r} ({withdrawal.provider}) was withdrawn on {withdrawal.day}: "
        f"{withdrawal.reason}"
    )
