"""Which checkpoints are asked for every style: the last and the best, once there is nothing left to choose from."""

from __future__ import annotations

from pathlib import Path

from lofi_pipeline.checkpoints.coverage import lacks_styles, without_styles
from lofi_pipeline.checkpoints.pins import pin
from lofi_pipeline.entities import CHECKPOINT_RECORD, SCORES_RECORD, StyleOutcome
from lofi_pipeline.storage import DataRoot, write_json_atomic
from lofi_pipeline_tests.checkpoints.folders import make_folder, make_record, make_scores


def landed(
    root: DataRoot, step: int, fad: float | None, *, last_step: int = 30, ended: str | None = None
) -> Path:
    folder = make_folder(root, step, fad=fad)
    record = make_record(step)
    lineage = record.lineage.model_copy(update={"max_steps": last_step})
    record = record.model_copy(update={"lineage": lineage, "ended": ended})
    write_json_atomic(folder / CHECKPOINT_RECORD, record)
    return folder


def test_none_while_it_trains_or_one_is_not_scored(root: DataRoot):
    landed(root, 10, 0.2)
    landed(root, 20, 0.4)
    assert without_styles(root) == set()
    landed(root, 30, None)
    assert without_styles(root) == set()


def test_the_last_and_the_best_once_training_ended(root: DataRoot):
    best, between, last = landed(root, 10, 0.2), landed(root, 20, 0.4), landed(root, 30, 0.3)
    assert without_styles(root) == {best, last}
    assert lacks_styles(root, best) and not lacks_styles(root, between)
    scores = make_scores(10, 0.2)
    coverage = {"CORE-01": StyleOutcome(generated=True, recognizable=False)}
    metrics = scores.metrics.model_copy(update={"style_coverage": coverage})
    write_json_atomic(best / SCORES_RECORD, scores.model_copy(update={"metrics": metrics}))
    assert without_styles(root) == {last}


def test_the_last_and_the_best_of_a_training_that_ended_early(root: DataRoot):
    best = landed(root, 10, 0.2, last_step=100)
    assert without_styles(root) == set()
    last = landed(root, 20, 0.4, last_step=100, ended="gap was no better for 1 checkpoint")
    assert without_styles(root) == {best, last}


def test_the_last_and_the_best_of_a_training_whose_steps_no_interval_divides(root: DataRoot):
    best, last = landed(root, 10, 0.2, last_step=25), landed(root, 20, 0.4, last_step=25)
    assert without_styles(root) == {best, last}


def test_a_pinned_one_counts_as_the_best(root: DataRoot):
    landed(root, 10, 0.2)
    pinned, last = landed(root, 20, 0.4), landed(root, 30, 0.3)
    pin(root, make_record(20), "warmest bass")
    assert without_styles(root) == {pinned, last}
