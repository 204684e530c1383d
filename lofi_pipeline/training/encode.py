"""Latents and conditions of a data set, cached by content for one base model.

Latents are kept as mean and standard deviation of the codec's posterior, so that each step draws a sample of its own.
Conditions come from the pipeline's own prompt formatting, for the length of the crops that are trained. How one track goes
through the base model is in encoder.py. Torch is imported once something is to be encoded.
"""

from __future__ import annotations

import gc
import math
from collections.abc import Callable, Set
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from lofi_pipeline.config import TrainingPreset
from lofi_pipeline.entities import BaseModelFacts, DatasetVersion, HeldOutEnds, Split, VersionTrack
from lofi_pipeline.storage import DataRoot, content_sha256, elsewhere, read_json, replacing
from lofi_pipeline.training.bases import (
    CODEC,
    PLANNERS,
    PROMPT_READERS,
    base_folder,
    components,
    describe_base,
    load_base,
    pick_device,
    read_fixed_inputs,
    shown_name,
)
from lofi_pipeline.training.captions import captions_of
from lofi_pipeline.training.encoded_file import (
    CONDITION,
    ENCODER_VERSION,
    LATENTS,
    EncodedShape,
    encoded_shape,
    write_encoded,
)
from lofi_pipeline.training.errors import EncodingError, disk_faults
from lofi_pipeline.training.lineage import held_out_ends
from lofi_pipeline.training.records import EncodedCaption, EncodedDataset, EncodedPlan, EncodedTrack
from lofi_pipeline.training.sampling import crop_frames
from lofi_pipeline.training.shards import Shard, entry_of, read_shard, shard_files

if TYPE_CHECKING:
    import torch
    from diffusers import AceStepPipeline  # pyright: ignore[reportPrivateImportUsage]

    from lofi_pipeline.training.encoder import Encoder

CHUNK_SECONDS = 30.0
SHORTEST_CHUNK_SECONDS = 5.0

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class _Encoding:
    """Where an encoding lies, and its shape."""

    path: str
    shape: EncodedShape
    entry: str = ""
    """What the names of its tensors begin with."""


@dataclass
class _Cache:
    """Where encoded tracks lie, and what was done to them this time."""

    root: DataRoot
    base: BaseModelFacts
    mends: bool = True
    """Whether damaged shards are removed, so that what was in them is encoded anew."""
    encoded: int = 0
    cached: int = 0
    rebuilt: list[str] = field(default_factory=list)
    _shards: dict[Path, dict[str, Shard]] = field(default_factory=dict)

    def latents(self, audio_sha256: str) -> Path:
        """Where the latents of processed audio with that hash belong."""
        return self.root.cache / "latents" / self.base.sha256[:16] / f"{audio_sha256}.safetensors"

    def condition(self, track: VersionTrack, seconds: float, planned: bool) -> Path:
        """Where the condition of a track belongs; its key is all that the pipeline makes a condition of."""
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
            | ({"planned": True} if planned else {})
        )
        return self._given(key)

    def plan(self, audio_sha256: str) -> Path:
        """Where the plan of processed audio with that hash belongs: among the conditions."""
        return self._given(content_sha256({"plan of": audio_sha256, "version": ENCODER_VERSION}))

    def _given(self, key: str) -> Path:
        return self.root.cache / "conditions" / self.base.sha256[:16] / f"{key}.safetensors"

    def mean(self, latents: _Encoding) -> torch.Tensor:
        """The mean of latents, float32 [frames, channels]."""
        from safetensors import safe_open

        with safe_open(self.root.inside(latents.path), framework="pt") as file:
            return file.get_tensor(f"{latents.entry}mean")

    def ensure(self, path: Path, names: Set[str], make: Callable[[], dict[str, torch.Tensor]]) -> _Encoding:
        """The encoding that belongs in `path`, or in a shard beside it; it is made when absent, changed or damaged.

        Raises:
            EncodingError: the file cannot be read back.
            OSError: the disk is full, for one.
        """
        where = self.root.relative(path)
        if shard := self._shards_beside(path.parent).get(path.stem):
            self.cached += 1
            return _Encoding(self.root.relative(shard.path), shard.shapes[path.stem], entry_of(path.stem))
        shape = encoded_shape(path, names, self.base.sha256)
        if shape is not None:
            self.cached += 1
            return _Encoding(where, shape)
        if path.exists():
            self.rebuilt.append(where)
        with replacing(path) as temporary, disk_faults(path):
            write_encoded(
                temporary, {name: tensor.numpy() for name, tensor in make().items()}, self.base.sha256
            )
        self.encoded += 1
        shape = encoded_shape(path, names, self.base.sha256)
        if shape is None:
            raise EncodingError(f"{path}: cannot be read back after writing; check the disk")
        return _Encoding(where, shape)

    def _shards_beside(self, folder: Path) -> dict[str, Shard]:
        """By key, the shard that holds an encoding. What is damaged is named, and makes way."""
        if folder not in self._shards:
            found = self._shards[folder] = {}
            for path in shard_files(folder):
                shard = read_shard(path)
                if shard and (shard.kind, shard.base_sha256) == (folder.parent.name, self.base.sha256):
                    found |= dict.fromkeys(shard.shapes, shard)
                elif self.mends and shard is None and path.exists():
                    self.rebuilt.append(self.root.relative(path))
                    path.unlink(missing_ok=True)
        return self._shards[folder]


