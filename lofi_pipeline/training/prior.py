"""Prior preservation: clips that the base itself made, trained on beside the music, so that it forgets less of what it could.

As Ruiz et al. 2023 (DreamBooth, arXiv 2208.12242) do for images. The clips are made once, as latents that are never decoded, from
prompts that have nothing to do with the data set. They are no tracks: metadata/prior/ says what they are, the cache holds them.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from pydantic import Field
from safetensors.torch import load_file

from lofi_pipeline.config import TrainingPreset
from lofi_pipeline.entities import BaseModelFacts, Entity
from lofi_pipeline.entities.base import RelativePath, Sha256
from lofi_pipeline.storage import DataRoot, content_sha256, locked, read_json, replacing, write_json_atomic
from lofi_pipeline.training.bases import load_base
from lofi_pipeline.training.encode import patch_size
from lofi_pipeline.training.encoded_file import CONDITION, LATENTS, encoded_shape, write_encoded
from lofi_pipeline.training.encoder import Encoder
from lofi_pipeline.training.errors import TrainingError, disk_faults
from lofi_pipeline.training.loss import Crop, CropReader
from lofi_pipeline.training.records import EncodedCaption, EncodedClip
from lofi_pipeline.training.sampling import crop_frames, generator

if TYPE_CHECKING:
    from diffusers import AceStepPipeline  # pyright: ignore[reportPrivateImportUsage]

VERSION = "1"


@dataclass(frozen=True)
class PriorPrompt:
    """What the base is asked for: any tempo, key and metre that suit it."""

    prompt: str
    bpm: int = 100
    keyscale: str = "N/A"
    time_signature: str = "4"
    lyrics: str = "[instrumental]"
    language: str = "unknown"

    @property
    def beats_in_a_bar(self) -> int:
        """Of its metre."""
        return int(self.time_signature)


class PriorClip(Entity):
    """One clip that the base made."""

    prompt: str
    seed: int
    latents: RelativePath
    condition: RelativePath
    sha256: Sha256 = Field(description="Of its latents, float32 [frames, channels]")


class PriorClips(Entity):
    """metadata/prior/<hash>.json: clips made by a base model. None of them is a track of any data set."""

    made_by: BaseModelFacts
    seconds: float
    steps: int
    guidance: float
    clips: list[PriorClip]


class Prior:
    """Draws crops of the base's own clips for each step, as a pure function of (seed, step, rank)."""

    def __init__(self, reader: CropReader, preset: TrainingPreset) -> None:
        self._reader, self._preset = reader, preset

    def draw(self, step: int, rank: int) -> list[Crop]:
        """So many clips beside the step's tracks that prior_share of all examples are clips, on average."""
        preset = self._preset
        batch = preset.batch_size * preset.gradient_accumulation
        rng = generator("prior", preset.seed, step, rank)
        wanted = batch * preset.prior_share / (1 - preset.prior_share)
        count = math.floor(wanted) + int(rng.random() < wanted % 1)
        chosen = [(int(number), 0) for number in rng.integers(len(self._reader.tracks), size=count)]
        return self._reader.draw(chosen, "prior crops", preset.seed, step, rank)


def make_prior(
    root: DataRoot, base_name: str, base: BaseModelFacts, preset: TrainingPreset, device: str
) -> Prior | None:
    """The clips a preset asks for, made where the cache does not hold them; None where it asks for none.

    Raises:
        TrainingError: clips that were made anew are not those that are on record.
    """
    if not preset.prior_clips:
        return None
    asked = {
        "base": base.sha256,
        "seconds": preset.crop_seconds,
        "clips": preset.prior_clips,
        "prompts": preset.prior_prompts,
        "steps": preset.prior_steps,
        "guidance": preset.prior_guidance,
        "precision": preset.precision,
        "version": VERSION,
    }
    path = root.metadata / "prior" / f"{content_sha256(asked)[:16]}.json"
    with locked(path):
        record = PriorClips.parse(read_json(path), where=str(path)) if path.is_file() else None
        if record is None or not _is_cached(root, record):
            made = _make(root, base_name, base, preset, path.stem, device)
            if record is not None and record != made:
                raise TrainingError(
                    f"{path}: the clips that the base makes now are not those that were trained on, as on another machine; take "
                    f"cache/prior/{path.stem}/ back from a backup, or set another prior_clips to train anew"
                )
            record = made
            write_json_atomic(path, record)
    clips = [_encoded(root, base, preset, clip, patch_size(base_name)) for clip in record.clips]
    return Prior(CropReader(root, clips, preset), preset)


