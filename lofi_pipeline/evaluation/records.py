"""Scores on disk: scores.json in a checkpoint's folder, and the base model's under metadata/base_scores/.

How they are made is in checkpoint.py.
"""

from __future__ import annotations

from pathlib import Path

from lofi_pipeline.entities import SCORES_RECORD, ScoreKey, Scores
from lofi_pipeline.storage import DataRoot, content_sha256, read_json, write_json_atomic


def write_scores(folder: Path, scores: Scores) -> Path:
    """Write `scores` into a checkpoint's folder."""
    path = folder / SCORES_RECORD
    write_json_atomic(path, scores)
    return path


def read_scores(folder: Path) -> Scores | None:
    """The scores of a checkpoint's folder; None when it was not evaluated.

    Raises:
        RecordError: the file was damaged.
    """
    return _read(folder / SCORES_RECORD)


def base_scores_path(root: DataRoot, base_sha256: str, key: ScoreKey) -> Path:
    """Where the scores of a base model (BaseModelFacts.sha256) made with `key` belong."""
    return root.metadata / "base_scores" / f"{content_sha256([base_sha256, key])}.json"


def base_samples_folder(root: DataRoot, base_sha256: str, key: ScoreKey) -> Path:
    """Where the base model's clips belong, beside its scores."""
    return base_scores_path(root, base_sha256, key).with_suffix("")


def write_base_scores(root: DataRoot, base_sha256: str, scores: Scores) -> Path:
    """Keep the scores of a base model without LoRA."""
    path = base_scores_path(root, base_sha256, scores.key)
    write_json_atomic(path, scores)
    return path


def read_base_scores(root: DataRoot, base_sha256: str, key: ScoreKey) -> Scores | None:
    """The base model's scores made with exactly this key; None when there are none.

    Raises:
        RecordError: the file was damaged.
    """
    return _read(base_scores_path(root, base_sha256, key))


def _read(path: Path) -> Scores | None:
    return Scores.parse(read_json(path), where=str(path)) if path.is_file() else None
