"""Records that decide what is trained on: sealed in the ledger when they are written, and used only as they were sealed.

Every name in the ledger that begins with metadata/ is such a file, whoever wrote it: the ledger itself is the list. A record is
announced before it is written and sealed after, so that one whose writer was killed in between is told from one that was
put back to an older state. What people say is sealed by peoples_words.py. What can be compiled anew, and how, is in audit/fsck/.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from lofi_pipeline.entities import LedgerHead, RecordError, few
from lofi_pipeline.storage.atomic import file_sha256, json_blocks, write_blocks_atomic
from lofi_pipeline.storage.data_root import DataRoot
from lofi_pipeline.storage.errors import BrokenSeal
from lofi_pipeline.storage.ledger import (
    ANNOUNCED,
    IMMUTABLE,
    Ledger,
    append_to_ledger,
    ledger_path,
    read_ledger,
)

SEALED = "metadata/"
REMOVED = "0" * 64
"""The hash under which a file is entered that was removed to be made anew."""
BACKUP = "take it back from a backup"
REPAIR = f"{BACKUP}, or have it compiled anew: `lofi fsck --repair`"
ASIDE = f"{BACKUP}, or have it set aside, and what is said there forgotten: `lofi fsck --repair`"
FROM_THE_FIRST = "sealed from its first file on: "
"""What the name of a place gets in front of it where every file that was ever written there was sealed."""
LINES = ".jsonl"
"""The end of the names of files that only grow. A line that a killed writer left without its end is none, and is not sealed."""


def compiled_anew(root: DataRoot) -> tuple[Path, ...]:
    """The sealed records that `lofi fsck --repair` compiles anew from what lies beside them."""
    return root.claims_json, root.registry_json, root.drops_json, root.duplicates_json


def places_of_words(root: DataRoot) -> tuple[Path, ...]:
    """Where lies what people say: the places that are sealed from their first file on."""
    return root.edits, root.votes, root.pins_json


def words_in(place: Path) -> list[Path]:
    """The files in one of these places, or it itself."""
    if not place.is_dir():
        return [place] if place.is_file() else []
    return sorted(path for end in (LINES, ".json") for path in place.rglob(f"[!.]*{end}") if path.is_file())


def sealed_digest(path: Path, *, also: bytes = b"") -> str:
    """The hash under which a file is sealed; `also`: with these lines behind it."""
    if path.suffix != LINES:
        return file_sha256(path)
    data = path.read_bytes() if path.exists() else b""
    return sha256(data[: data.rfind(b"\n") + 1] + also).hexdigest()


def write_sealed(root: DataRoot, path: Path, value: Any) -> None:
    """Write a record whole or not at all, and seal it. One that is there and sealed already is left alone."""
    name = root.relative(path)

    def announce(digest: str) -> None:
        if read_ledger(root).hashes.get(name) != digest:
            append_to_ledger(root, {f"{ANNOUNCED}{name}": digest})

    written = write_blocks_atomic(path, json_blocks(value), before=announce)
    append_to_ledger(root, {name: written.sha256})


def unfinished_seals(root: DataRoot) -> dict[str, str]:
    """By name, the hash of each record that was announced and written, by somebody who was killed before it was sealed."""
    known = read_ledger(root).hashes
    announced = {
        name.removeprefix(ANNOUNCED): digest for name, digest in known.items() if name.startswith(ANNOUNCED)
    }
    return {
        name: digest
        for name, digest in announced.items()
        if known.get(name) != digest
        and (root.path / name).is_file()
        and sealed_digest(root.path / name) == digest
    }


def finish_seals(root: DataRoot) -> None:
    """Seal what was announced and written."""
    if unfinished := unfinished_seals(root):
        append_to_ledger(root, unfinished)


def require_own(root: DataRoot, *paths: Path) -> None:
    """Refuse to add to lists that are not what was sealed: the seal of a longer one would cover the edit.

    One whose writer was killed before its seal, or that nobody ever sealed, is sealed first.

    Raises:
        RecordError: a list was edited, or lost, since it was sealed; or the ledger is broken.
    """
    if (line := read_ledger(root).broken) is not None:
        raise RecordError(
            f"{ledger_path(root)}: line {line} does not follow from the line before; {BACKUP} first"
        )
    finish_seals(root)
    ledger = read_ledger(root)
    begun = [place for place in places_of_words(root) if is_sealed_from_the_first(root, ledger, place)]
    seal_as_found(root, [path for path in paths if not any(map(path.is_relative_to, begun))])
    for path in paths:
        if not is_entered(root, path):
            raise RecordError(
                f"{path}: is not the list that was sealed; {remedy_of(root, root.relative(path))}"
            )


def is_entered(root: DataRoot, path: Path) -> bool:
    """Whether a file is the one that the ledger knows under its path; or neither is there."""
    entered = read_ledger(root).hashes.get(root.relative(path), REMOVED)
    return entered == (sealed_digest(path) if path.is_file() else REMOVED)


def is_sealed_from_the_first(root: DataRoot, ledger: Ledger, place: Path) -> bool:
    """Whether no file was ever written in a place without a seal."""
    return f"{FROM_THE_FIRST}{root.relative(place)}" in ledger.hashes


def strangers(root: DataRoot, ledger: Ledger, place: Path) -> Iterator[tuple[str, str]]:
    """The files of a place that was sealed from its first on that nobody sealed; each with what is wrong, as the rest of a sentence."""
    if not is_sealed_from_the_first(root, ledger, place):
        return
    for path in words_in(place):
        name = root.relative(path)
        if name not in ledger.hashes and ledger.hashes.get(f"{ANNOUNCED}{name}") != sealed_digest(path):
            yield name, "was never sealed: it was put there by something else"


def remove_sealed(root: DataRoot, path: Path) -> None:
    """Remove a record that is made anew by the next run, and say so in the ledger."""
    path.unlink(missing_ok=True)
    append_to_ledger(root, {root.relative(path): REMOVED})


def seal_as_found(root: DataRoot, paths: Iterable[Path]) -> list[str]:
    """Seal what stands where nobody ever sealed it, as in a data root of an earlier version. Returns the names."""
    known = read_ledger(root).hashes
    new = {root.relative(path): path for path in paths if root.relative(path) not in known and path.is_file()}
    return append_to_ledger(root, {name: sealed_digest(path) for name, path in new.items()}, replace=False)


def sealed_names(ledger: Ledger) -> list[str]:
    """The files that the ledger holds, by path in the data root."""
    return [name for name in ledger.hashes if name.startswith(SEALED)]


def fault_of(root: DataRoot, ledger: Ledger, name: str, *, read: bool = True) -> str | None:
    """How a sealed file is not what the ledger holds, as the rest of a sentence; None when it is.

    With `read` off, only whether it is there.
    """
    path, sealed = root.path / name, ledger.hashes[name]
    if not path.is_file():
        return None if sealed == REMOVED else "was sealed, and is missing"
    if not read:
        return None
    found = sealed_digest(path)
    if found in (sealed, ledger.hashes.get(f"{ANNOUNCED}{name}")):
        return None
    if (name, found) in ledger.entries:
        return "is an older state of itself: later ones were sealed"
    return "is not what was sealed when it was written: it was changed by something else"


def remedy_of(root: DataRoot, name: str) -> str:
    """What to do about a sealed file that is not what the ledger holds."""
    path = root.path / name
    if any(path.is_relative_to(place) for place in places_of_words(root)):
        return ASIDE
    return REPAIR if path in compiled_anew(root) else BACKUP


def _faults(root: DataRoot, ledger: Ledger, versions_too: bool) -> Iterator[str]:
    where = root.relative(ledger_path(root))
    if ledger.broken is not None:
        yield (
            f"{where}: line {ledger.broken} does not follow from the line before; take the file back from a backup: a data set "
            "that it does not hold could be changed unseen"
        )
        return
    for name in ledger.sealed_twice:
        yield (
            f"{where}: holds a second seal for {name}, which is written once: somebody wrote to the ledger; take both back from a "
            "backup"
        )
    for name in sealed_names(ledger):
        if (
            fault := fault_of(root, ledger, name, read=versions_too or not name.startswith(IMMUTABLE))
        ) is not None:
            yield f"{name}: {fault}; {remedy_of(root, name)}"
    for place in places_of_words(root):
        for name, fault in strangers(root, ledger, place):
            yield f"{name}: {fault}; {remedy_of(root, name)}"


def require_sealed(
    root: DataRoot, heads: Sequence[tuple[str, LedgerHead | None]] = (), *, versions_too: bool = True
) -> None:
    """Refuse to go on where a record that decides is not what was sealed.

    Args:
        heads: how far the ledger went when records were written, each with the name of the record.
        versions_too: read data set versions as well; else only whether they are there is asked.

    Raises:
        BrokenSeal: it names each file, what is wrong and what to do.
    """
    faults = _faults_now(root, heads, versions_too)
    if faults:  # by an entry that somebody made while the files were read?
        faults = _faults_now(root, heads, versions_too)
    if faults:
        raise BrokenSeal(few(faults, between="\n"))


def _faults_now(
    root: DataRoot, heads: Sequence[tuple[str, LedgerHead | None]], versions_too: bool
) -> list[str]:
    ledger = read_ledger(root)
    if ledger.broken is not None:
        return list(_faults(root, ledger, versions_too))
    cut = [
        f"{root.relative(ledger_path(root))}: was cut or written anew: when {witness} was written it had {head.lines} lines, now it "
        f"{fault}; {BACKUP}"
        for witness, head in heads
        if head is not None and (fault := ledger.contradiction(head)) is not None
    ]
    return cut or list(_faults(root, ledger, versions_too))
