"""Clips that a checkpoint makes for a test, where those that were kept when it was scored are too few or too short."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from lofi_pipeline.checkpoints.folder import CheckpointFolder
from lofi_pipeline.config import EvaluationSettings, Offload
from lofi_pipeline.dataset import load_version
from lofi_pipeline.entities import CheckpointRecord
from lofi_pipeline.evaluation.prompts import PromptSpec, evaluation_prompts
from lofi_pipeline.evaluation.score import write_sample
from lofi_pipeline.listening.errors import ListeningError
from lofi_pipeline.listening.material import Take, held_out_tracks, record_of
from lofi_pipeline.storage import DataRoot, temporary_folder
from lofi_pipeline.training.bases import describe_base, pick_device
from lofi_pipeline.training.variants import suiting

SEEDS_APART = 7_919
"""New clips have seeds of their own: those of kept samples were seen by whoever chose the checkpoint."""


@contextmanager
def generated_takes(
    root: DataRoot,
    found: CheckpointFolder,
    base: str,
    settings: EvaluationSettings,
    *,
    count: int,
    seconds: float,
    offload: Offload,
    progress: Callable[[str], None] = lambda message: None,
) -> Iterator[list[Take]]:
    """So many clips of the checkpoint for prompts of held-out tracks, as files that are there while the block goes on.

    Raises:
        ListeningError: its weights were pruned, or it was trained on another base.
    """
    record = record_of(found)
    _require_playable(found, record, base)
    current = load_version(root)
    version = current.model_copy(update={"tracks": held_out_tracks(root, record)})
    asked = {
        "clip_seconds": seconds,
        "validation_prompts": count,
        "size": None,
        "seed": settings.seed + SEEDS_APART,
    }
    settings = suiting(settings, base).model_copy(update=asked)
    specs = [
        replace(spec, name=f"listening-{number:03d}")
        for number, spec in enumerate(evaluation_prompts(version, settings, record.lineage.trigger), start=1)
    ]
    with temporary_folder(root.path / "listening", "clips") as folder:
        yield _made(found.folder, folder, base, settings, specs, offload, progress)


def _require_playable(found: CheckpointFolder, record: CheckpointRecord, base: str) -> None:
    if record.pruned:
        raise ListeningError(
            f"{found.folder.name}: its weights were pruned, so it makes no new clips; leave --generate out, or test another"
        )
    given = describe_base(base)
    if given.sha256 != record.lineage.base.sha256:
        raise ListeningError(
            f"{found.folder.name}: was trained on the base {record.lineage.base.name}, not on {given.name}; name that with --base"
        )


def _made(
    checkpoint: Path,
    folder: Path,
    base: str,
    settings: EvaluationSettings,
    specs: list[PromptSpec],
    offload: Offload,
    progress: Callable[[str], None],
) -> list[Take]:
    from lofi_pipeline.evaluation.clip_scores import require_finite
    from lofi_pipeline.evaluation.generate import generate
    from lofi_pipeline.training.in_turn import open_base
    from lofi_pipeline.training.weights import load_checkpoint_into

    pipeline: Any = open_base(base, device=pick_device(), offload=offload)
    load_checkpoint_into(pipeline, checkpoint)
    clips = generate(pipeline, specs, settings, progress)
    require_finite(clips)
    return [Take(write_sample(folder, clip), clip.spec.prompt, clip.spec.seed) for clip in clips]
