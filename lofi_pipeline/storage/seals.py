"""Seals: the hash of a record on the day it was written, in a ledger that only grows: metadata/seals.jsonl.

Each line holds a hash of the line before it, so that a line that is changed, added in between or removed breaks the chain.
The last hash of the chain stands in every audit report: a printed one proves the ledger of its day.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lofi_pipeline.storage.atomic import content_sha256, locked
from lofi_pipeline.storage.data_root import DataRoot

NO_LINE = "0" * 64


@dataclass(frozen=True)
class Seals:
    """The ledger as it was read: the latest hash by name, the end of the chain, and where the chain is broken."""

    hashes: Mapping[str, str]
    head: str
    lines: int
    broken: int | None = None
    """Number of the first line that does not follow from the one before; what comes after it is not trusted."""


def ledger(root: DataRoot) -> Path:
    """Where the seals lie."""
    return root.metadata / "seals.jsonl"


def read_seals(root: DataRoot) -> Seals:
    """All seals up to the first line that does not hold."""
    path = ledger(root)
    hashes: dict[str, str] = {}
    head, number = NO_LINE, 0
    if not path.is_file():
        return Seals(hashes, head, 0)
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                found = json.loads(line)
                name, sha256, when, chain = (found[key] for key in ("name", "sha256", "when", "chain"))
            except (ValueError, KeyError, TypeError):
                return Seals(hashes, head, number, broken=number)
            if line != _line(name, sha256, when, chain) or chain != _chain(head, name, sha256, when):
                return Seals(hashes, head, number, broken=number)
            hashes[name], head = sha256, chain
    return Seals(hashes, head, number)


def seal(root: DataRoot, hashes: Mapping[str, str]) -> list[str]:
    """Seal names by their hashes; those that are sealed with the same hash already are passed over. Returns the new ones.

    A broken ledger is not written to: it is evidence.
    """
    path = ledger(root)
    with locked(path):
        known = read_seals(root)
        if known.broken is not None:
            return []
        new = {name: sha256 for name, sha256 in hashes.items() if known.hashes.get(name) != sha256}
        head, when = known.head, datetime.now(UTC).replace(microsecond=0).isoformat()
        lines = []
        for name, sha256 in new.items():
            head = _chain(head, name, sha256, when)
            lines.append(_line(name, sha256, when, head))
        if lines:
            with path.open("ab") as file:
                file.write(b"".join(lines))
                file.flush()
                os.fsync(file.fileno())
    return list(new)


def _chain(before: Any, name: Any, sha256: Any, when: Any) -> str:
    return content_sha256([before, name, sha256, when])


def _line(name: Any, sha256: Any, when: Any, chain: Any) -> bytes:
    text = json.dumps(
        {"name": name, "sha256": sha256, "when": when, "chain": chain}, ensure_ascii=True, allow_nan=False
    )
    return text.encode() + b"\n"
