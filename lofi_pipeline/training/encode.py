"""Latents and conditions of a data set, cached by content for one base model.

Latents are kept as the mean and standard deviation of the codec's posterior, so that each step draws its own
sample. Conditions come from the pipeline's own prompt formatting, for the length of the crops that are
trained.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from lofi_pipeline.config import TrainingPreset
from lofi_pipeline.entities import BaseModelFacts, DatasetVersion, VersionTrack
from lofi_pipeline.storage import DataRoot, content_sha256, replacing
from lofi_pipeline.training.bases import base_folder, describe_base, load_base, pick_device
from lofi_pipeline.training.captions import captions_of
from lofi_pipeline.training.encoder import Encoder
from lofi_pipeline.training.errors import EncodingError, disk_faults
from lofi_pipeline.training.records import EncodedCaption, EncodedDataset, EncodedTrack
from lofi_pipeline.training.sampling import crop_frames

if TYPE_CHECKING:
    from diffusers import AceStepPipeline  # pyright: ignore[reportPrivateImportUsage]

ENCODER_VERSION = "1"

Progress = Callable[[int, int, str], None]


@dataclass
class _Cache:
    """Where encoded tracks lie, and what was done to them this time."""

    root: DataRoot
    base: BaseModelFacts
    encoded: int = 0
    cached: int = 0
    rebuilt: list[str] = field(default_factory=list)

    def latents(self, audio_sha256: str) -> Path:
        return self.root.cache / "latents" / self.base.sha256[:16] / f"{audio_sha256}.safetensors"

    def condition(self, track: VersionTrack, seconds: float) -> Path:
        key = content_sha256(
            {
                "prompt": track.prompt,
                "lyrics": track.lyrics,
                "language": track.language,
                "bpm": track.bpm,
                "keyscale": track.keyscale,
                "time_signature": track.time_signature,
                "seconds": seconds,
                "version": ENCODER_VERSION,
            }
        )
        return self.root.cache / "conditions" / self.base.sha256[:16] / f"{key}.safetensors"

    def ensure(
        self, path: Path, names: set[str], make: Callable[[], dict[str, torch.Tensor]]
    ) -> tuple[int, int]:
        """The shape [length, width] of the tensors in `path`; they are made when absent or damaged."""
        shape = _shape_of(path, names, self.base.sha256)
        if shape is not None:
            self.cached += 1
            return shape
        if path.exists():
            self.rebuilt.append(self.root.relative(path))
        with replacing(path) as temporary, disk_faults(path.name):
            save_file(make(), temporary, metadata={"base": self.base.sha256, "version": ENCODER_VERSION})
        self.encoded += 1
        shape = _shape_of(path, names, self.base.sha256)
        if shape is None:
            raise EncodingError(f"{path}: cannot be read back after writing; check the disk")
        return shape


def _shape_of(path: Path, names: set[str], base_sha256: str) -> tuple[int, int] | None:
    """Shape [length, width] shared by all tensors, or None when the file is absent, damaged, or not what is
    expected.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            if set(file.keys()) != names or (file.metadata() or {}).get("base") != base_sha256:
                return None
            if (file.metadata() or {}).get("version") != ENCODER_VERSION:
                return None
            slices = [file.get_slice(name) for name in sorted(names)]
            shapes = {tuple(part.get_shape()) for part in slices}
            if len(shapes) != 1 or any(part.get_dtype() != "F32" for part in slices):
                return None
            shape = shapes.pop()
    except (OSError, SafetensorError):
        return None
    return shape if len(shape) == 2 and min(shape) > 0 else None


