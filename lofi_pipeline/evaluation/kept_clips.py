"""Clips that were generated for former scores: another embedder hears the same ones, and nothing is generated anew.

They are 16-bit files: scores of them differ from those of fresh clips by rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from importlib.metadata import version as package_version
from pathlib import Path
from typing import TYPE_CHECKING

import soundfile

from lofi_pipeline.entities import RecordError, Sample, ScoreKey, Scores
from lofi_pipeline.evaluation.prompts import PromptSpec
from lofi_pipeline.evaluation.records import base_scores_path
from lofi_pipeline.storage import DataRoot, file_sha256, file_stamp, read_json

if TYPE_CHECKING:
    from lofi_pipeline.evaluation.generate import Clip

_GENERATING = ("diffusers", "torch")
"""The packages that decide what is generated."""


def kept_clips(
    root: DataRoot, former: Scores | None, key: ScoreKey, prompts: list[PromptSpec]
) -> list[Clip] | None:
    """The clips behind `former`, in the order of the prompts; None where scores with `key` would need others, or a file is gone
    or holds other bytes than were written."""
    if former is None or not _same_clips(former.key, key):
        return None
    return _read_clips(root, former.samples, prompts)


def kept_style_clips(
    root: DataRoot, former: Scores | None, key: ScoreKey, prompts: list[PromptSpec], sha256: str
) -> list[Clip] | None:
    """The clips of styles behind `former`, where those of `key` would be of the same prompts; `sha256`: theirs."""
    if former is None or former.styles is None or former.styles.prompts_sha256 != sha256:
        return None
    if _generated_by(former.key) != _generated_by(key):
        return None
    return _read_clips(root, former.styles.samples, prompts)


def _read_clips(root: DataRoot, kept: Sequence[Sample], prompts: Sequence[PromptSpec]) -> list[Clip] | None:
    from lofi_pipeline.evaluation.filed_clip import FiledClip

    if len(kept) != len(prompts):
        return None
    clips: list[Clip] = []
    for sample, spec in zip(kept, prompts, strict=True):
        if sample.path is None or (sample.prompt, sample.seed) != (spec.prompt, spec.seed):
            return None
        if changed_clips(root, [sample]):
            return None
        try:
            clips.append(FiledClip(spec, root.inside(sample.path)))
        except (OSError, soundfile.LibsndfileError):
            return None
    return clips


def changed_clips(root: DataRoot, samples: Sequence[Sample]) -> list[str]:
    """The names of those whose files are gone, or hold other bytes than were written. Of an earlier version's no bytes are known."""
    return [Path(it.path or "a sample").name for it in samples if not _is_whole(root, it)]


def _is_whole(root: DataRoot, sample: Sample) -> bool:
    try:
        return sample.path is not None and sample.sha256 in (None, _sha256(root.inside(sample.path)))
    except (OSError, ValueError):
        return False


def _sha256(path: Path) -> str:
    return _sha256_once(path, file_stamp(path))


@lru_cache(maxsize=4096)
def _sha256_once(path: Path, _stamp: str) -> str:
    """Whoever asks every few seconds whether clips can be scored again reads them once."""
    return file_sha256(path)


def former_base_scores(root: DataRoot, base_sha256: str, key: ScoreKey) -> Scores | None:
    """The latest scores of a base model whose clips scores with `key` would have, too."""
    found = []
    for path in sorted((root.metadata / "base_scores").glob("*.json")):
        with suppress(RecordError):
            scores = Scores.parse(read_json(path), where=str(path))
            if base_scores_path(root, base_sha256, scores.key) == path and _same_clips(scores.key, key):
                found.append(scores)
    return max(found, key=lambda scores: scores.metrics.evaluation_date, default=None)


def _same_clips(one: ScoreKey, other: ScoreKey) -> bool:
    made = [(key.prompts_sha256, *_generated_by(key)) for key in (one, other)]
    return made[0] == made[1]


def made_by_present_versions(key: ScoreKey) -> bool:
    """Whether the packages that generated clips are those that would generate them now."""
    return _generated_by(key) == [package_version(name) for name in _GENERATING]


def _generated_by(key: ScoreKey) -> list[str | None]:
    return [key.versions.get(name) for name in _GENERATING]
