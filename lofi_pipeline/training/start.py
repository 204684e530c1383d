"""Starting from a LoRA: a checkpoint of this data root, or an imported one. Torch-free but for reading its weights in loop.py.

What it was trained on shapes the new one too: the lineage keeps it, and the audit follows it.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

from lofi_pipeline.checkpoints.folder import PEFT_FILE, all_checkpoints
from lofi_pipeline.checkpoints.ledger_entries import BUNDLE
from lofi_pipeline.checkpoints.manifest import active_lineage, files_fault
from lofi_pipeline.config import TrainingPreset
from lofi_pipeline.entities import CheckpointRecord, Lineage, StartedFrom
from lofi_pipeline.storage import DataRoot, read_ledger
from lofi_pipeline.training.errors import TrainingError
from lofi_pipeline.training.lineage import read_version


def start_of(root: DataRoot, preset: TrainingPreset, base_sha256: str) -> StartedFrom | None:
    """The LoRA that a preset starts from; None: the base alone.

    Raises:
        TrainingError: there is no such checkpoint, or it is of another base.
    """
    key = preset.start_from
    if key is None:
        return None
    active = active_lineage(root)
    if active and active.started_from and active.started_from.partition_key == key:
        return active.started_from  # wherever its files are by now
    record = _find(root, key)[1]
    if record.lineage.base.sha256 != base_sha256:
        raise TrainingError(
            f"start_from {key}: is of the base {record.lineage.base.name} ({record.lineage.base.sha256[:8]}); set training.base to "
            "it, or start from another checkpoint"
        )
    return StartedFrom(partition_key=key, weights=record.files[PEFT_FILE], lineage=record.lineage)


def start_folder(root: DataRoot, start: StartedFrom) -> Path:
    """The folder with the weights that a training starts from, whole and as they were recorded.

    Raises:
        TrainingError: they are gone, damaged, or others.
    """
    folder, record = _find(root, start.partition_key)
    if record.pruned:
        raise TrainingError(
            f"start_from {start.partition_key}: its weights were removed by retention; start from a checkpoint that has them"
        )
    fault = files_fault(folder, record)
    if fault or record.files.get(PEFT_FILE) != start.weights:
        raise TrainingError(
            f"start_from {start.partition_key}: {fault or 'has other weights than when this training began'}; copy the whole "
            f"folder {root.relative(folder)} again"
        )
    return folder


def refuse_withdrawn(root: DataRoot, lineage: Lineage, today: date) -> None:
    """Nothing is trained on from a LoRA that heard music which was withdrawn since. A bundle was judged when it was exported.

    Raises:
        TrainingError: names the LoRA, the tracks and the source.
    """
    if not lineage.before or BUNDLE in read_ledger(root).hashes:
        return
    # Where a bundle is trained there is nothing that reads licences
    from lofi_pipeline.licensing.withdrawals import load_withdrawals, withdrawn_contents, withdrawn_sources

    withdrawals = load_withdrawals(root)
    sources, contents = withdrawn_sources(withdrawals, today), withdrawn_contents(withdrawals, today)
    for start in lineage.before if withdrawals else ():
        if start.lineage.imported:
            continue
        for item in read_version(root, start.lineage.dataset_hash).tracks:
            by = next((sources[it] for it in item.source_ids if it in sources), contents.get(item.sha256))
            if by:
                raise TrainingError(
                    f"start_from {start.partition_key}: was trained on {item.track.track_id} of {by.source_id}, which was withdrawn on "
                    f"{by.day}; start from a checkpoint that was trained without it, or from the base"
                )


def _find(root: DataRoot, key: str) -> tuple[Path, CheckpointRecord]:
    readable = [(it.folder, it.record) for it in all_checkpoints(root) if it.record]
    for folder, record in readable:
        if record.partition_key == key:
            return folder, record
    known = ", ".join(sorted(record.partition_key for _, record in readable)[:8])
    raise TrainingError(f"start_from {key}: there is no such checkpoint; there are: {known or 'none'}")
