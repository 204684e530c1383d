"""Which checkpoints keep their weights, case by case."""

from __future__ import annotations

from lofi_pipeline.checkpoints.retention import plan_retention
from lofi_pipeline.entities import CheckpointRecord
from lofi_pipeline_tests.checkpoints.folders import make_record, make_scores

Case = tuple[int, float | None]
"""A step, and its FAD if it was evaluated."""


def pruned(*cases: Case, keep_best: int, invalid: tuple[int, ...] = ()) -> list[int]:
    """The steps that lose their weights."""
    records: dict[str, CheckpointRecord] = {}
    scores = {}
    for step, fad in cases:
        record = make_record(step, is_valid=step not in invalid)
        records[record.partition_key] = record
        if fad is not None:
            scores[record.partition_key] = make_scores(step, fad)
    plan = plan_retention(list(records.values()), scores, keep_best)
    return sorted(records[key].checkpoint.step for key in plan.prune)


def test_as_many_as_asked_for_stay_the_lowest_fad_first_and_the_latest_beside_them():
    cases: list[Case] = [(10, 0.4), (20, 0.1), (30, 0.3), (40, 0.2), (50, 0.9)]
    assert pruned(*cases, keep_best=1) == [10, 30, 40]
    assert pruned(*cases, keep_best=2) == [10, 30]
    assert pruned(*cases, keep_best=3) == [10]
    assert pruned(*cases, keep_best=5) == []


def test_of_equal_fad_the_earlier_step_is_better():
    assert pruned((10, 0.2), (20, 0.2), (30, 0.2), (40, 0.9), keep_best=1) == [20, 30]
    assert pruned((30, 0.2), (20, 0.2), (10, 0.2), (40, 0.9), keep_best=2) == [30]


def test_the_latest_that_is_valid_stays_where_the_latest_is_not():
    cases: list[Case] = [(10, 0.1), (20, 0.3), (30, 0.2), (40, None)]
    assert pruned(*cases, keep_best=1, invalid=(40,)) == [20]
    assert pruned(*cases, keep_best=1) == [20, 30]


def test_what_was_not_evaluated_or_is_not_valid_is_never_pruned():
    assert pruned((10, None), (20, 0.1), (30, 0.2), (40, 0.3), keep_best=1, invalid=(30,)) == []
