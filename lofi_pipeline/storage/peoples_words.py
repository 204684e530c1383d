"""What people say of tracks and checkpoints: edits, votes and pins. It decides what is trained on and what is the best, so it is
sealed like other records that decide (see sealed.py), from the first word on.

The ledger says of each of these places that it was sealed from its first file on: a file that nobody sealed there was put there
by something else. In a data root of an earlier version that begins with the next word, which seals what is there as it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from lofi_pipeline.entities import RecordError, few
from lofi_pipeline.storage.atomic import naming
from lofi_pipeline.storage.data_root import DataRoot
from lofi_pipeline.storage.ledger import ANNOUNCED, Ledger, append_to_ledger, read_ledger
from lofi_pipeline.storage.lines import append
from lofi_pipeline.storage.sealed import (
    FROM_THE_FIRST,
    REMOVED,
    fault_of,
    is_sealed_from_the_first,
    places_of_words,
    remedy_of,
    require_own,
    seal_as_found,
    sealed_digest,
    strangers,
    words_in,
    write_sealed,
)


def write_word(root: DataRoot, path: Path, value: Any) -> None:
    """Write a record of what a person said, and seal it. The caller holds its lock.

    Raises:
        RecordError: what lies there is not what was sealed.
        OSError: the disk is full or cannot be written; the record is as it was.
    """
    _begin(root, path)
    require_own(root, path)
    write_sealed(root, path, value)


def add_words(root: DataRoot, lines: Mapping[Path, bytes]) -> None:
    """Write lines behind those that are there, in all of these files or in none, and seal the files. The caller holds their locks.

    Raises:
        RecordError: one of the files is not what was sealed.
        OSError: the disk is full or cannot be written; the files are as they were.
    """
    if not lines:
        return
    for path in lines:
        _begin(root, path)
    require_own(root, *lines)
    names = {root.relative(path): path for path in lines}
    digests = {name: sealed_digest(path, also=lines[path]) for name, path in names.items()}
    append_to_ledger(root, {f"{ANNOUNCED}{name}": digest for name, digest in digests.items()})
    with ExitStack() as undo:
        for path, data in lines.items():
            undo.callback(_shortener(path))
            append(path, data)
        append_to_ledger(root, digests)
        undo.pop_all()


def _shortener(path: Path) -> Callable[[], None]:
    """Makes a file as long again as it is now."""
    size = path.stat().st_size if path.exists() else None

    def shorten() -> None:
        if size is None:
            path.unlink(missing_ok=True)
        elif path.exists():
            with naming(path), path.open("ab") as file:
                file.truncate(size)

    return shorten


def begin_with_first_word(root: DataRoot) -> None:
    """Have every place of a data root that says nothing yet be sealed from its first file on."""
    places = places_of_words(root)
    if not read_ledger(root).hashes and not any(words_in(place) for place in places):
        append_to_ledger(root, {f"{FROM_THE_FIRST}{root.relative(place)}": REMOVED for place in places})


def _begin(root: DataRoot, path: Path) -> None:
    """Seal what an earlier version wrote, where this is the first word that is sealed."""
    place = next(place for place in places_of_words(root) if path.is_relative_to(place))
    if not is_sealed_from_the_first(root, read_ledger(root), place):
        seal_as_found(root, words_in(place))
        append_to_ledger(root, {f"{FROM_THE_FIRST}{root.relative(place)}": REMOVED})


def require_words(root: DataRoot, *places: Path) -> None:
    """Refuse to go by words that are not what was sealed.

    Raises:
        RecordError: it names each file, what is wrong and what to do.
    """
    faults = [*_faults(root, read_ledger(root), places)]
    if faults:  # by somebody who spoke while the files were read?
        faults = [*_faults(root, read_ledger(root), places)]
    if faults:
        raise RecordError(few(faults, between="\n"))


def _faults(root: DataRoot, ledger: Ledger, places: Iterable[Path]) -> Iterator[str]:
    for place in places:
        where = root.relative(place)
        for name in ledger.hashes:
            if (name == where or name.startswith(f"{where}/")) and (fault := fault_of(root, ledger, name)):
                yield f"{name}: {fault}; {remedy_of(root, name)}"
        for name, fault in strangers(root, ledger, place):
            yield f"{name}: {fault}; {remedy_of(root, name)}"
