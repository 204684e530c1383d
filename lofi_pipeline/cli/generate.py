"""Music from a prompt, with a checkpoint's LoRA or without: what `lofi generate` does."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lofi_pipeline.config import PipelineConfig, load_config
from lofi_pipeline.entities import RecordError
from lofi_pipeline.resources import base_name
from lofi_pipeline.storage import DataRoot, write_bytes_atomic

if TYPE_CHECKING:
    import numpy as np

FORMATS = {".wav": "WAV", ".flac": "FLAC"}
_TEMPO = re.compile(r"\b(\d{2,3})\s*bpm\b", re.IGNORECASE)
_DEFAULT_BPM = 80


@dataclass(frozen=True)
class Request:
    """What to make. `checkpoint`: an id, a partition key, `best` or `base`."""

    prompt: str
    output: Path
    checkpoint: str = "best"
    seconds: float = 10.0
    bpm: int | None = None
    lyrics: str = "[instrumental]"
    seed: int = 0

    @property
    def tempo(self) -> int:
        """The tempo asked for, else the one the prompt names."""
        named = _TEMPO.search(self.prompt)
        return self.bpm or (int(named[1]) if named else _DEFAULT_BPM)


def find_folder(root: DataRoot, checkpoint: str) -> Path | None:
    """The folder of a checkpoint; None for `base`.

    Raises:
        RecordError: no such checkpoint, or its weights were pruned.
    """
    from lofi_pipeline.checkpoints.best import best_checkpoint
    from lofi_pipeline.checkpoints.manifest import find_checkpoint, scan_checkpoints

    if checkpoint == "base":
        return None
    found = [item for item in scan_checkpoints(root) if item.record]
    there = (
        ", ".join(item.folder.name for item in found if item.record and not item.record.pruned) or "none yet"
    )
    if checkpoint == "best":
        best = best_checkpoint(found)
        if best is None:
            raise RecordError(
                f"{root.checkpoints}: no checkpoint was scored yet; train first (lofi run), or use --checkpoint base"
            )
        return best.found.folder
    folder = next((item.folder for item in found if item.folder.name == checkpoint), None)
    folder = folder or find_checkpoint(root, checkpoint)
    if folder is None:
        raise RecordError(
            f"--checkpoint: no checkpoint {checkpoint!r} in {root.checkpoints}; there are: {there}"
        )
    if any(item.folder == folder and item.record and item.record.pruned for item in found):
        raise RecordError(f"--checkpoint: the weights of {checkpoint} were pruned; there are: {there}")
    return folder


def _refuse_other_base(folder: Path, base: str) -> None:
    """LoRAs of another base of the same shape would load, and play noise."""
    from lofi_pipeline.checkpoints.manifest import read_record
    from lofi_pipeline.training.bases import describe_base

    trained_on, given = read_record(folder).lineage.base, describe_base(base)
    if trained_on.sha256 != given.sha256:
        raise RecordError(
            f"{folder.name}: was trained on the base {trained_on.name} ({trained_on.sha256[:8]}), this is "
            f"{given.name} ({given.sha256[:8]}); give --base, or set training.base, to the one it was trained on"
        )


def generate_to_file(root: DataRoot, wanted: Request) -> Path:
    """Generate and write a WAV or FLAC file, whole or not at all.

    Raises:
        RecordError: unknown checkpoint or file type, or the checkpoint is of another base model.
        CheckpointError: the checkpoint's files are damaged.
        PromptTooLong: the base model would read the prompt in part only.
        NotFinite: the model gave NaN or infinity, which is no music.
    """
    kind = FORMATS.get(wanted.output.suffix.lower())
    if kind is None:
        raise RecordError(f"--output: {wanted.output.name}: write to a file ending in {' or '.join(FORMATS)}")
    folder = find_folder(root, wanted.checkpoint)
    config = load_config()
    if folder is not None:
        _refuse_other_base(folder, base_name(config))
    import soundfile

    samples, rate = _generate(wanted, folder, config)
    music = io.BytesIO()
    soundfile.write(music, samples.T, rate, format=kind, subtype="PCM_16")
    write_bytes_atomic(wanted.output, music.getvalue())
    return wanted.output


def _generate(wanted: Request, folder: Path | None, config: PipelineConfig) -> tuple[np.ndarray, int]:
    """Samples, float [channels, frames] within -1 and 1, and their rate; `folder`: of the LoRA, if there is to be one."""
    import numpy as np
    import torch

    from lofi_pipeline.evaluation import NotFinite
    from lofi_pipeline.training.bases import pick_device
    from lofi_pipeline.training.in_turn import open_base
    from lofi_pipeline.training.prompt_length import check_prompt_length
    from lofi_pipeline.training.weights import load_checkpoint_into

    pipeline: Any = open_base(base_name(config), device=pick_device(), offload=config.training.offload)
    check_prompt_length(pipeline, wanted.prompt)
    if folder is not None:
        load_checkpoint_into(pipeline, folder)
    found = pipeline(
        prompt=wanted.prompt,
        lyrics=wanted.lyrics,
        audio_duration=wanted.seconds,
        bpm=wanted.tempo,
        num_inference_steps=config.evaluation.inference_steps,
        guidance_scale=config.evaluation.guidance_scale,
        generator=torch.Generator().manual_seed(wanted.seed),
        output_type="np",
    ).audios[0]
    if not np.isfinite(found).all():
        raise NotFinite(
            f"{folder.name if folder else base_name(config)}: the model gives NaN or infinity, no music; nothing was "
            "written; generate with another checkpoint, or train again with a lower learning rate"
        )
    return np.clip(found, -1.0, 1.0), pipeline.sample_rate
