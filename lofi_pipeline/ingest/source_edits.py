"""Corrections of a scanned drop by what is on record: the terms that its source was ingested with, and the withdrawals.

The record of declared terms is in source_history.py, the ledger of withdrawals in licensing/.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from functools import partial

from lofi_pipeline.entities import (
    Drop,
    DropAudio,
    DropManifest,
    DropStatus,
    EvidenceFile,
    RecordError,
    Verdict,
)
from lofi_pipeline.entities.packed_drops import PackedDrops
from lofi_pipeline.entities.source import SOURCE_JSON
from lofi_pipeline.ingest.evidence import documents_of
from lofi_pipeline.ingest.source_history import (
    SHORT_HASH,
    DeclaredTerms,
    DeclaredTermsRecord,
    amends,
    is_replaced,
    replacing_hint,
)
from lofi_pipeline.licensing import Withdrawal, stricter, withdrawn_contents, withdrawn_sources
from lofi_pipeline.storage import DataRoot

Judge = Callable[[DropManifest, Sequence[EvidenceFile]], Verdict]
JUDGED = (DropStatus.ACCEPTED, DropStatus.FORBIDDEN)


def source_json_of(drop: Drop) -> str:
    """The path of a drop's source.json, as messages name it."""
    return f"{drop.folder}/{SOURCE_JSON}"


def with_verdict(drop: Drop, verdict: Verdict) -> Drop:
    """The drop with its verdict: accepted, or forbidden with the reason."""
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


def apply_declared_terms(
    root: DataRoot,
    drops: Iterable[Drop],
    record: DeclaredTermsRecord,
    former: PackedDrops,
    judge: Judge,
) -> Iterator[Drop]:
    """Where a source.json no longer declares the terms that are on record, the stricter of the two apply."""
    for drop in drops:
        on_record = _on_record(drop, record, former)
        yield drop if on_record is None else _with_stricter_terms(root, drop, on_record, judge)


def _on_record(drop: Drop, record: DeclaredTermsRecord, all_former: PackedDrops) -> DeclaredTerms | None:
    """The terms on record for a drop's source; for its former source, if the drop only changed its source_id."""
    if drop.manifest is None or drop.status not in JUDGED:
        return None
    before, source_id = all_former.source_in(drop.folder), drop.manifest.source_id
    if before is not None and before != source_id and (renamed := record.on_record(before)) is not None:
        former = all_former.get(drop.folder)
        if former is not None and _contents(former) & _contents(drop):
            return renamed
    return record.on_record(source_id)


def _contents(drop: Drop) -> set[str]:
    return {file.sha256 for file in drop.files if file.sha256}


def _with_stricter_terms(root: DataRoot, drop: Drop, on_record: DeclaredTerms, judge: Judge) -> Drop:
    assert drop.manifest is not None and drop.verdict is not None
    declared = DeclaredTerms.of(drop.manifest, drop.evidence)
    if declared == on_record or is_replaced(on_record, drop.replaces):
        return drop
    manifest = on_record.over(drop.manifest)
    evidence = _intact_documents(root, drop, on_record)
    verdict = judge(manifest, evidence)
    is_milder_now = stricter(verdict, drop.verdict)
    if amends(drop.manifest.amends, on_record) and not is_milder_now:
        return drop
    differences = "; ".join(on_record.difference(declared))
    is_stricter_now = stricter(drop.verdict, verdict)
    which = "what it says now is stricter and holds" if is_stricter_now else "what it said then holds"
    amending = f'write "amends": "{on_record.sha256[:SHORT_HASH]}" into it'
    edited = (
        f"{source_json_of(drop)}: was edited after its tracks were ingested ({differences}); {which}. If the change is meant, "
        f"{replacing_hint(on_record) if is_milder_now else amending}, else undo it"
    )
    if is_stricter_now:
        return drop.model_copy(update={"edited": edited})
    update = {"manifest": manifest, "evidence": evidence, "edited": edited, "also": drop.manifest.grant}
    result = with_verdict(drop.model_copy(update=update), verdict)
    return result if verdict.permitted else result.model_copy(update={"reason": f"{result.reason} {edited}"})


def _intact_documents(root: DataRoot, drop: Drop, on_record: DeclaredTerms) -> list[EvidenceFile]:
    """The documents on record whose files are unchanged."""
    try:
        found = documents_of(root, root.inside(drop.folder), on_record.grant, where=source_json_of(drop))
    except RecordError:
        return []
    return [item for item in found if on_record.documents.get(item.evidence.document) == item.sha256]


def forbid_withdrawn(drops: Iterable[Drop], withdrawals: Sequence[Withdrawal], day: date) -> Iterator[Drop]:
    """Forbid the drops of withdrawn sources, and refuse files with the same bytes in every other drop."""
    sources, contents = withdrawn_sources(withdrawals, day), withdrawn_contents(withdrawals, day)
    for drop in drops:
        yield _forbid_withdrawn(drop, sources, contents) if drop.status in JUDGED else drop


def _forbid_withdrawn(
    drop: Drop, sources: Mapping[str, Withdrawal], contents: Mapping[str, Withdrawal]
) -> Drop:
    withdrawal = sources.get(drop.manifest.source_id) if drop.manifest else None
    if withdrawal is not None and drop.verdict is not None:
        verdict = drop.verdict.model_copy(update={"permitted": False, "reason": withdrawn_reason(withdrawal)})
        return with_verdict(drop, verdict)
    if not any(file.sha256 in contents for file in drop.files):
        return drop
    return drop.model_copy(update={"files": list(map(partial(_refuse_withdrawn, contents), drop.files))})


def _refuse_withdrawn(contents: Mapping[str, Withdrawal], file: DropAudio) -> DropAudio:
    withdrawal = contents.get(file.sha256 or "")
    if withdrawal is None:
        return file
    return file.model_copy(update={"refusal": f"{file.path}: {withdrawn_reason(withdrawal)}"})


def withdrawn_reason(withdrawal: Withdrawal) -> str:
    """Why a withdrawn source, or files with the same bytes, give no track."""
    return (
        f"The source {withdrawal.source_id!r} ({withdrawal.provider}) was withdrawn on {withdrawal.day}: "
        f"{withdrawal.reason}"
    )
