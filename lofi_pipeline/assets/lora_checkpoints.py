"""lora_checkpoints: each checkpoint as it landed, from this machine's training or copied in from another's."""

from datetime import date

import dagster as dg

from lofi_pipeline.assets.failures import failing_in_words
from lofi_pipeline.assets.metadata import DATA_VERSION_TAG, rounded
from lofi_pipeline.assets.partitions import CHECKPOINTS, OWNERS
from lofi_pipeline.config import load_config
from lofi_pipeline.entities import CheckpointRecord, DatasetVersion
from lofi_pipeline.errors import LofiError
from lofi_pipeline.resources import Workspace, base_name
from lofi_pipeline.storage import DataRoot, content_sha256, read_json

INTEGRITY = "checkpoint_is_what_landed"


def checkpoint_facts(
    root: DataRoot, record: CheckpointRecord
) -> dict[str, dg.MetadataValue | str | int | float]:
    """What the UI shows of a checkpoint."""
    checkpoint = record.checkpoint
    losses = {"loss": record.loss, "validation_loss": record.validation_loss}
    return {
        "checkpoint_id": checkpoint.checkpoint_id,
        "step": checkpoint.step,
        "is_valid": str(checkpoint.is_valid),
        "base": f"{record.lineage.base.name} ({record.lineage.base.sha256[:12]})",
        "dataset_hash": checkpoint.dataset_hash,
        "config_hash": checkpoint.config_hash,
        "path": dg.MetadataValue.path(str(root.inside(checkpoint.path))),
        "licences": _licences(root, checkpoint.dataset_hash),
        **{name: rounded(value) for name, value in losses.items() if value is not None},
        **({"invalid_reason": record.invalid_reason} if record.invalid_reason else {}),
    }


def _licences(root: DataRoot, dataset_hash: str) -> str:
    """What the policy says today of all that fed a data set version."""
    from lofi_pipeline.audit import verdict_today

    path = root.dataset_version(dataset_hash)
    try:
        version = DatasetVersion.parse(read_json(path), where=root.relative(path))
        return verdict_today(root, version, load_config().licensing, date.today()).sentence
    except (LofiError, OSError) as error:
        return f"not known: {error}"


def _data_version(record: CheckpointRecord) -> str:
    return content_sha256(record.files)


def checkpoint_materialization(root: DataRoot, record: CheckpointRecord) -> dg.AssetMaterialization:
    """The event for a checkpoint that has just landed."""
    return dg.AssetMaterialization(
        "lora_checkpoints",
        partition=record.partition_key,
        metadata=checkpoint_facts(root, record),
        tags={DATA_VERSION_TAG: _data_version(record)},
    )


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
    from lofi_pipeline.checkpoints.manifest import compile_manifest, find_checkpoint
    from lofi_pipeline.training.checkpoints import record_verification, verify_checkpoint

    root = workspace.root
    folder = find_checkpoint(root, context.partition_key)
    if folder is None:
        raise dg.Failure(
            f"no checkpoint {context.partition_key} under {root.checkpoints}; copy its whole folder there",
            allow_retries=False,
        )
    try:
        verification = verify_checkpoint(root, folder, base_name(workspace.config))
    except LofiError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    record = record_verification(folder, verification)
    compile_manifest(root, folder.parent)
    if record is None:
        raise dg.Failure(verification.reason or f"{folder.name}: has no readable record", allow_retries=False)
    return dg.MaterializeResult(
        metadata=checkpoint_facts(root, record),
        data_version=dg.DataVersion(_data_version(record)),
        check_results=[
            dg.AssetCheckResult(
                check_name=INTEGRITY,
                passed=verification.is_valid,
                metadata={"reason": verification.reason or "whole"},
            )
        ],
    )
