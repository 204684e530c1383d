"""Pins: a person's word on which checkpoint of a lineage is the best, which overrules scores. Kept in metadata/pins.json."""

from __future__ import annotations

from pathlib import Path

from lofi_pipeline.entities import CheckpointRecord, Pin, Pins, now
from lofi_pipeline.storage.atomic import locked, read_json, write_json_atomic
from lofi_pipeline.storage.data_root import DataRoot


def pins_path(root: DataRoot) -> Path:
    """Where they are kept."""
    return root.metadata / "pins.json"


def read_pins(root: DataRoot) -> dict[str, Pin]:
    """The pins by partition key.

    Raises:
        RecordError: the file was damaged.
    """
    path = pins_path(root)
    if not path.is_file():
        return {}
    return {pin.checkpoint: pin for pin in Pins.parse(read_json(path), where=root.relative(path)).pins}


def pin(root: DataRoot, record: CheckpointRecord, why: str) -> Pin:
    """Have this checkpoint be the best of its lineage; a former pin of the lineage is taken back."""
    found = Pin(checkpoint=record.partition_key, why=why, pinned=now())
    _write(root, record, [found])
    return found


def unpin(root: DataRoot, record: CheckpointRecord) -> None:
    """Take the pin of this checkpoint's lineage back: scores decide again."""
    _write(root, record, [])


def _write(root: DataRoot, record: CheckpointRecord, of_lineage: list[Pin]) -> None:
    with locked(pins_path(root)):
        prefix = record.partition_key.partition("-")[0]
        others = [pin for key, pin in read_pins(root).items() if key.partition("-")[0] != prefix]
        write_json_atomic(pins_path(root), Pins(pins=[*others, *of_lineage]))
