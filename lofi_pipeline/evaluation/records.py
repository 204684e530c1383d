"""Scores on disk: scores.json in a checkpoint's folder, the base model's under metadata/base_scores/, and in cache/scores/ those that
gave way to others.

How they are made is in checkpoint.py.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from lofi_pipeline.entities import SCORES_RECORD, RecordError, ScoreKey, Scores
from lofi_pipeline.storage import (
    DataRoot,
    content_sha256,
    parse_json,
    read_json,
    write_bytes_atomic,
    write_json_atomic,
)


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


def keep_former_scores(root: DataRoot, partition_key: str, folder: Path, key: ScoreKey) -> None:
    """Keep the scores in a checkpoint's folder, which have this key and are about to give way to others, byte by byte."""
    data = (folder / SCORES_RECORD).read_bytes()
    write_bytes_atomic(_former_scores_path(root, partition_key, key), data)


def read_former_scores(root: DataRoot, partition_key: str, key: ScoreKey) -> tuple[Scores, str] | None:
    """The scores of a checkpoint made with exactly this key that gave way to others, and the hash of their file; None without any."""
    path = _former_scores_path(root, partition_key, key)
    try:
        data = path.read_bytes()
        return Scores.parse(parse_json(data, path), where=str(path)), sha256(data).hexdigest()
    except (OSError, RecordError):
        return None  # a cache


def _former_scores_path(root: DataRoot, partition_key: str, key: ScoreKey) -> Path:
    return root.cache / "scores" / partition_key / f"{content_sha256(key)}.json"


def _read(path: Path) -> Scores | None:
    return Scores.parse(read_json(path), where=str(path)) if path.is_file() else None
