"""From a checkpoint's folder to its scores, and those of its base model as step 0."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lofi_pipeline.checkpoints.ledger_entries import enter_scores
from lofi_pipeline.checkpoints.manifest import compile_manifest, read_record
from lofi_pipeline.config import EvaluationSettings
from lofi_pipeline.entities import BaseModelFacts, CheckpointRecord, DatasetVersion, ScoreKey, Scores
from lofi_pipeline.evaluation.embedders import Embedder, open_embedder
from lofi_pipeline.evaluation.errors import EvaluationError
from lofi_pipeline.evaluation.key import score_key
from lofi_pipeline.evaluation.records import (
    base_samples_folder,
    read_base_scores,
    read_scores,
    write_base_scores,
    write_scores,
)
from lofi_pipeline.evaluation.score import BASE_CHECKPOINT_ID, BASE_STEP, evaluate
from lofi_pipeline.storage import DataRoot, locked
from lofi_pipeline.training.bases import describe_base, load_base, pick_device, torch_threads

if TYPE_CHECKING:
    from diffusers import AceStepPipeline  # pyright: ignore[reportPrivateImportUsage]

SAMPLES_FOLDER = "samples"
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Evaluated:
    """A checkpoint's scores beside its base's. `fresh`: generated now, not found on disk."""

    record: CheckpointRecord
    scores: Scores
    base: Scores
    fresh: bool


@lru_cache(maxsize=1)
def _open_base(name: str, _sha256: str, device: str) -> AceStepPipeline:
    """The base in this process: kept for the next checkpoint."""
    return load_base(name, device=device)


@lru_cache(maxsize=1)
def _open_embedder(settings: str) -> Embedder:
    return open_embedder(EvaluationSettings.model_validate_json(settings))


def evaluate_checkpoint(
    root: DataRoot,
    folder: Path,
    version: DatasetVersion,
    base_name: str,
    settings: EvaluationSettings,
    progress: Tell = lambda message: None,
) -> Evaluated:
    """Score the checkpoint in `folder` against the validation split of `version`; the base too, where it was not.

    Scores that are on disk with exactly the key that new ones would have are returned as they are.

    Raises:
        EvaluationError: the checkpoint is not valid, was pruned, or belongs to another base model.
    """
    record = read_record(folder)
    facts = describe_base(base_name)
    if not record.checkpoint.is_valid:
        raise EvaluationError(
            f"{folder.name}: is not valid ({record.invalid_reason}); mend that, then materialize its lora_checkpoints again"
        )
    if record.lineage.base.sha256 != facts.sha256:
        raise EvaluationError(
            f"{folder.name}: was trained on {record.lineage.base.name}, not on {facts.name}; set training.base to that"
        )
    import torch

    torch.set_num_threads(torch_threads())
    embedder = _open_embedder(settings.model_dump_json())
    key = score_key(root, version, embedder, settings)
    base = _base_scores(root, version, base_name, facts, embedder, settings, key, progress)
    there = read_scores(folder)
    if there is not None and there.key == key:
        return Evaluated(record, there, base, fresh=False)
    if record.pruned:
        raise EvaluationError(
            f"{folder.name}: its weights were pruned; to score it, raise retention.keep_best and train again"
        )
    from lofi_pipeline.training.weights import load_checkpoint_into

    pipeline: Any = _open_base(base_name, facts.sha256, pick_device())
    try:
        load_checkpoint_into(pipeline, folder)
        scores = evaluate(
            root,
            version,
            pipeline,
            embedder,
            settings,
            step=record.checkpoint.step,
            checkpoint_id=record.checkpoint.checkpoint_id,
            samples_dir=folder / SAMPLES_FOLDER,
            progress=progress,
        )
    finally:
        pipeline.unload_lora_weights()
    write_scores(folder, scores)
    enter_scores(root, folder, record, scores)
    compile_manifest(root, folder.parent)
    return Evaluated(record, scores, base, fresh=True)


def _base_scores(
    root: DataRoot,
    version: DatasetVersion,
    base_name: str,
    facts: BaseModelFacts,
    embedder: Embedder,
    settings: EvaluationSettings,
    key: ScoreKey,
    progress: Tell,
) -> Scores:
    """The base model without LoRA, scored the same way: once for each key."""
    with locked(root.metadata / "base_scores"):
        there = read_base_scores(root, facts.sha256, key)
        if there is not None:
            return there
        progress(f"scoring the base model {facts.name} as step 0")
        scores = evaluate(
            root,
            version,
            _open_base(base_name, facts.sha256, pick_device()),
            embedder,
            settings,
            step=BASE_STEP,
            checkpoint_id=BASE_CHECKPOINT_ID,
            samples_dir=base_samples_folder(root, facts.sha256, key),
            progress=progress,
        )
        write_base_scores(root, facts.sha256, scores)
        return scores
