"""The ledger: the hash of each record on the day it was written, in a file that only grows: metadata/seals.jsonl.

What of a checkpoint is entered is said in checkpoints/ledger_entries.py; whether entries still hold is asked in audit/.

Each line holds a hash of the line before it, so that a line that is changed, added in between or removed breaks the chain.
Lines cut off the end leave a chain that holds; but what is written later keeps a LedgerHead, which says how far the ledger
went: each data set version, checkpoint, scan of the drops and audit. A ledger that contradicts a head was cut or written anew.

Out of reach, as long as all lies on one disk: lines entered after the last head, and somebody who rewrites the ledger and every
record with a later head as well. Only what is kept elsewhere proves that: a printed audit, a checkpoint handed on, a backup.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

from lofi_pipeline.entities import LedgerHead, now
from lofi_pipeline.storage.atomic import content_sha256, locked
from lofi_pipeline.storage.data_root import DataRoot
from lofi_pipeline.storage.errors import BrokenSeal
from lofi_pipeline.storage.lines import append_whole

NO_LINE = "0" * 64
IMMUTABLE = "metadata/datasets/"
"""What the names of files begin with that are written once: a name has one hash for ever."""


ANNOUNCED = "about to be written: "
"""What the name of a file gets in front of it until the file is sealed: see storage/sealed.py."""


@dataclass(frozen=True)
class Ledger:
    """The ledger as it was read: the latest hash of each name, the chain, and where it is broken."""

    hashes: Mapping[str, str]
    heads: Sequence[str]
    """The chain hash of each line."""
    entries: Set[tuple[str, str]] = frozenset()
    """Every (name, hash) that was ever entered, also where another hash was entered under the name later."""
    broken: int | None = None
    """Number of the first line that does not follow from the one before; what comes after it is not trusted."""
    size: int = 0
    """Bytes up to the end of the last line that holds. A line without an end behind it is one that was never finished."""
    days: Set[date] = frozenset()
    """The days on which something was entered, by the clock of then."""
    sealed_twice: Sequence[str] = ()
    """Names of immutable files for which another hash was entered later; `hashes` has the first."""
    settled: int = 0
    """Lines up to the last that does not only announce something: a mark says the same whether its writer was killed or not."""

    @property
    def head(self) -> str:
        """The end of the chain."""
        return self.heads[-1] if self.heads else NO_LINE

    def mark(self, earlier: LedgerHead | None = None) -> LedgerHead | None:
        """How far the ledger goes; None when it is empty.

        `earlier`, the mark that would be replaced, is returned as it is where the ledger contradicts it: it is evidence.
        """
        if earlier is not None and self.contradiction(earlier):
            return earlier
        if not self.settled:
            return None
        return LedgerHead(first=self.heads[0], lines=self.settled, head=self.heads[self.settled - 1])

    def contradiction(self, head: LedgerHead) -> str | None:
        """How the ledger contradicts a head, as the rest of a sentence; None when it has grown from there."""
        if not self.heads:
            return "has no line any more"
        if self.heads[0] != head.first:
            return "begins with another line"
        if len(self.heads) < head.lines:
            return f"has {len(self.heads)} lines only"
        if self.heads[head.lines - 1] != head.head:
            return f"has another line {head.lines}"
        return None


def ledger_path(root: DataRoot) -> Path:
    """The file of the ledger."""
    return root.metadata / "seals.jsonl"


def read_ledger(root: DataRoot) -> Ledger:
    """The ledger of a data root: see `read_ledger_file`."""
    return read_ledger_file(ledger_path(root))


def read_ledger_file(path: Path) -> Ledger:
    """All entries up to the first line that does not follow from the one before.

    A last line without its end is no entry and no tampering: whoever wrote it was killed, or found the disk full. Lines that
    this process read before, and that are the same to the byte, are not taken apart again.
    """
    data = path.read_bytes() if path.is_file() else b""
    digest, known = _known.get(path, ("", Ledger({}, [])))
    hasher = sha256(data[: known.size])
    if hasher.hexdigest() != digest:
        hasher, known = sha256(), Ledger({}, [])
    found = known if len(data) == known.size else _read_on(known, data[known.size :])
    hasher.update(data[known.size : found.size])
    if found.broken is None:
        _known.pop(path, None)
        _known[path] = hasher.hexdigest(), found
        for oldest in list(_known)[:-_MOST_KNOWN]:
            _known.pop(oldest, None)
    return found


_known: dict[Path, tuple[str, Ledger]] = {}
"""Ledgers that were read, each with the hash of its bytes; the latest last."""
_MOST_KNOWN = 4


def _read_on(known: Ledger, data: bytes) -> Ledger:
    """A ledger with the lines that follow."""
    hashes, heads = dict(known.hashes), list(known.heads)
    entries, days = set(known.entries), set(known.days)
    twice: dict[str, None] = dict.fromkeys(known.sealed_twice)
    broken: int | None = None
    size, settled = known.size, known.settled
    for line in BytesIO(data):
        if not line.endswith(b"\n"):
            break
        before = heads[-1] if heads else NO_LINE
        try:
            found = json.loads(line)
            name, digest, when, chain = (found[key] for key in ("name", "sha256", "when", "chain"))
        except (ValueError, KeyError, TypeError, RecursionError):
            broken = len(heads) + 1
            break
        written = isinstance(name, str) and line == _line(name, digest, when, chain)
        if not written or chain != _chain(before, name, digest, when):
            broken = len(heads) + 1
            break
        if name.startswith(IMMUTABLE) and hashes.get(name, digest) != digest:
            twice[name] = None
        else:
            hashes[name] = digest
        entries.add((name, digest))
        with suppress(ValueError, TypeError):  # no day, but the chain holds
            days.add(datetime.fromisoformat(when).date())
        heads.append(chain)
        settled = settled if name.startswith(ANNOUNCED) else len(heads)
        size += len(line)
    return Ledger(hashes, heads, entries, broken, size, days, list(twice), settled)


def append_to_ledger(root: DataRoot, hashes: Mapping[str, str], *, replace: bool = True) -> list[str]:
    """Enter hashes by their names; a name that has the same hash already is passed over. Returns the names that are new.

    Without `replace`, a name that is in the ledger already keeps its entry, whatever its hash.
    They are entered all or not at all; what a killed writer left unfinished is removed first. A broken ledger is not written
    to: it is evidence.

    Raises:
        OSError: the disk is full or cannot be written; the ledger is as it was.
        BrokenSeal: another hash is to be entered for a file that is written once.
    """
    path = ledger_path(root)
    with locked(path):
        known = read_ledger(root)
        if known.broken is not None:
            return []
        if replace:
            _refuse_second_seals(known, hashes)
        new = {
            name: digest
            for name, digest in hashes.items()
            if name not in known.hashes or (replace and known.hashes[name] != digest)
        }
        head, when = known.head, now().isoformat()
        lines = []
        for name, digest in new.items():
            head = _chain(head, name, digest, when)
            lines.append(_line(name, digest, when, head))
        if lines:
            append_whole(path, known.size, b"".join(lines))
    return list(new)


def _refuse_second_seals(known: Ledger, hashes: Mapping[str, str]) -> None:
    for name, digest in hashes.items():
        if name.startswith(IMMUTABLE) and known.hashes.get(name, digest) != digest:
            raise BrokenSeal(
                f"{name}: was sealed with the hash {known.hashes[name][:12]} and is never written again, but has {digest[:12]} now; "
                "take it back from a backup"
            )


def _chain(before: Any, name: Any, digest: Any, when: Any) -> str:
    return content_sha256([before, name, digest, when])


def _line(name: Any, digest: Any, when: Any, chain: Any) -> bytes:
    text = json.dumps(
        {"name": name, "sha256": digest, "when": when, "chain": chain}, ensure_ascii=True, allow_nan=False
    )
    return text.encode() + b"\n"
