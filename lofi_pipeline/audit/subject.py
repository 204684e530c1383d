"""From what somebody typed to what is to be audited: a checkpoint or a data set version."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lofi_pipeline.audit.errors import BrokenRecord, UnknownSubject
from lofi_pipeline.audit.inputs import AuditInputs
from lofi_pipeline.checkpoints.folder import CheckpointFolder
from lofi_pipeline.entities import CheckpointRecord, StartedFrom

CHECKPOINT_ID = re.compile(r"epoch=0-step=[0-9]+_lora")
PARTITION_KEY = re.compile(r"[0-9a-f]{8}-step[0-9]{6,}")
VERSION = re.compile(r"(?:dataset-)?([0-9a-f]{8,64})")
SHORTEST_PREFIX = 8
SHOWN = 8


@dataclass(frozen=True)
class Subject:
    """What is to be audited: a data set version, and the checkpoint that was trained on it if one was named."""

    dataset_hash: str
    checkpoint: CheckpointFolder | None = None
    folder_name: str = ""
    """The folder of its audit: the name it was asked for by, or of a shortened hash the whole one."""

    @property
    def imported(self) -> CheckpointRecord | None:
        """The record of a LoRA that was trained elsewhere."""
        record = self.checkpoint.record if self.checkpoint else None
        return record if record and record.lineage.imported else None

    @property
    def before(self) -> list[StartedFrom]:
        """The LoRAs that it goes back to, the nearest first."""
        record = self.checkpoint.record if self.checkpoint else None
        return record.lineage.before if record else []


def find_subject(inputs: AuditInputs, name: str) -> Subject:
    """The checkpoint (by id or partition key) or data set version (by hash, its first 8 digits or more, or id).

    Raises:
        UnknownSubject: there is none of that name, or several: the candidates are named.
        BrokenRecord: the checkpoint is there, but its record can't be read.
    """
    name = name.strip()
    if CHECKPOINT_ID.fullmatch(name):
        return _checkpoint(inputs, name, [item for item in inputs.checkpoints if item.folder.name == name])
    if PARTITION_KEY.fullmatch(name):
        step = int(name[13:])
        found = [item for item in inputs.checkpoints if item.key == name]
        unreadable = [item for item in inputs.checkpoints if item.record is None and item.step == step]
        return _checkpoint(inputs, name, found or unreadable)
    if version := VERSION.fullmatch(name):
        return _version(inputs, version[1])
    raise UnknownSubject(
        f"{name!r:.80} is neither a checkpoint (epoch=0-step=500_lora, or 1a2b3c4d-step000500) nor the hash of a data set "
        f"version (its first {SHORTEST_PREFIX} digits or more)"
    )


def _checkpoint(inputs: AuditInputs, name: str, found: list[CheckpointFolder]) -> Subject:
    root = inputs.root
    if not found:
        known = sorted({item.key for item in inputs.checkpoints})
        raise UnknownSubject(f"no checkpoint {name} under {root.checkpoints}; {_there_are(known)}")
    if len(found) > 1:
        named = ", ".join(f"{item.key} ({root.relative(item.folder)})" for item in found)
        raise UnknownSubject(
            f"{name}: several lineages have a checkpoint of that id; ask for one of: {named}"
        )
    checkpoint = found[0]
    if checkpoint.record is None:
        raise BrokenRecord(checkpoint.error or f"{checkpoint.folder.name}: has no readable record")
    return Subject(checkpoint.record.checkpoint.dataset_hash, checkpoint, name)


def _version(inputs: AuditInputs, prefix: str) -> Subject:
    found = [digest for digest in inputs.version_hashes if digest.startswith(prefix)]
    if not found:
        start = inputs.root.relative(inputs.root.dataset_version(prefix)).removesuffix(".json")
        for name in inputs.ledger.hashes:
            if name.startswith(start):
                raise BrokenRecord(f"{name}: was sealed, and is missing; take it back from a backup")
        raise UnknownSubject(
            f"no data set version {prefix} under {inputs.root.dataset_version(prefix).parent}; "
            + _there_are([digest[:12] for digest in inputs.version_hashes])
        )
    if len(found) > 1:
        raise UnknownSubject(
            f"{prefix}: several data set versions begin so; ask for one of: {', '.join(found)}"
        )
    return Subject(found[0], None, found[0])


def _there_are(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"there are: {', '.join(names[:SHOWN])}{more}" if names else "there is none yet"