@dataclass
class _LazyEncoder:
    """The base model's encoder. Only the part that is at work is in memory: the codec, or what reads prompts."""

    base_name: str
    device: str
    chunk_seconds: float
    given: AceStepPipeline | None
    _part: tuple[str, ...] = ()
    _loaded: Encoder | None = None

    def latents(self, root: DataRoot, track: VersionTrack) -> dict[str, torch.Tensor]:
        """mean and std of the codec's posterior, each float32 [frames, channels]."""
        path, track_id = root.inside(track.track.audio_path), track.track.track_id
        with self._faults():
            mean, std = self._with(CODEC).latents(path, track_id)
        return {"mean": mean, "std": std}

    def plan(self, latents: torch.Tensor, track_id: str) -> dict[str, torch.Tensor]:
        """condition, float32 [frames, channels]."""
        import torch

        with self._faults():
            encoder = self._with(PLANNERS)
            silence = read_fixed_inputs(self.base_name, torch.float32).silence_latent
            return {"condition": encoder.plan(latents, silence, track_id)}

    def condition(self, track: VersionTrack, seconds: float, planned: bool) -> dict[str, torch.Tensor]:
        """condition, float32 [tokens, width]."""
        with self._faults():
            return {"condition": self._with(PROMPT_READERS).condition(track, seconds, planned=planned)}

    def _faults(self) -> AbstractContextManager[None]:
        from lofi_pipeline.training.device import device_faults

        return device_faults(lambda: self._advice)

    @property
    def _advice(self) -> str:
        if self._part == CODEC and self.chunk_seconds > SHORTEST_CHUNK_SECONDS:
            lower = max(SHORTEST_CHUNK_SECONDS, self.chunk_seconds / 2)
            return f"Set training.encode_chunk_seconds to {lower:g} and run again; what is encoded already is kept"
        return "Free memory, such as by ending what else runs there, and run again; what is encoded already is kept"

    def release(self) -> None:
        """Give back the memory of the part that is loaded."""
        if self._loaded is None:
            return
        import torch

        self._part, self._loaded = (), None
        gc.collect()  # modules hold each other in circles
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _with(self, part: tuple[str, ...]) -> Encoder:
        import torch

        from lofi_pipeline.training.encoder import Encoder

        if self._loaded is None or self._part != part:
            self.release()
            pipeline = self.given or load_base(
                self.base_name, device=pick_device(self.device), vae_dtype=torch.float32, only=part
            )
            self._part, self._loaded = part, Encoder(pipeline, self.chunk_seconds)
        return self._loaded


class _NoEncoder:
    """In place of a `_LazyEncoder` where nothing is to be encoded."""

    def latents(self, root: DataRoot, track: VersionTrack) -> dict[str, torch.Tensor]:
        """Raises: EncodingError, always."""
        raise EncodingError(f"{track.track.track_id}: its latents are not in {root.cache}")

    def plan(self, latents: torch.Tensor, track_id: str) -> dict[str, torch.Tensor]:
        """Raises: EncodingError, always."""
        raise EncodingError(f"{track_id}: its plan is not in the cache")

    def condition(self, track: VersionTrack, seconds: float, planned: bool) -> dict[str, torch.Tensor]:
        """Raises: EncodingError, always."""
        raise EncodingError(f"{track.track.track_id}: its condition for {seconds} s is not in the cache")

    def release(self) -> None:
        """Nothing is loaded."""


