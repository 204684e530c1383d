"""A data root that was trained on: a real data set version, and a checkpoint of it with scores and samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from lofi_pipeline.checkpoints.folder import PEFT_FILE
from lofi_pipeline.checkpoints.ledger_entries import enter_checkpoint, enter_scores
from lofi_pipeline.checkpoints.manifest import compile_manifest
from lofi_pipeline.config import config_hash, load_config
from lofi_pipeline.dataset import build_dataset
from lofi_pipeline.entities import (
    CHECKPOINT_RECORD,
    BaseModelFacts,
    CheckpointRecord,
    DatasetVersion,
    Lineage,
    QualityMetrics,
    Sample,
    ScoreKey,
    Scores,
    checkpoint_id_of,
    now,
)
from lofi_pipeline.evaluation.records import write_scores
from lofi_pipeline.storage import DataRoot, content_sha256, file_sha256, read_ledger, write_json_atomic

BASE = BaseModelFacts(
    name="toy", sha256=content_sha256("toy base"), sampling_rate=48_000, latents_per_second=25
)
FILES = ("adapter_model.safetensors", "pytorch_lora_weights.safetensors", "resume/optimizer.safetensors")


def lineage_for(version: DatasetVersion) -> Lineage:
    """The lineage of the nano preset on a version."""
    configuration = config_hash(load_config().training.presets["nano"], BASE.sha256)
    return Lineage(
        dataset_hash=version.dataset.hash,
        config_hash=configuration,
        lineage=content_sha256({"dataset": version.dataset.hash, "config": configuration}),
        base=BASE,
        preset="nano",
        checkpoint_interval=60,
        max_steps=240,
    )


def other_lineage(lineage: Lineage) -> Lineage:
    """A lineage on the same data set with another configuration."""
    configuration = content_sha256(["other", lineage.config_hash])
    arithmetic = content_sha256({"dataset": lineage.dataset_hash, "config": configuration})
    return lineage.model_copy(update={"config_hash": configuration, "lineage": arithmetic})


def land(
    root: DataRoot, lineage: Lineage, step: int, folder: Path | None = None, *, adapter: bytes | None = None
) -> CheckpointRecord:
    """A checkpoint as training lands it: small files in place of weights, all else real; scored, with two samples.

    `adapter`: the bytes of its adapter, such as those of another checkpoint.
    """
    name = checkpoint_id_of(step)
    folder = (folder or root.checkpoints) / name
    files = {}
    for file in FILES:
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        seed = [step, int(lineage.lineage[:6], 16)]
        save_file({"weight": np.random.default_rng(seed).random(8, np.float32)}, path)
        if adapter is not None and file == PEFT_FILE:
            path.write_bytes(adapter)
        files[file] = file_sha256(path)
    (folder / "adapter_config.json").write_text('{"r": 16}')
    files["adapter_config.json"] = file_sha256(folder / "adapter_config.json")
    checkpoint = {
        "checkpoint_id": name,
        "step": step,
        "path": root.relative(folder),
        "timestamp": now(),
        "is_valid": True,
        "config_hash": lineage.config_hash,
        "dataset_hash": lineage.dataset_hash,
    }
    record = CheckpointRecord.parse(
        {
            "checkpoint": checkpoint,
            "lineage": lineage,
            "files": files,
            "loss": 0.5,
            "ledger": read_ledger(root).mark(),
        },
        where=name,
        context={"checkpoint_interval": lineage.checkpoint_interval},
    )
    write_json_atomic(folder / CHECKPOINT_RECORD, record)
    enter_checkpoint(root, record)
    score(root, folder, record)
    compile_manifest(root, folder.parent)
    return record


def score(root: DataRoot, folder: Path, record: CheckpointRecord, fad: float = 1.5) -> Scores:
    """Scores and samples as the evaluation writes them."""
    samples = []
    for number in range(2):
        path = folder / "samples" / f"{number:02d}.flac"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(f"sample {number} of {record.partition_key}".encode())
        samples.append(Sample(prompt="lofi hip hop", seed=number, path=root.relative(path), clap=0.5))
    scores = Scores(
        metrics=QualityMetrics(
            checkpoint_id=record.checkpoint.checkpoint_id,
            evaluation_date=now(),
            fad_score=fad,
            clap_score=0.5,
        ),
        step=record.checkpoint.step,
        key=ScoreKey(
            embedder="nano",
            embedder_sha256=content_sha256("nano"),
            dimension=16,
            window_seconds=1.0,
            reference_sha256=content_sha256("reference"),
            prompts_sha256=content_sha256("prompts"),
            versions={},
        ),
        clap_shuffled=0.1,
        reference_windows=10,
        generated_windows=10,
        samples=samples,
    )
    write_scores(folder, scores)
    enter_scores(root, folder, record, scores)
    return scores


def trained(root: DataRoot) -> CheckpointRecord:
    """Build the data set of a worked-on root, and land the checkpoint of step 60."""
    return land(root, lineage_for(build_dataset(root, load_config()).version), 60)
