"""A training's lineage: the data set, the preset and the base model that all of its checkpoints share. Torch-free."""

from __future__ import annotations

from lofi_pipeline.checkpoints.folder import scan_checkpoints
from lofi_pipeline.checkpoints.manifest import active_lineage
from lofi_pipeline.config import TrainingPreset, config_hash
from lofi_pipeline.entities import (
    BaseModelFacts,
    CheckpointRecord,
    DatasetVersion,
    HeldOutEnds,
    Lineage,
    StartedFrom,
)
from lofi_pipeline.storage import DataRoot, content_sha256, read_json
from lofi_pipeline.training.errors import TrainingError


def lineage_hash(dataset_hash: str, configuration: str) -> str:
    """The hash that names a lineage."""
    return content_sha256({"dataset": dataset_hash, "config": configuration})


def read_version(root: DataRoot, dataset_hash: str) -> DatasetVersion:
    """The data set version of a training.

    Raises:
        TrainingError: not kept in this data root.
    """
    path = root.dataset_version(dataset_hash)
    try:
        return DatasetVersion.parse(read_json(path), where=str(path))
    except FileNotFoundError as error:
        raise TrainingError(
            f"data set version {dataset_hash[:8]} is not in {root.metadata}/datasets; build it"
        ) from error


def lineage_of(
    version: DatasetVersion,
    preset_name: str,
    preset: TrainingPreset,
    base: BaseModelFacts,
    start: StartedFrom | None = None,
) -> Lineage:
    """The lineage that training `preset` on `version` with `base` makes, from `start` (see start.py) where it names one.

    The preset's name does not count.
    """
    dataset_hash = version.dataset.hash
    configuration = config_hash(preset, base.sha256, start.weights if start else None)
    return Lineage(
        dataset_hash=dataset_hash,
        config_hash=configuration,
        lineage=lineage_hash(dataset_hash, configuration),
        base=base,
        preset=preset_name,
        checkpoint_interval=preset.checkpoint_interval,
        max_steps=preset.max_steps,
        caption_variants=preset.caption_variants,
        prior_clips=preset.prior_clips,
        started_from=start,
        trigger=preset.trigger_in_captions,
        held_out_ends=held_out_ends(preset),
    )


def held_out_ends(preset: TrainingPreset) -> HeldOutEnds | None:
    """What of training tracks a preset leaves out of the training."""
    if not preset.holdout_seconds:
        return None
    return HeldOutEnds(seconds=preset.holdout_seconds, crop_seconds=preset.crop_seconds)


def last_step(lineage: Lineage) -> int:
    """The step training ends at: the last multiple of the checkpoint interval, so that no step goes unsaved.

    Raises:
        TrainingError: the interval is longer than the training.
    """
    step = lineage.max_steps // lineage.checkpoint_interval * lineage.checkpoint_interval
    if step == 0:
        raise TrainingError(
            f"preset {lineage.preset}: max_steps {lineage.max_steps} is below checkpoint_interval "
            f"{lineage.checkpoint_interval}: no checkpoint would ever be written; lower the interval or raise max_steps"
        )
    return step


def last_checkpoint(root: DataRoot, lineage: Lineage) -> CheckpointRecord | None:
    """The valid checkpoint that a training ended with; None where it did not come there, or another training is the active one."""
    active = active_lineage(root)
    if active is None or active.lineage != lineage.lineage:
        return None
    records = [found.record for found in scan_checkpoints(root) if found.record]
    its = [record for record in records if record.lineage.lineage == lineage.lineage]
    return next((record for record in its if record.is_last and record.checkpoint.is_valid), None)