@dataclass
class _TrackEncoder:
    """Encodes one track after another for crops of `crop_seconds`."""

    cache: _Cache
    model: _LazyEncoder | _NoEncoder
    crop_seconds: float
    patch: int
    """Latent frames in a token of the transformer."""
    window: int = 0
    """Latent frames in each code of a plan; 0: no plans are trained."""
    ends: HeldOutEnds | None = None
    channels: int = 0
    """Of the latents, once a track was encoded."""

    def latents(self, track: VersionTrack) -> _Encoding:
        """The latents of a track; they are made where the cache does not hold them.

        Raises:
            EncodingError: see `encode_dataset`.
        """
        path = self.cache.latents(track.audio_sha256)
        found = self.cache.ensure(path, LATENTS, lambda: self.model.latents(self.cache.root, track))
        self.channels = found.shape.width
        return found

    def plan(self, track: VersionTrack, latents: _Encoding) -> _Encoding | None:
        """The plan of a track, where plans are trained; it is made where the cache does not hold it.

        Raises:
            EncodingError: see `encode_dataset`.
        """
        if not self.window:
            return None
        cache, track_id = self.cache, track.track.track_id
        make = lambda: self.model.plan(cache.mean(latents), track_id)  # noqa: E731
        return cache.ensure(cache.plan(track.audio_sha256), CONDITION, make)

    def track(
        self, track: VersionTrack, latents: _Encoding, plan: _Encoding | None, captions: list[str]
    ) -> EncodedTrack:
        """The track with a condition for each caption; they are made where the cache does not hold them.

        Raises:
            EncodingError: see `encode_dataset`.
        """
        rate, frames = self.cache.base.latents_per_second, latents.shape.length
        wanted = math.floor(self.crop_seconds * rate) // self.patch * self.patch
        length = crop_frames(frames, wanted, self.patch)
        if length == 0:
            raise EncodingError(
                f"{track.track.track_id}: is shorter than one patch of the base model; take it out of its drop"
            )
        seconds = self.crop_seconds if length == wanted else round(length / rate, 3)
        worded = [track.model_copy(update={"prompt": caption}) for caption in captions]
        return EncodedTrack(
            track_id=track.track.track_id,
            split=track.track.split,
            latents=latents.path,
            entry=latents.entry,
            frames=self._open_frames(track, frames),
            crop_frames=length,
            bar_frames=60 / track.bpm * track.beats_in_a_bar * rate if track.bpm else None,
            captions=[self._caption(one, seconds) for one in worded],
            plan=self._planned(plan, [self._caption(one, seconds, planned=True) for one in worded])
            if plan
            else None,
        )

    def _planned(self, plan: _Encoding, captions: list[EncodedCaption]) -> EncodedPlan:
        return EncodedPlan(
            condition=plan.path,
            entry=plan.entry,
            tokens=plan.shape.length,
            window=self.window,
            captions=captions,
        )

    def _open_frames(self, track: VersionTrack, frames: int) -> int:
        """The frames that crops are drawn from."""
        start = (
            self.ends.start(track.track.duration) if self.ends and track.track.split == Split.TRAIN else None
        )
        return (
            frames if start is None else min(frames, math.floor(start * self.cache.base.latents_per_second))
        )

    def dataset(self, version: DatasetVersion, tracks: list[EncodedTrack]) -> EncodedDataset:
        """The tracks that were encoded, and how many cache files were made for them."""
        return EncodedDataset(
            dataset_hash=version.dataset.hash,
            base_sha256=self.cache.base.sha256,
            channels=self.channels,
            latents_per_second=self.cache.base.latents_per_second,
            tracks=tracks,
            encoded=self.cache.encoded,
            cached=self.cache.cached,
            rebuilt=self.cache.rebuilt,
        )

    def _caption(self, track: VersionTrack, seconds: float, *, planned: bool = False) -> EncodedCaption:
        path = self.cache.condition(track, seconds, planned)
        found = self.cache.ensure(path, CONDITION, lambda: self.model.condition(track, seconds, planned))
        return EncodedCaption(condition=found.path, entry=found.entry, tokens=found.shape.length)