def _is_cached(root: DataRoot, record: PriorClips) -> bool:
    def whole(clip: PriorClip) -> bool:
        latents, condition = root.inside(clip.latents), root.inside(clip.condition)
        held = encoded_shape(latents, LATENTS) and encoded_shape(condition, CONDITION)
        return bool(held) and _sha256(load_file(latents)["mean"]) == clip.sha256

    return all(whole(clip) for clip in record.clips)


def _make(
    root: DataRoot, base_name: str, base: BaseModelFacts, preset: TrainingPreset, name: str, device: str
) -> PriorClips:
    """Load the whole base, make the clips one by one, and let it go."""
    dtype = torch.bfloat16 if preset.precision == "bf16" else torch.float32
    pipeline = load_base(base_name, device=device, dtype=dtype)
    folder, clips = root.cache / "prior" / name, []
    for number in range(preset.prior_clips):
        prompt = PriorPrompt(preset.prior_prompts[number % len(preset.prior_prompts)])
        latents = _latents(pipeline, prompt, preset, number)
        condition = Encoder(pipeline).condition_of(prompt, preset.crop_seconds, f"prior clip {number}")
        paths = folder / f"{number:03d}-latents.safetensors", folder / f"{number:03d}-condition.safetensors"
        tensors = {"mean": latents, "std": torch.zeros_like(latents)}, {"condition": condition}
        for path, held in zip(paths, tensors, strict=True):
            with replacing(path) as temporary, disk_faults(path):
                write_encoded(temporary, {key: it.numpy() for key, it in held.items()}, base.sha256)
        clip = PriorClip(
            prompt=prompt.prompt,
            seed=number,
            latents=root.relative(paths[0]),
            condition=root.relative(paths[1]),
            sha256=_sha256(latents),
        )
        clips.append(clip)
    return PriorClips(
        made_by=base,
        seconds=preset.crop_seconds,
        steps=preset.prior_steps,
        guidance=preset.prior_guidance,
        clips=clips,
    )


def _latents(
    pipeline: AceStepPipeline, prompt: PriorPrompt, preset: TrainingPreset, seed: int
) -> torch.Tensor:
    """What the base makes of a prompt, float32 [frames, channels] on the CPU."""
    found: Any = pipeline(
        prompt=prompt.prompt,
        lyrics=prompt.lyrics,
        vocal_language=prompt.language,
        audio_duration=preset.crop_seconds,
        bpm=prompt.bpm,
        keyscale=prompt.keyscale,
        timesignature=prompt.time_signature,
        num_inference_steps=preset.prior_steps,
        guidance_scale=preset.prior_guidance,
        generator=torch.Generator().manual_seed(seed),
        output_type="latent",
    )
    return found.audios[0].float().cpu().contiguous()


def _encoded(
    root: DataRoot, base: BaseModelFacts, preset: TrainingPreset, clip: PriorClip, patch: int
) -> EncodedClip:
    """The clip as the trainer reads tracks."""
    latents = encoded_shape(root.inside(clip.latents), LATENTS)
    condition = encoded_shape(root.inside(clip.condition), CONDITION)
    assert latents and condition  # made, or found whole
    rate, prompt = base.latents_per_second, PriorPrompt(clip.prompt)
    return EncodedClip(
        latents=clip.latents,
        frames=latents.length,
        crop_frames=crop_frames(latents.length, math.floor(preset.crop_seconds * rate), patch),
        bar_frames=60 / prompt.bpm * prompt.beats_in_a_bar * rate,
        captions=[EncodedCaption(condition=clip.condition, tokens=condition.length)],
    )


def _sha256(latents: torch.Tensor) -> str:
    return hashlib.sha256(latents.numpy().tobytes()).hexdigest()
