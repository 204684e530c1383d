"""Models of other packages that judge each clip by itself, found by entry point: CONTRIBUTING.md shows one.

They are shown beside the scores, and decide nothing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Protocol

import numpy as np
import soxr

from lofi_pipeline.checkpoints.compare import mean_interval
from lofi_pipeline.config import CLIP_SCORER_GROUP, EvaluationSettings
from lofi_pipeline.entities import ClipScore
from lofi_pipeline.evaluation.errors import BadClipScorer

if TYPE_CHECKING:
    from lofi_pipeline.evaluation.generate import Clip


_SCORER = "clip scorer "
"""What they begin with among a key's versions."""


class ClipScorer(Protocol):
    """A model that gives a clip a number; what that says, its own documentation must tell."""

    @property
    def weights_sha256(self) -> str:
        """Of the files it was opened with; part of every score's key."""
        ...

    @property
    def sample_rate(self) -> int:
        """Of the audio it takes, in Hz."""
        ...

    def score(self, samples: np.ndarray, prompt: str, /) -> float:
        """One clip, float32 [channels, frames] at `sample_rate`, and what was asked for."""
        ...


def scorer_facts(settings: EvaluationSettings) -> dict[str, str]:
    """What scores depend on because of them, for a score's key.

    Raises:
        BadClipScorer: one cannot be opened.
    """
    found = {}
    for name in settings.clip_scorers:
        scorer, entry = _opened(name, settings.model_dump_json())
        version = entry.dist.version if entry.dist else "unknown"
        found[f"{_SCORER}{name}"] = f"{version} {scorer.weights_sha256}"
    return found


def scorers_in(versions: Mapping[str, str]) -> tuple[str, ...]:
    """The names of the scorers that a score's key names, in their order."""
    return tuple(sorted(name.removeprefix(_SCORER) for name in versions if name.startswith(_SCORER)))


def judge_clips(clips: Sequence[Clip], settings: EvaluationSettings) -> dict[str, ClipScore]:
    """By the name of each scorer in evaluation.clip_scorers.

    Raises:
        BadClipScorer: one fails, or gives what is no number.
    """
    return {name: _judged(name, clips, settings) for name in settings.clip_scorers}


def _judged(name: str, clips: Sequence[Clip], settings: EvaluationSettings) -> ClipScore:
    scorer, _ = _opened(name, settings.model_dump_json())
    values = []
    for clip in clips:
        try:
            samples = clip.samples
            if clip.sample_rate != scorer.sample_rate:
                samples = soxr.resample(samples.T, clip.sample_rate, scorer.sample_rate).T
            value = float(scorer.score(np.ascontiguousarray(samples, dtype=np.float32), clip.spec.prompt))
        except Exception as error:
            raise BadClipScorer(
                f"the clip scorer {name} failed on {clip.spec.name}: {type(error).__name__}: {error}; mend it, or take it out of "
                "evaluation.clip_scorers"
            ) from error
        if not math.isfinite(value):
            raise BadClipScorer(
                f"the clip scorer {name} gives {value} for {clip.spec.name}; its weights are broken: get them again"
            )
        values.append(value)
    return ClipScore(mean=float(np.mean(values)), interval=mean_interval(values), of_clip=values)


@lru_cache(maxsize=4)
def _opened(name: str, settings: str) -> tuple[ClipScorer, EntryPoint]:
    entry = next(iter(entry_points(group=CLIP_SCORER_GROUP, name=name)), None)
    if entry is None:
        raise BadClipScorer(f"no installed package has a clip scorer {name!r}; install it again")
    try:
        scorer: ClipScorer = entry.load()(EvaluationSettings.model_validate_json(settings))
        known = bool(re.fullmatch("[0-9a-f]{64}", scorer.weights_sha256)) and scorer.sample_rate > 0
    except Exception as error:
        raise BadClipScorer(
            f"the clip scorer {name} ({entry.value}) failed: {type(error).__name__}: {error}; mend it, or take it out of "
            "evaluation.clip_scorers"
        ) from error
    if not known:
        raise BadClipScorer(
            f"the clip scorer {name} ({entry.value}): weights_sha256 must be 64 hexadecimal digits, and sample_rate above 0"
        )
    return scorer, entry
