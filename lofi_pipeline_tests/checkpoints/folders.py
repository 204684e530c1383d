"""Checkpoint folders for tests that need no model: real records and scores, small files in place of weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from lofi_pipeline.entities import (
    CHECKPOINT_RECORD,
    SCORES_RECORD,
    BaseModelFacts,
    CheckpointRecord,
    Imported,
    LeavingOut,
    Lineage,
    MemorisedSample,
    QualityMetrics,
    Sample,
    ScoreKey,
    Scores,
    checkpoint_id_of,
    now,
)
from lofi_pipeline.storage import DataRoot, content_sha256, file_sha256, write_json_atomic

INTERVAL = 10


def make_lineage(name: str = "a") -> Lineage:
    return Lineage(
        dataset_hash=content_sha256("data set"),
        config_hash=content_sha256(name),
        lineage=content_sha256(["lineage", name]),
        base=BaseModelFacts(
            name="toy", sha256=content_sha256("base"), sampling_rate=48_000, latents_per_second=25
        ),
        preset="toy",
        checkpoint_interval=INTERVAL,
        max_steps=1000,
    )


def make_record(
    step: int,
    *,
    lineage: str = "a",
    is_valid: bool = True,
    pruned: bool = False,
    files: dict[str, str] | None = None,
) -> CheckpointRecord:
    line, name = make_lineage(lineage), checkpoint_id_of(step)
    checkpoint = {
        "checkpoint_id": name,
        "step": step,
        "path": f"checkpoints/{name}",
        "timestamp": now(),
        "is_valid": is_valid,
        "config_hash": line.config_hash,
        "dataset_hash": line.dataset_hash,
    }
    data = {"checkpoint": checkpoint, "lineage": line, "files": files or {}, "pruned": pruned}
    return CheckpointRecord.parse(data, where=name, context={"checkpoint_interval": INTERVAL})


def make_imported(root: DataRoot, name: str, *, base: BaseModelFacts | None = None) -> Path:
    """The folder of a LoRA that was trained elsewhere, as `lofi import-lora` leaves it."""
    weights, settings = content_sha256(name), content_sha256("settings")
    lineage = make_lineage(name).model_copy(
        update={
            "dataset_hash": weights,
            "config_hash": settings,
            "lineage": content_sha256({"dataset": weights, "config": settings}),
            "base": base or make_lineage().base,
            "checkpoint_interval": 1,
            "max_steps": 1,
            "imported": Imported(file=f"{name}.safetensors", sha256=weights, form="kohya"),
        }
    )
    folder = root.archived_lineage(lineage.lineage) / checkpoint_id_of(1)
    folder.mkdir(parents=True)
    save_file({"weight": np.ones(3, np.float32)}, folder / "adapter_model.safetensors")
    checkpoint = make_record(0).checkpoint.model_dump() | {
        "checkpoint_id": folder.name,
        "step": 1,
        "path": root.relative(folder),
        "dataset_hash": weights,
        "config_hash": settings,
    }
    files = {"adapter_model.safetensors": file_sha256(folder / "adapter_model.safetensors")}
    data = {"checkpoint": checkpoint, "lineage": lineage, "files": files}
    record = CheckpointRecord.parse(data, where=name, context={"checkpoint_interval": 1})
    write_json_atomic(folder / CHECKPOINT_RECORD, record)
    return folder


CLIPS = 10
"""Of scores that `make_scores` makes: a difference of two has the error asked for with up to as many steps."""


def make_scores(
    step: int,
    fad: float,
    *,
    embedder: str = "nano",
    error: float | None = 0.0,
    clap: Sequence[float] = (0.5,),
    memorised: bool = False,
) -> Scores:
    """Scores whose FAD differs from that of another step with this standard error; None: as they were before it was measured."""
    name = checkpoint_id_of(step)
    without = np.full(CLIPS, fad)
    without[step // INTERVAL % CLIPS] += (error or 0) * np.sqrt(CLIPS / (2 * (CLIPS - 1)))
    return Scores(
        metrics=QualityMetrics(
            checkpoint_id=name, evaluation_date=now(), fad_score=fad, clap_score=float(np.mean(clap))
        ),
        step=step,
        key=ScoreKey(
            embedder=embedder,
            embedder_sha256=content_sha256(embedder),
            dimension=16,
            window_seconds=1.0,
            reference_sha256=content_sha256("reference"),
            prompts_sha256=content_sha256("prompts"),
            versions={},
        ),
        clap_shuffled=0.1,
        reference_windows=10,
        generated_windows=10,
        samples=[
            Sample(prompt="lofi", seed=seed, path=f"checkpoints/{name}/samples/00.wav", clap=value)
            for seed, value in enumerate(clap)
        ],
        fad_leaving_out=None if error is None else LeavingOut(clips=without.tolist(), tracks=[]),
        memorised=[MemorisedSample("validation-01-track_001", "track_001", 0.2)] if memorised else None,
    )


def make_folder(root: DataRoot, step: int, *, lineage: str = "a", fad: float | None = None) -> Path:
    """A checkpoint folder as training writes it, evaluated when `fad` is given."""
    folder = root.checkpoint(checkpoint_id_of(step))
    (folder / "resume").mkdir(parents=True)
    files = {}
    for name in (
        "pytorch_lora_weights.safetensors",
        "adapter_model.safetensors",
        "resume/optimizer.safetensors",
    ):
        save_file({"weight": np.full(3, step, np.float32)}, folder / name)
        files[name] = file_sha256(folder / name)
    write_json_atomic(folder / CHECKPOINT_RECORD, make_record(step, lineage=lineage, files=files))
    if fad is not None:
        write_json_atomic(folder / SCORES_RECORD, make_scores(step, fad))
        (folder / "samples").mkdir()
        (folder / "samples" / "00.wav").write_bytes(b"RIFF")
    return folder
