"""Which checkpoints keep their weights, case by case."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lofi_pipeline.checkpoints.retention import plan_retention
from lofi_pipeline.config import RetentionSettings
from lofi_pipeline.entities import CheckpointRecord, Scores
from lofi_pipeline_tests.checkpoints.folders import make_record, make_scores

Case = tuple[int, float | None]
"""A step, and its FAD if it was evaluated."""


def pruned(
    *cases: Case,
    keep_best: int,
    invalid: tuple[int, ...] = (),
    error: float | None = 0.0,
    clap: Mapping[int, float] | None = None,
    gigabytes: float = 0,
    by_clap: tuple[int, ...] = (),
    **limits: float,
) -> list[int]:
    """The steps that lose their weights, each of so many gigabytes; `by_clap`: those that another embedder scored."""
    records: dict[str, CheckpointRecord] = {}
    scores: dict[str, Scores] = {}
    for step, fad in cases:
        record = make_record(step, is_valid=step not in invalid)
        records[record.partition_key] = record
        if fad is not None:
            follows = (clap or {}).get(step, 0.5)
            scores[record.partition_key] = make_scores(
                step,
                fad,
                error=error,
                clap=[follows, follows],
                embedder="clap" if step in by_clap else "nano",
            )
    settings = RetentionSettings.parse({"keep_best": keep_best, **limits}, where="test")
    sizes = dict.fromkeys(records, round(gigabytes * 1e9))
    plan = plan_retention(list(records.values()), scores, settings, sizes)
    return sorted(records[key].checkpoint.step for key in plan.prune)


FIVE: list[Case] = [(10, 0.4), (20, 0.1), (30, 0.3), (40, 0.2), (50, 0.9)]


def test_as_many_as_asked_for_stay_the_lowest_fad_first_and_the_latest_beside_them():
    assert pruned(*FIVE, keep_best=1) == [10, 30, 40]
    assert pruned(*FIVE, keep_best=2) == [10, 30]
    assert pruned(*FIVE, keep_best=3) == [10]
    assert pruned(*FIVE, keep_best=5) == []


def test_what_another_embedder_scored_is_no_comparison():
    assert pruned(*FIVE, keep_best=1, by_clap=(20, 30)) == [10, 30]


def test_what_is_not_separable_from_the_last_that_stays_stays_too():
    assert pruned(*FIVE, keep_best=1, error=0.04) == [10, 30, 40]
    assert pruned(*FIVE, keep_best=1, error=0.06) == [10, 30]
    assert pruned(*FIVE, keep_best=1, error=0.2) == []
    assert pruned(*FIVE, keep_best=2, error=0.06) == [10]  # 30 is not separable from 40


def test_of_equal_fad_nothing_is_told_apart_and_where_one_must_go_the_earlier_step_is_better():
    four: list[Case] = [(10, 0.2), (20, 0.2), (30, 0.2), (40, 0.9)]
    assert pruned(*four, keep_best=1) == []
    assert pruned(*four, keep_best=1, keep_most=1) == [20, 30]


def test_where_no_error_was_measured_nothing_is_removed_but_for_a_limit():
    assert pruned(*FIVE, keep_best=1, error=None) == []
    assert pruned(*FIVE, keep_best=1, error=None, keep_most=1) == [10, 30, 40]


def test_a_limit_takes_the_lower_clap_score_first_and_never_the_best_by_fad():
    clap = {10: 0.3, 20: 0.5, 30: 0.1, 40: 0.2, 50: 0.0}
    asked: dict[str, Any] = {"error": 0.2, "clap": clap}
    assert pruned(*FIVE, keep_best=1, keep_most=3, **asked) == [30]
    assert pruned(*FIVE, keep_best=1, keep_most=2, **asked) == [30, 40]
    assert pruned(*FIVE, keep_best=1, keep_most=1, **asked) == [10, 30, 40]
    asked_two: dict[str, Any] = asked | {"clap": clap | {40: 0.0}}
    assert pruned(*FIVE, keep_best=2, keep_most=2, **asked_two) == [10, 30]  # not number 2 by FAD
    assert pruned(*FIVE, keep_best=1, gigabytes=1, max_gb=5, **asked) == []
    assert pruned(*FIVE, keep_best=1, gigabytes=1, max_gb=4.5, **asked) == [30]
    # What goes by rank makes room before anything that is not separable must
    assert pruned(*FIVE, keep_best=1, gigabytes=1, max_gb=3.5, error=0.06) == [10, 30]
    assert pruned(*FIVE, keep_best=1, gigabytes=1, max_gb=0.1, **asked) == [10, 30, 40]


def test_no_limit_takes_the_one_that_is_called_best():
    follows = {10: 0.9, 20: 0.1, 30: 0.2, 40: 0.3, 50: 0.0}
    assert pruned(*FIVE, keep_best=1, keep_most=1, error=0.2, clap=follows) == [30, 40]


def test_nothing_is_removed_before_four_are_scored_or_training_ended():
    three: list[Case] = [(10, 0.4), (20, 0.1), (30, 0.3)]
    assert pruned(*three, keep_best=1) == pruned(*three, (40, None), keep_best=1) == []
    assert pruned(*three, keep_best=1, keep_most=1) == []
    assert pruned(*three, (40, 0.9), keep_best=1) == [10, 30]
    assert pruned(*three, (1000, None), keep_best=1) == [10, 30]  # where training ends


def test_the_latest_that_is_valid_stays_where_the_latest_is_not():
    cases: list[Case] = [(10, 0.1), (20, 0.3), (30, 0.2), (40, 0.9), (50, None)]
    assert pruned(*cases, keep_best=1, invalid=(50,)) == [20, 30]
    assert pruned(*cases, keep_best=1) == [20, 30, 40]


def test_what_was_not_evaluated_or_is_not_valid_is_never_pruned():
    cases: list[Case] = [(10, None), (20, 0.1), (30, 0.2), (40, 0.25), (50, 0.3), (60, 0.3)]
    assert pruned(*cases, keep_best=1, invalid=(30,)) == [40, 50]
