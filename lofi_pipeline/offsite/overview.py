"""Where the store stands, from the records alone: nothing is asked over the network."""

from __future__ import annotations

from dataclasses import dataclass

from lofi_pipeline.entities import KeptFile
from lofi_pipeline.offsite.contents import files_of
from lofi_pipeline.offsite.index import load_index
from lofi_pipeline.storage import DataRoot, load_evicted, looks_kept


@dataclass(frozen=True)
class Overview:
    """Files by path."""

    stored: dict[str, KeptFile]
    waiting: list[str]
    """New or changed here: the next push puts them."""
    away: dict[str, KeptFile]
    """In the store only."""
    gone: list[str]
    """In the store, and removed here."""


def overview(root: DataRoot, store: str) -> Overview:
    """What is on record about a data root and a store."""
    known, evicted = load_index(root, store), load_evicted(root)
    away = evicted.files if evicted and evicted.store == store else {}
    present = set(files_of(root))
    return Overview(
        stored=known,
        waiting=sorted(
            path for path in present if path not in known or not looks_kept(root.path / path, known[path])
        ),
        away=away,
        gone=sorted(known.keys() - present - away.keys()),
    )
