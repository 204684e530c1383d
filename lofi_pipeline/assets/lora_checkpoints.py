"""lora_checkpoints: each checkpoint as it landed, from this machine's training or copied in from another's."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg

from lofi_pipeline.assets.failures import failing_in_words
from lofi_pipeline.assets.metadata import Facts, checkpoint_page, rounded
from lofi_pipeline.assets.partitions import CHECKPOINTS, OWNERS
from lofi_pipeline.assets.standing import Standing
from lofi_pipeline.config import load_config
from lofi_pipeline.entities import CheckpointRecord, DatasetVersion
from lofi_pipeline.errors import LofiError
from lofi_pipeline.resources import Workspace, base_name
from lofi_pipeline.storage import DataRoot, content_sha256, read_json

if TYPE_CHECKING:
    from lofi_pipeline.checkpoints.folder import CheckpointFolder

INTEGRITY = "checkpoint_is_what_landed"


def base_trained_on(workspace: Workspace, folder: Path) -> str:
    """The base of a checkpoint, as it is to be asked for; the configured one where its record does not say."""
    from lofi_pipeline.checkpoints.errors import CheckpointError
    from lofi_pipeline.checkpoints.manifest import read_record
    from lofi_pipeline.training.known_bases import base_of

    configured = base_name(workspace.config)
    try:
        return base_of(workspace.root, read_record(folder).lineage, configured)
    except CheckpointError:
        return configured


def standing_checkpoints(workspace: Workspace) -> Iterator[Standing]:
    """Every checkpoint that was scored, pruned, or found invalid, also of former trainings, in the order they landed.

    Another one is new: it is verified, scored and told by the evaluation that checkpoint_sensor asks for.
    """
    for found, record in known_checkpoints(workspace.root):
        if found.scores or record.pruned or not record.checkpoint.is_valid:
            told = standing_of(workspace.root, record)
            yield replace(
                told,
                facts=partial(_facts_if_whole, workspace.root, found.folder, record),
                checks=partial(_checks_on_record, record),
            )


def known_checkpoints(root: DataRoot) -> "list[tuple[CheckpointFolder, CheckpointRecord]]":
    """The checkpoints whose records can be read, in the order they landed."""
    from lofi_pipeline.checkpoints.folder import all_checkpoints

    found = [(item, item.record) for item in all_checkpoints(root) if item.record]
    return sorted(found, key=lambda pair: pair[1].checkpoint.timestamp)


def _facts_if_whole(root: DataRoot, folder: Path, record: CheckpointRecord) -> Facts:
    from lofi_pipeline.checkpoints.errors import CheckpointError
    from lofi_pipeline.checkpoints.manifest import files_fault

    is_there = record.checkpoint.is_valid and not record.pruned
    if is_there and (fault := files_fault(folder, record)):
        raise CheckpointError(f"{folder.name}: {fault}")
    return _facts(root, record)


def _checks_on_record(record: CheckpointRecord) -> list[dg.AssetCheckResult]:
    """What an earlier verification found wrong; whether the LoRA loads is not known without loading it."""
    if record.checkpoint.is_valid:
        return []
    reason = record.invalid_reason or "found invalid"
    return [dg.AssetCheckResult(check_name=INTEGRITY, passed=False, metadata={"reason": reason})]


def standing_of(root: DataRoot, record: CheckpointRecord) -> Standing:
    """A checkpoint that has landed."""
    return Standing(
        "lora_checkpoints",
        content_sha256(record.files),
        partial(_facts, root, record),
        partition=record.partition_key,
    )


def _facts(root: DataRoot, record: CheckpointRecord) -> Facts:
    """What the UI shows of a checkpoint."""
    checkpoint = record.checkpoint
    losses = {"loss": record.loss, "validation_loss": record.validation_loss}
    return {
        "checkpoint_id": checkpoint.checkpoint_id,
        "step": checkpoint.step,
        "timestamp": dg.MetadataValue.timestamp(checkpoint.timestamp),
        "studio": checkpoint_page(record),
        "is_valid": checkpoint.is_valid,
        "invalid_reason": record.invalid_reason,
        "base": f"{record.lineage.base.name} ({record.lineage.base.sha256[:12]})",
        "dataset_hash": checkpoint.dataset_hash,
        "config_hash": checkpoint.config_hash,
        "path": dg.MetadataValue.path(checkpoint.path),
        "licences": _licences(root, record),
        **{name: rounded(value) for name, value in losses.items() if value is not None},
    }


def _licences(root: DataRoot, record: CheckpointRecord) -> str:
    """What the policy says today of all that fed a checkpoint."""
    from lofi_pipeline.audit import verdict_today

    if record.lineage.imported:
        return "not known: it was trained elsewhere"
    path = root.dataset_version(record.checkpoint.dataset_hash)
    try:
        version = DatasetVersion.parse(read_json(path), where=root.relative(path))
        return verdict_today(root, version, load_config().licensing, date.today()).sentence
    except (LofiError, OSError) as error:
        return f"not known: {error}"


@dg.asset(
    group_name="training",
    kinds={"safetensors"},
    owners=OWNERS,
    code_version="1",
    partitions_def=CHECKPOINTS,
    deps=["lora_training"],
    check_specs=[
        dg.AssetCheckSpec(
            INTEGRITY,
            asset="lora_checkpoints",
            description="Every file has the hash it landed with, and the LoRA loads into its base and answers as it did.",
            blocking=True,
        )
    ],
)
@failing_in_words()
def lora_checkpoints(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
    """Verifies one checkpoint by really loading it, and enters it into checkpoints/manifest.json."""
    from lofi_pipeline.checkpoints.manifest import compile_manifest, staying_in_place
    from lofi_pipeline.training.checkpoints import record_verification, verify_checkpoint

    root = workspace.root
    with staying_in_place(root, context.partition_key) as folder:
        if folder is None:
            raise dg.Failure(
                f"no checkpoint {context.partition_key} under {root.checkpoints}; copy its whole folder there",
                allow_retries=False,
            )
        verification = verify_checkpoint(root, folder, base_trained_on(workspace, folder))
        record = record_verification(folder, verification)
        compile_manifest(root, folder.parent)
    if record is None:
        raise dg.Failure(verification.reason or f"{folder.name}: has no readable record", allow_retries=False)
    check = dg.AssetCheckResult(
        check_name=INTEGRITY,
        passed=verification.is_valid,
        metadata={"reason": verification.reason or "whole"},
    )
    return replace(standing_of(root, record), checks=lambda: [check]).result()
