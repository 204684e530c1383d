"""Whether the ledger still holds, and what of an audited checkpoint and version is entered into it.

The ledger itself is in storage/ledger.py, what of a checkpoint is entered in checkpoints/ledger_entries.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from lofi_pipeline.audit.inputs import AuditInputs
from lofi_pipeline.audit.integrity.verifier import MISSING, Verifier
from lofi_pipeline.audit.subject import Subject
from lofi_pipeline.checkpoints.ledger_entries import checkpoint_entries, scored_files
from lofi_pipeline.entities import (
    DatasetVersion,
    FindingCode,
    LedgerHead,
    RecordError,
    Severity,
    few,
)
from lofi_pipeline.ingest import load_record
from lofi_pipeline.ingest.day_changes import day_changes_json
from lofi_pipeline.licensing.withdrawals import withdrawals_json
from lofi_pipeline.storage import (
    IMMUTABLE,
    DataRoot,
    append_to_ledger,
    compiled_anew,
    fault_of,
    file_sha256,
    is_sealed_from_the_first,
    last_member,
    ledger_path,
    places_of_words,
    read_json,
    read_ledger,
    remedy_of,
    sealed_names,
    strangers,
    words_in,
)


def enter_subject(inputs: AuditInputs, subject: Subject) -> list[str]:
    """Enter what an audit without fault saw and nobody had entered, such as a checkpoint copied in. Returns the new names."""
    version = inputs.root.dataset_version(subject.dataset_hash)
    files = {inputs.root.relative(version): version}
    hashes: dict[str, str] = {}
    checkpoint = subject.checkpoint
    if checkpoint is not None and checkpoint.record is not None:
        hashes |= checkpoint_entries(checkpoint.record)
        if checkpoint.scores is not None:
            files |= scored_files(checkpoint.folder, checkpoint.record, checkpoint.scores)
    known = inputs.ledger.hashes
    files |= {inputs.root.relative(path): path for path in compiled_anew(inputs.root)}
    new = {name: sha256 for name, sha256 in hashes.items() if name not in known}
    new |= {name: file_sha256(path) for name, path in files.items() if name not in known and path.is_file()}
    return append_to_ledger(inputs.root, new, replace=False) if new else []


def verify_ledger(
    verifier: Verifier, inputs: AuditInputs, subject: Subject, version: DatasetVersion
) -> LedgerHead | None:
    """Prove the ledger as far as a subject's records bear witness of it. Returns how far it goes, or is known to have gone."""
    reports = [verifier.root.audits / subject.folder_name / "report.json"]
    return verify_chain(verifier, inputs, reports, [version])


def verify_chain(
    verifier: Verifier, inputs: AuditInputs, reports: Iterable[Path], versions: Iterable[DatasetVersion]
) -> LedgerHead | None:
    """Find where the chain is broken, or that the ledger was cut: what is written later keeps how long it was.

    Returns how far it goes, or is known to have gone.
    """
    ledger = inputs.ledger
    where = verifier.root.relative(ledger_path(verifier.root))
    if ledger.broken is not None:
        sentence = (
            f"{where}: line {ledger.broken} does not follow from the line before: seals were changed or removed. Take the file "
            "back from a backup; until then nothing new is sealed."
        )
        verifier.error(FindingCode.SEALS_BROKEN, where, sentence)
        return None
    for name in ledger.sealed_twice:
        sentence = (
            f"{where} holds a second seal for {name}, which is written once: somebody wrote to the ledger. Take both back from a "
            "backup."
        )
        verifier.error(FindingCode.SEALED_TWICE, name, sentence)
    contradicted = [
        (head, witness)
        for witness, head in _heads(inputs, reports, versions)
        if ledger.contradiction(head) is not None
    ]
    if not contradicted:
        return ledger.mark()
    head, witness = max(contradicted, key=lambda pair: pair[0].lines)
    sentence = (
        f"{where} was cut or written anew: when {witness} was written it had {head.lines} lines and ended in {head.head[:12]}; now "
        f"it {ledger.contradiction(head)}. Seals are lost, and withdrawals that were made since may be. Take it and "
        f"{verifier.root.relative(withdrawals_json(verifier.root))} back from a backup."
    )
    verifier.error(FindingCode.SEALS_CUT, where, sentence)
    return head


def _heads(
    inputs: AuditInputs, reports: Iterable[Path], versions: Iterable[DatasetVersion]
) -> Iterator[tuple[str, LedgerHead]]:
    """How far the ledger went, by the record that says so."""
    root = inputs.root
    if inputs.scan.value is not None and inputs.scan.value.ledger is not None:
        yield inputs.scan.where, inputs.scan.value.ledger
    places = [(root.built_from_json, ["ledger"]), *((report, ["integrity", "ledger"]) for report in reports)]
    for path, fields in places:
        head = _head_in(path, fields)
        if head is not None:
            yield root.relative(path), head
    # What was copied in from another machine has a head of that machine's ledger
    copied = [
        (root.relative(root.dataset_version(version.dataset.hash)), version.ledger) for version in versions
    ]
    copied += [(item.key, item.record.ledger) for item in inputs.checkpoints if item.record]
    for witness, head in copied:
        if head is not None and inputs.ledger.heads[:1] == [head.first]:
            yield witness, head


def _head_in(path: Path, fields: list[str]) -> LedgerHead | None:
    """The ledger head in a record; a record that can't be read is named by whoever rests on it."""
    try:
        *above, name = fields
        found = last_member(path, above[0]) if above else read_json(path)
        return LedgerHead.parse(found[name], where=str(path))
    except (OSError, RecordError, KeyError, TypeError, ValueError):
        return None


