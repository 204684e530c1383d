"""Music from prompts, with a checkpoint's LoRA or without: what `lofi generate` does.

What is not asked for is what the checkpoint was trained and scored with: the prompt goes through the same function as there.
"""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lofi_pipeline.cli.generated_files import Names, file_format, is_folder
from lofi_pipeline.config import EvaluationSettings, load_config
from lofi_pipeline.entities import CheckpointRecord, DatasetVersion, Entity, RecordError
from lofi_pipeline.evaluation.prompts import STYLE_KEYSCALE, PromptSpec, no_words
from lofi_pipeline.resources import base_name
from lofi_pipeline.storage import DataRoot, read_json, write_bytes_atomic
from lofi_pipeline.styles import INSTRUMENTAL_LYRICS, is_instrumental
from lofi_pipeline.training.variants import suiting, variant_of

if TYPE_CHECKING:
    from lofi_pipeline.evaluation.generate import Clip

_TEMPO = re.compile(r"\b(\d{2,3})\s*bpm\b", re.IGNORECASE)
_DEFAULT_BPM = 80
_LEAST_SECONDS = 10.0
BASE = "base"
"""In place of a checkpoint: no LoRA."""


@dataclass(frozen=True)
class Request:
    """What to make: a clip of each prompt with each seed. `checkpoint`: an id, a partition key, `best` or `base`.

    What is None is as it suits the base model, or as it is most often in the checkpoint's data set.
    """

    prompts: Sequence[str]
    output: Path
    checkpoint: str = "best"
    seconds: float | None = None
    bpm: int | None = None
    key: str | None = None
    metre: str | None = None
    language: str | None = None
    lyrics: str = INSTRUMENTAL_LYRICS
    codes: Path | None = None
    seeds: Sequence[int] = (0,)
    steps: int | None = None
    guidance: float | None = None
    shift: float | None = None
    lora_scale: float = 1.0
    base_too: bool = False

    def tempo(self, prompt: str) -> int:
        """The tempo asked for, else the one the prompt names."""
        named = _TEMPO.search(prompt)
        return self.bpm or (int(named[1]) if named else _DEFAULT_BPM)


class Made(Entity):
    """One clip that was written, and all that it was asked for."""

    wrote: str
    checkpoint: str
    lora_scale: float | None
    prompt: str
    seed: int
    bpm: int | None
    key: str
    metre: str
    language: str
    lyrics: str
    codes: str
    seconds: float
    steps: int
    guidance: float
    shift: float


def find_folder(root: DataRoot, checkpoint: str) -> Path | None:
    """The folder of a checkpoint; None for `base`.

    Raises:
        RecordError: no such checkpoint, or its weights were pruned.
    """
    from lofi_pipeline.checkpoints.best import best_checkpoint
    from lofi_pipeline.checkpoints.manifest import find_checkpoint, scan_checkpoints

    if checkpoint == BASE:
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


def _record_on_this_base(folder: Path, base: str) -> CheckpointRecord:
    """The checkpoint's record. LoRAs of another base of the same shape would load, and play noise."""
    from lofi_pipeline.checkpoints.manifest import read_record
    from lofi_pipeline.training.bases import describe_base

    record, given = read_record(folder), describe_base(base)
    trained_on = record.lineage.base
    if trained_on.sha256 != given.sha256:
        raise RecordError(
            f"{folder.name}: was trained on the base {trained_on.name} ({trained_on.sha256[:8]}), this is "
            f"{given.name} ({given.sha256[:8]}); give --base, or set training.base, to the one it was trained on"
        )
    return record


def generate_to_files(root: DataRoot, wanted: Request) -> list[Made]:
    """Generate and write WAV or FLAC files, each whole or not at all.

    Raises:
        RecordError: unknown checkpoint, file type or key, or the checkpoint is of another base model.
        CheckpointError: the checkpoint's files are damaged.
        PromptTooLong: the base model would read a prompt in part only.
        BadAudioCodes: there are none in the file, or the base model can't read them.
        NotFinite: the model gave NaN or infinity, which is no music.
    """
    from lofi_pipeline.training.audio_codes import seconds_of_codes
    from lofi_pipeline.training.bases import pick_device
    from lofi_pipeline.training.in_turn import open_base

    is_folder(wanted.output)  # a wrong type is said before all else
    config = load_config()
    base = base_name(config)
    folder = find_folder(root, wanted.checkpoint)
    record = _record_on_this_base(folder, base) if folder else None
    settings = _sampling(wanted, config.evaluation, base)
    specs = _specs(root, wanted, record)
    pipeline = open_base(base, device=pick_device(), offload=config.training.offload)
    if specs[0].codes:
        settings = settings.model_copy(update={"clip_seconds": seconds_of_codes(pipeline, specs[0].codes)})
    players = [BASE] if wanted.base_too or folder is None else []
    players += [folder.name] if folder else []
    names = Names(wanted.output, wanted.prompts, wanted.seeds, players)
    made: list[Made] = []
    for player, clips in _played(pipeline, folder, players, specs, settings, wanted.lora_scale):
        for clip, target in zip(clips, names.of(player), strict=True):
            _write(clip, target, player)
            made.append(_made(clip, target, player, settings, wanted.lora_scale))
    return made


