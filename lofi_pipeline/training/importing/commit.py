"""A foreign LoRA becomes the one checkpoint of a lineage of its own, in the archive: written, proved, and entered like ours.

It lies in the archive, since the active lineage is the one in training: retention never prunes it, and it is never the best.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lofi_pipeline.checkpoints.errors import CheckpointError
from lofi_pipeline.checkpoints.folder import all_checkpoints
from lofi_pipeline.checkpoints.ledger_entries import enter_checkpoint
from lofi_pipeline.checkpoints.manifest import (
    LINEAGE_RECORD,
    compile_manifest,
    files_fault,
    read_record,
    set_aside,
    write_record,
)
from lofi_pipeline.entities import BaseModelFacts, CheckpointRecord, Imported, Lineage, checkpoint_id_of
from lofi_pipeline.entities.checkpoint import IMPORTED_STEP
from lofi_pipeline.storage import (
    DataRoot,
    commit_folder,
    content_sha256,
    locked,
    read_ledger,
    remove_left_over,
    write_json_atomic,
)
from lofi_pipeline.training.bases import (
    ENCODERS,
    base_folder,
    describe_base,
    load_base,
    model_files,
    pick_device,
)
from lofi_pipeline.training.checkpoints import record_of_files, write_proved_adapter
from lofi_pipeline.training.comfyui import comfyui_file, write_for_comfyui
from lofi_pipeline.training.importing.adapter import Adapter, convert, linear_layers
from lofi_pipeline.training.importing.foreign_file import ForeignLora, read_foreign, refuse
from lofi_pipeline.training.lineage import lineage_hash
from lofi_pipeline.training.weights import attach_adapter, set_adapter_tensors

PRESET = "imported"


@dataclass(frozen=True)
class Claims:
    """What was said of a LoRA by whoever imports it; nothing here proves it."""

    name: str | None = None
    licence: str | None = None
    url: str | None = None


@dataclass(frozen=True)
class ImportedLora:
    """The checkpoint that a LoRA became."""

    record: CheckpointRecord
    folder: Path
    fresh: bool
    """False: it was there already."""


def import_lora(
    root: DataRoot,
    path: Path,
    *,
    base: str,
    base_licence: str | None = None,
    alpha: float | None = None,
    claims: Claims = Claims(),
) -> ImportedLora:
    """Take a LoRA in. The same LoRA again changes nothing; one that was damaged here since is set aside, and written anew.

    Args:
        root: the data root.
        path: a safetensors file, or a folder with one.
        base: the base model that it is for: nano, a hub id, or a folder in diffusers layout.
        base_licence: of the base, as the configuration says it.
        alpha: for a file that does not say it.
        claims: what is to be kept of its name, licence and place.

    Raises:
        ImportRefused: the file can't be taken in.
        BaseModelError: the base model is not there.
        CheckpointError, NonFiniteTraining: it does not load, or gives no numbers.
    """
    folder = base_folder(base)
    sizes = sum(file.stat().st_size for file in model_files(folder))
    foreign = read_foreign(path, most_bytes=sizes)
    _refuse_ours(root, foreign)
    adapter = convert(foreign, linear_layers(folder), alpha)
    said = Imported(file=foreign.file, sha256=foreign.sha256, form=adapter.form, **vars(claims))
    lineage = _lineage(adapter, describe_base(base, licence=base_licence), said)
    target = root.archived_lineage(lineage.lineage) / checkpoint_id_of(IMPORTED_STEP)
    with locked(root.checkpoints / "import"):
        remove_left_over(target.parent.glob("*"))
        record = _there_already(target)
        if fresh := record is None:
            if target.exists():
                set_aside(root, target)
            record = _commit(root, target, lineage, adapter, base)
        # Whoever took it in before may have been killed before it was entered
        if fresh or record.partition_key not in read_ledger(root).hashes:
            enter_checkpoint(root, record)
        write_json_atomic(target.parent / LINEAGE_RECORD, record.lineage)
        compile_manifest(root, target.parent)
    return ImportedLora(record, target, fresh)


def _refuse_ours(root: DataRoot, foreign: ForeignLora) -> None:
    """What was trained here has an origin that is known, and is not to lose it."""
    for found in all_checkpoints(root):
        record = found.record
        if record and record.lineage.imported is None and foreign.sha256 in record.files.values():
            raise refuse(
                foreign.file,
                "file",
                f"is of {found.key}, which was trained here: it is among the checkpoints already",
            )


def _lineage(adapter: Adapter, base: BaseModelFacts, said: Imported) -> Lineage:
    """Its data set is not known: the hash of its weights stands for it. The claims do not count."""
    dataset_hash = adapter.sha256()
    config_hash = content_sha256({"ranks": adapter.ranks, "alphas": adapter.alphas, "base": base.sha256})
    return Lineage(
        dataset_hash=dataset_hash,
        config_hash=config_hash,
        lineage=lineage_hash(dataset_hash, config_hash),
        base=base,
        preset=PRESET,
        checkpoint_interval=IMPORTED_STEP,
        max_steps=IMPORTED_STEP,
        imported=said,
    )


def _there_already(folder: Path) -> CheckpointRecord | None:
    """The record of what was imported before, where it is whole."""
    with suppress(CheckpointError):
        record = read_record(folder)
        if record.checkpoint.is_valid and files_fault(folder, record) is None:
            return record
    return None


def _commit(root: DataRoot, target: Path, lineage: Lineage, adapter: Adapter, base: str) -> CheckpointRecord:
    pipeline = load_base(base, device=pick_device(), without=ENCODERS)
    transformer: Any = pipeline.transformer
    attach_adapter(transformer, adapter.config())
    set_adapter_tensors(transformer, adapter.tensors)
    name = lineage.imported.file if lineage.imported else target.name
    not_finite = f"{name}: with it the base model gives NaN or infinity; nothing was taken in"
    try:
        with commit_folder(target) as folder:
            write_proved_adapter(folder, pipeline, name, not_finite=not_finite)
            write_for_comfyui(folder, transformer, comfyui_file(root, lineage, IMPORTED_STEP))
            record = record_of_files(root, folder, lineage, IMPORTED_STEP, {})
            write_record(folder, record)
    except BaseException:
        with suppress(OSError):
            target.parent.rmdir()
        raise
    return record