@dataclass
class _LazyEncoder:
    """The base model's encoder, loaded when the first track needs it."""

    base_name: str
    device: str
    pipeline: AceStepPipeline | None

    @cached_property
    def _encoder(self) -> Encoder:
        if self.pipeline is None:
            device = pick_device(self.device)
            self.pipeline = load_base(self.base_name, device=device, vae_dtype=torch.float32)
        return Encoder(self.pipeline)

    def latents(self, root: DataRoot, track: VersionTrack) -> dict[str, torch.Tensor]:
        mean, std = self._encoder.latents(root.inside(track.track.audio_path), track.track.track_id)
        return {"mean": mean, "std": std}

    def condition(self, track: VersionTrack, seconds: float) -> dict[str, torch.Tensor]:
        return {"condition": self._encoder.condition(track, seconds)}


def _encoded_caption(
    cache: _Cache, lazy: _LazyEncoder, track: VersionTrack, seconds: float
) -> EncodedCaption:
    path = cache.condition(track, seconds)
    tokens, _ = cache.ensure(path, {"condition"}, lambda: lazy.condition(track, seconds))
    return EncodedCaption(condition=cache.root.relative(path), tokens=tokens)


def patch_size(base_name: str) -> int:
    """Latent frames in a token of the base's transformer: lengths must be whole multiples, or it pads."""
    config = json.loads((base_folder(base_name) / "transformer" / "config.json").read_bytes())
    return int(config.get("patch_size", 2))


def encode_dataset(
    version: DatasetVersion,
    root: DataRoot,
    base_name: str,
    preset: TrainingPreset,
    progress: Progress | None = None,
    *,
    device: str = "auto",
    pipeline: AceStepPipeline | None = None,
) -> EncodedDataset:
    """Encode what is not in the cache yet, and say where everything lies.

    Args:
        version: the tracks, as they are hashed in the data set version.
        root: paths of the version are relative to it; the cache lies under `root.cache`.
        base_name: nano, a hub id or a folder.
        preset: gives the crop length that conditions are encoded for, and how many captions a track has.
        progress: called with (tracks done, tracks in all, track id).
        pipeline: the base, when it is loaded already.

    Raises:
        BaseModelError: see `load_base`.
        EncodingError: a track's audio cannot be decoded, is not what was hashed, or gives values that are not
            finite.
        TrainingError: see `captions_of`.
    """
    facts = describe_base(base_name)
    cache = _Cache(root, facts)
    lazy = _LazyEncoder(base_name, device, pipeline)
    patch = patch_size(base_name)
    captions = captions_of(root, version, preset.caption_variants)
    wanted = math.floor(preset.crop_seconds * facts.latents_per_second) // patch * patch
    tracks: list[EncodedTrack] = []
    channels = 0
    for done, track in enumerate(version.tracks):
        if progress:
            progress(done, len(version.tracks), track.track.track_id)
        path = cache.latents(track.audio_sha256)
        frames, channels = cache.ensure(path, {"mean", "std"}, lambda track=track: lazy.latents(root, track))
        length = crop_frames(frames, wanted, patch)
        if length == 0:
            raise EncodingError(
                f"{track.track.track_id}: is shorter than one patch of the base model; take it out of its drop"
            )
        seconds = preset.crop_seconds if length == wanted else round(length / facts.latents_per_second, 3)
        said = [track.model_copy(update={"prompt": caption}) for caption in captions[track.track.track_id]]
        tracks.append(
            EncodedTrack(
                track_id=track.track.track_id,
                split=track.track.split,
                latents=root.relative(path),
                frames=frames,
                crop_frames=length,
                bar_frames=60 / track.bpm * int(track.time_signature) * facts.latents_per_second,
                captions=[_encoded_caption(cache, lazy, one, seconds) for one in said],
            )
        )
    if not tracks:
        raise EncodingError("the data set holds no track; add music to data/raw and build the data set again")
    if progress:
        progress(len(tracks), len(tracks), "")
    return EncodedDataset(
        dataset_hash=version.dataset.hash,
        base_sha256=facts.sha256,
        channels=channels,
        latents_per_second=facts.latents_per_second,
        tracks=tracks,
        encoded=cache.encoded,
        cached=cache.cached,
        rebuilt=cache.rebuilt,
    )
