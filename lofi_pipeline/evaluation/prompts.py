"""What every checkpoint is asked for: the same prompts with the same seeds, so that scores differ by checkpoint alone.

How a prompt is worded is in styles/, how it becomes a clip in generate.py.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from lofi_pipeline.config import EvaluationSettings
from lofi_pipeline.entities import DatasetVersion, Split, StylePreset, Trigger, VersionTrack
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
    bpm: int | None
    """None: left to the model, as it was trained where the tempo is not known."""
    keyscale: str
    seed: int
    style_id: str | None = None
    """The style whose own prompt this is."""
    lyrics: str = INSTRUMENTAL_LYRICS
    language: str = "unknown"
    time_signature: str = "4"
    trigger: Trigger | None = None
    """A word that is put into the prompt when it is played, not when it is judged."""
    codes: str = ""
    """A plan of the piece: see audio_codes.py."""

    @property
    def as_played(self) -> PromptSpec:
        """With the trigger in the prompt, as training had it in its captions."""
        return replace(self, prompt=self.trigger.put_into(self.prompt)) if self.trigger else self


def evaluation_prompts(
    version: DatasetVersion, settings: EvaluationSettings, trigger: Trigger | None = None
) -> list[PromptSpec]:
    """The prompts of the first validation tracks, again from the first, with other seeds, where there are fewer than
    evaluation.size or validation_prompts asks for. `trigger`: what the captions of the training had.

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
            trigger=trigger,
        )
        for number, track in enumerate(wanted, start=1)
    ]


def style_prompts(
    version: DatasetVersion,
    settings: EvaluationSettings,
    presets: Mapping[str, StylePreset],
    vocabulary: Vocabulary,
    trigger: Trigger | None = None,
) -> list[PromptSpec]:
    """The prompt of each preset with evaluation.style_seeds seeds, in the order of style ids."""
    lyrics = no_words(version)
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
            trigger=trigger,
        )
        for number, (preset, take) in enumerate(asked, start=1)
    ]


def no_words(version: DatasetVersion) -> str:
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
    sampling = settings.model_dump(include={"clip_seconds", "inference_steps", "guidance_scale", "shift"})
    return content_sha256([[_facts(spec) for spec in prompts], sampling])


def _facts(spec: PromptSpec) -> dict[str, Any]:
    facts = asdict(spec)
    trigger, codes = facts.pop("trigger"), facts.pop("codes")
    # Without one, scores keep the key that they had before there were any
    facts |= {"trigger": trigger.model_dump()} if trigger else {}
    return facts | ({"codes": codes} if codes else {})


def _seed(settings: EvaluationSettings, number: int) -> int:
    return settings.seed * _SEEDS_APART + number
