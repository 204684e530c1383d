"""What every checkpoint is asked for: the same prompts with the same seeds, so that scores differ by checkpoint alone.

How a prompt is worded is in styles/, how it becomes a clip in generate.py.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from lofi_pipeline.config import EvaluationSettings
from lofi_pipeline.entities import DatasetVersion, Split, StylePreset, VersionTrack
from lofi_pipeline.evaluation.errors import ReferenceMissing
from lofi_pipeline.storage import content_sha256
from lofi_pipeline.styles import INSTRUMENTAL_LYRICS, Vocabulary, is_instrumental, style_prompt

STYLE_KEYSCALE = "A minor"
"""Styles have no key of their own; one that is common in the genre."""
_SEEDS_APART = 1_000_003


@dataclass(frozen=True)
class PromptSpec:
    """One clip to generate."""

    name: str
    """What its file is called, without suffix."""
    prompt: str
    bpm: int
    keyscale: str
    seed: int
    style_id: str | None = None
    """The style whose own prompt this is."""
    lyrics: str = INSTRUMENTAL_LYRICS
    language: str = "unknown"
    time_signature: str = "4"


def evaluation_prompts(version: DatasetVersion, settings: EvaluationSettings) -> list[PromptSpec]:
    """The prompts of the first validation tracks, again from the first, with other seeds, where there are fewer than
    evaluation.size or validation_prompts asks for.

    Raises:
        ReferenceMissing: the validation split is empty.
    """
    wanted = itertools.islice(itertools.cycle(validation_tracks(version)), settings.clips)
    return [
        PromptSpec(
            name=f"validation-{number:02d}-{track.track.track_id}",
            prompt=track.prompt,
            bpm=track.bpm,
            keyscale=track.keyscale,
            seed=_seed(settings, number),
            lyrics=track.lyrics,
            language=track.language,
            time_signature=track.time_signature,
        )
        for number, track in enumerate(wanted, start=1)
    ]


def style_prompts(
    version: DatasetVersion,
    settings: EvaluationSettings,
    presets: Mapping[str, StylePreset],
    vocabulary: Vocabulary,
) -> list[PromptSpec]:
    """The prompt of each preset with evaluation.style_seeds seeds, in the order of style ids."""
    lyrics = _no_words(version)
    asked = itertools.product(
        sorted(presets.values(), key=lambda preset: preset.style_id), range(1, settings.style_seeds + 1)
    )
    return [
        PromptSpec(
            name=f"{preset.style_id}-{take}",
            prompt=style_prompt(preset, vocabulary),
            bpm=sum(preset.tempo_range) // 2,
            keyscale=STYLE_KEYSCALE,
            seed=_seed(settings, settings.clips + number),
            style_id=preset.style_id,
            lyrics=lyrics,
        )
        for number, (preset, take) in enumerate(asked, start=1)
    ]


def _no_words(version: DatasetVersion) -> str:
    """How the data set spells that nobody sings: what is asked for is what was trained on, also of an earlier version."""
    spelt = (track.lyrics for track in version.tracks if is_instrumental(track.lyrics))
    return next(spelt, INSTRUMENTAL_LYRICS)


def validation_tracks(version: DatasetVersion) -> list[VersionTrack]:
    """The tracks that are held out of training, in the order of their ids.

    Raises:
        ReferenceMissing: there are none.
    """
    tracks = version.side(Split.VALIDATION)
    if not tracks:
        raise ReferenceMissing(
            f"{version.dataset.dataset_id}: the validation split is empty; add tracks, a tenth of them goes there"
        )
    return tracks


def prompts_sha256(prompts: list[PromptSpec], settings: EvaluationSettings) -> str:
    """Of everything that decides what is generated, beside the model: prompts, seeds and sampling settings.

    The batch size is not part of it: it moves samples by no more than rounding.
    """
    sampling = settings.model_dump(include={"clip_seconds", "inference_steps", "guidance_scale"})
    return content_sha256([[asdict(spec) for spec in prompts], sampling])


def _seed(settings: EvaluationSettings, number: int) -> int:
    return settings.seed * _SEEDS_APART + number