def _sampling(wanted: Request, settings: EvaluationSettings, base: str) -> EvaluationSettings:
    """The settings that suit the base, with what was asked for."""
    if wanted.guidance and wanted.guidance > 1 and variant_of(base) == "turbo":
        raise RecordError(
            f"--guidance: {base} is a turbo model, which was made to need none; leave it out, or use another base"
        )
    suited = suiting(settings, base)
    asked = {
        "inference_steps": wanted.steps,
        "guidance_scale": wanted.guidance,
        "shift": wanted.shift,
        "clip_seconds": wanted.seconds or max(_LEAST_SECONDS, suited.clip_seconds),
    }
    return suited.model_copy(update={name: value for name, value in asked.items() if value is not None})


def _specs(root: DataRoot, wanted: Request, record: CheckpointRecord | None) -> list[PromptSpec]:
    """What is asked for, prompt by prompt and seed by seed; what is left open is as the checkpoint was trained."""
    from lofi_pipeline.training.audio_codes import read_audio_codes

    plain = PromptSpec(name="", prompt="", bpm=_DEFAULT_BPM, keyscale=STYLE_KEYSCALE, seed=0)
    language, metre, lyrics = plain.language, plain.time_signature, plain.lyrics
    version = _data_set(root, record)
    codes = read_audio_codes(wanted.codes) if wanted.codes else ""
    if version is not None and version.tracks:
        language = _commonest([track.language for track in version.tracks])
        metre = _commonest([track.time_signature for track in version.tracks])
        lyrics = no_words(version)
    return [
        PromptSpec(
            name="",
            prompt=prompt,
            bpm=wanted.tempo(prompt),
            keyscale=wanted.key or STYLE_KEYSCALE,
            seed=seed,
            lyrics=lyrics if is_instrumental(wanted.lyrics) else wanted.lyrics,
            language=wanted.language or language,
            time_signature=wanted.metre or metre,
            trigger=record.lineage.trigger if record else None,
            codes=codes,
        )
        for prompt in wanted.prompts
        for seed in wanted.seeds
    ]


def _commonest(values: Sequence[str]) -> str:
    return Counter(values).most_common(1)[0][0]


def _data_set(root: DataRoot, record: CheckpointRecord | None) -> DatasetVersion | None:
    """What the checkpoint was trained on; for the base alone, what was trained on last, so that both are asked for the same."""
    from lofi_pipeline.checkpoints.manifest import active_lineage

    lineage = record.lineage if record else active_lineage(root)
    path = root.dataset_version(lineage.dataset_hash) if lineage else None
    if path is None or not path.is_file():
        return None
    return DatasetVersion.parse(read_json(path), where=str(path))


def _played(
    pipeline: Any,
    folder: Path | None,
    players: Sequence[str],
    specs: list[PromptSpec],
    settings: EvaluationSettings,
    scale: float,
) -> list[tuple[str, list[Clip]]]:
    """The clips of each player: first the base alone where it is one, then with the checkpoint's LoRA."""
    from lofi_pipeline.evaluation.generate import generate
    from lofi_pipeline.training.weights import LOADED_ADAPTER, load_checkpoint_into

    played = [(BASE, generate(pipeline, specs, settings))] if BASE in players else []
    if folder is not None:
        load_checkpoint_into(pipeline, folder)
        pipeline.set_adapters(LOADED_ADAPTER, scale)
        played.append((folder.name, generate(pipeline, specs, settings)))
    return played


def _write(clip: Clip, target: Path, player: str) -> None:
    import numpy as np
    import soundfile

    from lofi_pipeline.evaluation import NotFinite

    if not np.isfinite(clip.samples).all():
        raise NotFinite(
            f"{player}: the model gives NaN or infinity, no music; {target.name} was not written; generate with another "
            "checkpoint, or train again with a lower learning rate"
        )
    music = io.BytesIO()
    samples = np.clip(clip.samples.T, -1.0, 1.0)
    soundfile.write(music, samples, clip.sample_rate, format=file_format(target), subtype="PCM_16")
    write_bytes_atomic(target, music.getvalue())


def _made(clip: Clip, target: Path, player: str, settings: EvaluationSettings, scale: float) -> Made:
    spec = clip.spec.as_played
    return Made(
        wrote=str(target),
        checkpoint=player,
        lora_scale=None if player == BASE else scale,
        prompt=spec.prompt,
        seed=spec.seed,
        bpm=spec.bpm,
        key=spec.keyscale,
        metre=spec.time_signature,
        language=spec.language,
        lyrics=spec.lyrics,
        codes=spec.codes,
        seconds=settings.clip_seconds,
        steps=settings.inference_steps,
        guidance=settings.guidance_scale,
        shift=settings.shift,
    )
