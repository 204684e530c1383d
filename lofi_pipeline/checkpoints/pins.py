"""A person's word on checkpoints, in metadata/pins.json: which is the best of its lineage, which overrules scores; and which keep
their weights, however they score. The best keeps them, too.
"""

from __future__ import annotations

from pathlib import Path

from lofi_pipeline.entities import CheckpointRecord, Pin, Pins, now
from lofi_pipeline.storage import DataRoot, locked, read_json, write_word


def pins_path(root: DataRoot) -> Path:
    """Where they are kept."""
    return root.pins_json


def read_pins(root: DataRoot) -> dict[str, Pin]:
    """Which were named the best, by partition key.

    Raises:
        RecordError: the file was damaged.
    """
    return {pin.checkpoint: pin for pin in _read(root).pins}


def read_kept(root: DataRoot) -> dict[str, Pin]:
    """Which keep their weights by a person's word, by partition key.

    Raises:
        RecordError: the file was damaged.
    """
    return {pin.checkpoint: pin for pin in _read(root).kept}


def pin(root: DataRoot, record: CheckpointRecord, why: str) -> Pin:
    """Have this checkpoint be the best of its lineage; a former best by hand of the lineage is taken back."""
    found = Pin(checkpoint=record.partition_key, why=why, pinned=now())
    _write_best(root, record, [found])
    return found


def unpin(root: DataRoot, record: CheckpointRecord) -> None:
    """Take back who is the best of this checkpoint's lineage: scores decide again."""
    _write_best(root, record, [])


def keep(root: DataRoot, record: CheckpointRecord, why: str) -> Pin:
    """Have this checkpoint keep its weights."""
    found = Pin(checkpoint=record.partition_key, why=why, pinned=now())
    _write_kept(root, record, [found])
    return found


def let_go(root: DataRoot, record: CheckpointRecord) -> None:
    """Have retention decide again whether this checkpoint keeps its weights."""
    _write_kept(root, record, [])


def _read(root: DataRoot) -> Pins:
    path = pins_path(root)
    return Pins.parse(read_json(path), where=root.relative(path)) if path.is_file() else Pins()


def _write_best(root: DataRoot, record: CheckpointRecord, of_lineage: list[Pin]) -> None:
    with locked(pins_path(root)):
        prefix, found = record.partition_key.partition("-")[0], _read(root)
        others = [pin for pin in found.pins if pin.checkpoint.partition("-")[0] != prefix]
        write_word(root, pins_path(root), found.model_copy(update={"pins": [*others, *of_lineage]}))


def _write_kept(root: DataRoot, record: CheckpointRecord, of_checkpoint: list[Pin]) -> None:
    with locked(pins_path(root)):
        found = _read(root)
        others = [pin for pin in found.kept if pin.checkpoint != record.partition_key]
        write_word(root, pins_path(root), found.model_copy(update={"kept": [*others, *of_checkpoint]}))
