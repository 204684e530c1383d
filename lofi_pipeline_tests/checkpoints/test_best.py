"""The best checkpoint is the best of those that can be compared."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from lofi_pipeline.checkpoints.best import best_checkpoint
from lofi_pipeline.checkpoints.folder import scan_checkpoints
from lofi_pipeline.entities import CHECKPOINT_RECORD, SCORES_RECORD
from lofi_pipeline.storage import DataRoot, write_json_atomic
from lofi_pipeline_tests.checkpoints.folders import make_folder, make_record, make_scores


def scored(root: DataRoot, step: int, fad: float, *, embedder: str = "nano", days: int = 0) -> Path:
    """A checkpoint that was scored by an embedder, so many days from now."""
    folder, scores = make_folder(root, step), make_scores(step, fad, embedder=embedder)
    later = scores.metrics.evaluation_date + timedelta(days=days)
    metrics = scores.metrics.model_copy(update={"evaluation_date": later})
    write_json_atomic(folder / SCORES_RECORD, scores.model_copy(update={"metrics": metrics}))
    return folder


def best(root: DataRoot) -> Path | None:
    found = best_checkpoint(scan_checkpoints(root))
    return found.folder if found else None


def test_without_scores_there_is_none(root: DataRoot):
    make_folder(root, 10)
    assert best(root) is None


def test_the_lowest_fad_wins_and_the_earlier_step_where_it_is_equal(root: DataRoot):
    scored(root, 10, 0.5)
    earlier = scored(root, 20, 0.2)
    scored(root, 30, 0.2)
    assert best(root) == earlier


def test_a_lower_fad_of_another_embedder_is_not_a_better_one(root: DataRoot):
    scored(root, 10, 0.1, embedder="clap")
    ours = scored(root, 20, 0.3, days=1)
    scored(root, 30, 0.4, days=1)
    assert best(root) == ours


def test_scores_of_the_embedder_that_was_used_last_count(root: DataRoot):
    scored(root, 10, 0.1, days=1)
    theirs = scored(root, 20, 7.0, embedder="clap", days=2)
    assert best(root) == theirs


def test_one_that_is_not_valid_or_lost_its_weights_is_passed_over(root: DataRoot):
    pruned, broken = scored(root, 10, 0.1), scored(root, 20, 0.1)
    write_json_atomic(pruned / CHECKPOINT_RECORD, make_record(10, pruned=True))
    write_json_atomic(broken / CHECKPOINT_RECORD, make_record(20, is_valid=False))
    kept = scored(root, 30, 0.9)
    assert best(root) == kept