def verify_sealed(verifier: Verifier, inputs: AuditInputs) -> None:
    """Every record that the ledger holds: terms, ids, the scan, pairs, each data set version (quick: whether it is there).

    Withdrawals, days that were set and the version that is audited have proofs of their own.
    """
    root, ledger = inputs.root, inputs.ledger
    own = {root.relative(path) for path in (withdrawals_json(root), day_changes_json(root))}
    for name in sealed_names(ledger):
        read = not (verifier.quick and name.startswith(IMMUTABLE))
        if name in own or fault_of(root, ledger, name, read=read) is None:
            continue
        ledger = read_ledger(root)  # a run may have written it meanwhile
        if (fault := fault_of(root, ledger, name, read=read)) is not None:
            missing = not (root.path / name).is_file()
            code = FindingCode.FILE_MISSING if missing else FindingCode.RECORD_CHANGED
            verifier.error(code, name, f"{name} {fault}; {remedy_of(root, name)}.")
    for place in places_of_words(root):
        found = list(strangers(root, ledger, place))
        for name, fault in strangers(root, read_ledger(root), place) if found else ():
            verifier.error(FindingCode.RECORD_CHANGED, name, f"{name} {fault}; {remedy_of(root, name)}.")
        _tell_of_unsealed_words(verifier, inputs, place)
    unsealed = [
        root.relative(path)
        for path in compiled_anew(root)
        if path.is_file() and root.relative(path) not in ledger.hashes
    ]
    if unsealed:
        sentence = (
            f"{', '.join(unsealed)}: not sealed yet, as in a data root of an earlier version; sealed with the next run that writes, or "
            "with the first audit that finds it intact."
        )
        verifier.log(Severity.INFO, FindingCode.NOT_SEALED, unsealed[0], sentence)


def _tell_of_unsealed_words(verifier: Verifier, inputs: AuditInputs, place: Path) -> None:
    """What an earlier version let people say in a place of which no file was sealed yet."""
    root = inputs.root
    if not is_sealed_from_the_first(root, inputs.ledger, place) and (words := words_in(place)):
        sentence = (
            f"{few([root.relative(path) for path in words])}: never sealed, as in a data root of an earlier version; sealed when "
            "people next say something of that kind. Until then a change is not noticed."
        )
        verifier.log(Severity.INFO, FindingCode.NOT_SEALED, root.relative(words[0]), sentence)


def verify_fingerprints(verifier: Verifier, inputs: AuditInputs) -> None:
    """The fingerprints that were compared: by another one in its place a copy of the track would not be known again."""
    for track_id, sha256 in inputs.comparisons.fingerprints.items():
        path = verifier.root.relative(verifier.root.fingerprint(track_id))
        found = verifier.sha256(path) if not verifier.quick or not verifier.exists(path) else sha256
        if found in (None, sha256) or found == _made_again(inputs.root, track_id, path):
            continue
        missing = found == MISSING
        code = FindingCode.FILE_MISSING if missing else FindingCode.FILE_CHANGED
        fate = "is missing" if missing else "is not the one that was compared"
        sentence = (
            f"{path} {fate}: by it copies of {track_id} are known; take it back from a backup, or have it made again: "
            "`lofi fsck --repair`, then `lofi run`."
        )
        verifier.error(code, path, sentence)


def _made_again(root: DataRoot, track_id: str, path: str) -> str | None:
    """The hash of a fingerprint that was made again since it was compared, by the record of its track."""
    with suppress(OSError, RecordError):
        record = load_record(root, track_id)
        kept = record.kept_files.get(path) if record else None
        return kept.sha256 if kept else None
    return None


def verify_day_changes(verifier: Verifier, inputs: AuditInputs) -> None:
    """The record of who set the day that is judged for, which is entered into the ledger with each change."""
    where = verifier.root.relative(day_changes_json(verifier.root))
    if entered := inputs.ledger.hashes.get(where):
        what = "the record of days that were set"
        verifier.expect(where, entered, what, advice="take it back from a backup")
    elif inputs.day_changes:
        sentence = f"{where} was never sealed: set the day with `lofi judging-day` alone."
        verifier.error(FindingCode.RECORD_CHANGED, where, sentence)


def verify_withdrawals(verifier: Verifier, inputs: AuditInputs) -> None:
    """The list of withdrawn sources, which is entered into the ledger with each withdrawal; and what it names."""
    path = withdrawals_json(verifier.root)
    where = verifier.root.relative(path)
    entered = inputs.ledger.hashes.get(where)
    if entered is None:
        if path.is_file():
            sentence = f"{where} was never sealed: withdraw sources with `lofi audit source`."
            verifier.log(Severity.INFO, FindingCode.NOT_SEALED, where, sentence)
        return
    verifier.expect(where, entered, "the ledger of withdrawn sources", advice="take it back from a backup")
    # Without its fingerprint a withdrawn track that comes back re-encoded is not known again
    for withdrawal in inputs.withdrawals:
        for track_id, sha256 in withdrawal.fingerprints.items():
            fingerprint = verifier.root.relative(verifier.root.fingerprint(track_id))
            what = f"the fingerprint of {track_id}, withdrawn with {withdrawal.source_id}"
            verifier.expect(fingerprint, sha256, what, advice="take it back from a backup")
