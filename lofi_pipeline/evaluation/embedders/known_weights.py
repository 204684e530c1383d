"""The hashes of weights that the user brings, kept in cache/weights.json: gigabytes are read again only where size or time changed.

What is scored names the hash that was read when its embedder was opened, not this one.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lofi_pipeline.entities import Entity, KeptFile, RecordError
from lofi_pipeline.storage import DataRoot, kept_file, locked, looks_kept, read_record, write_json_atomic


class KnownWeights(Entity):
    """How each file was when it was hashed, by its path."""

    files: dict[str, KeptFile] = {}


def known_hashes(root: DataRoot) -> Callable[[Path], str]:
    """What gives a file's hash: the one that is known, else it is read, and known from then on."""
    path = root.known_weights_json
    known = _read(path)

    def hashed(file: Path) -> str:
        name = str(file)
        if name not in known or not looks_kept(file, known[name]):
            with locked(path):
                known.update(_read(path) | {name: kept_file(file)})
                write_json_atomic(path, KnownWeights(files=known))
        return known[name].sha256

    return hashed


def _read(path: Path) -> dict[str, KeptFile]:
    try:
        return dict(read_record(KnownWeights, path).files)
    except (OSError, RecordError):
        return {}  # a cache