def _window(base_name: str, preset: TrainingPreset) -> int:
    """Latent frames in each code of a plan; 0 where none are trained.

    Raises:
        EncodingError: the base makes none.
    """
    if not preset.plan_share:
        return 0
    folder = base_folder(base_name)
    if missing := set(PLANNERS) - components(folder):
        raise EncodingError(
            f"plan_share: the base {shown_name(base_name)} has no {' and no '.join(sorted(missing))}, which make plans; set plan_share "
            "to 0, or training.base to a base that brings both"
        )
    return int(read_json(folder / PLANNERS[0] / "config.json").get("pool_window_size", 5))


def patch_size(base_name: str) -> int:
    """Latent frames in a token of the base's transformer: lengths must be whole multiples, or it pads."""
    config = read_json(base_folder(base_name) / "transformer" / "config.json")
    return int(config.get("patch_size", 2))


def encode_dataset(
    version: DatasetVersion,
    root: DataRoot,
    base_name: str,
    preset: TrainingPreset,
    progress: Progress | None = None,
    *,
    device: str = "auto",
    chunk_seconds: float = CHUNK_SECONDS,
    pipeline: AceStepPipeline | None = None,
) -> EncodedDataset:
    """Encode what is not in the cache yet, and say where everything lies.

    All latents are made before the first condition: the codec is out of memory before what reads prompts comes.

    Args:
        version: the tracks, as they are hashed in the data set version.
        root: paths of the version are relative to it; the cache lies under `root.cache`.
        base_name: nano, a hub id or a folder.
        preset: gives the crop length that conditions are encoded for, and how many captions a track has.
        progress: called with (tracks done, tracks in all, track id).
        chunk_seconds: how much audio goes through the codec at once.
        pipeline: the base, when it is loaded already.

    Raises:
        BaseModelError: see `load_base`.
        EncodingError: a track's audio cannot be decoded, is not what was hashed, or gives values that are not finite.
        TrainingError: see `captions_of`.
    """
    model = _LazyEncoder(base_name, device, chunk_seconds, pipeline)
    return _encoded(version, root, base_name, preset, model, progress)


def read_encoded(
    version: DatasetVersion, root: DataRoot, base_name: str, preset: TrainingPreset
) -> EncodedDataset:
    """What `encode_dataset` would give without encoding anything.

    Raises:
        EncodingError: something is not in the cache.
    """
    return _encoded(version, root, base_name, preset, _NoEncoder())


def _encoded(
    version: DatasetVersion,
    root: DataRoot,
    base_name: str,
    preset: TrainingPreset,
    model: _LazyEncoder | _NoEncoder,
    progress: Progress | None = None,
) -> EncodedDataset:
    if sentence := elsewhere(root, "cache"):
        raise EncodingError(sentence)
    cache = _Cache(root, describe_base(base_name), mends=not isinstance(model, _NoEncoder))
    patch, window = patch_size(base_name), _window(base_name, preset)
    encoder = _TrackEncoder(cache, model, preset.crop_seconds, patch, window, held_out_ends(preset))
    captions = captions_of(root, version, preset.caption_variants, preset.trigger_in_captions)
    report = progress or (lambda done, total, track_id: None)
    count = len(version.tracks)
    if not count:
        raise EncodingError("the data set holds no track; add music to data/raw and build the data set again")
    # A track counts as half done with its latents
    latents: list[_Encoding] = []
    for done, track in enumerate(version.tracks):
        report(done // 2, count, track.track.track_id)
        latents.append(encoder.latents(track))
    plans = [encoder.plan(track, held) for track, held in zip(version.tracks, latents, strict=True)]
    tracks: list[EncodedTrack] = []
    for done, (track, held, plan) in enumerate(zip(version.tracks, latents, plans, strict=True)):
        report((count + done) // 2, count, track.track.track_id)
        tracks.append(encoder.track(track, held, plan, captions[track.track.track_id]))
    model.release()
    report(count, count, "")
    return encoder.dataset(version, tracks)
