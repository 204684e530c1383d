"""Unsure tracks wait for a person before they are trained on, unless they were asked for, or an earlier version took them."""

from __future__ import annotations

import json

import pytest

from lofi_pipeline import review
from lofi_pipeline.config import load_config
from lofi_pipeline.dataset import (
    NoTracks,
    build_dataset,
    dataset_is_current,
    left_out,
    load_built_from,
    track_overview,
)
from lofi_pipeline.dataset.eligibility import eligibility_of
from lofi_pipeline.entities import TrackEdit
from lofi_pipeline.ingest import load_record
from lofi_pipeline.storage import DataRoot, write_json_atomic
from lofi_pipeline_tests.drops import TODAY, settings
from lofi_pipeline_tests.review.test_taken_up import run

UNSURE, OTHER = "track_001", "track_002"
TRAIN = settings(tagging={"needs_review": "train"})


@pytest.fixture
def unsure(ready: DataRoot) -> DataRoot:
    """Four tracks that are ready, and of one the style is unsure."""
    record = load_record(ready, UNSURE)
    assert record and record.tagged
    tagged = record.tagged.model_copy(update={"needs_review": True, "style_confidence": 0.41})
    write_json_atomic(ready.track_record(UNSURE), record.model_copy(update={"tagged": tagged}))
    return ready


def built(root: DataRoot, config=None) -> set[str]:
    version = build_dataset(root, config or load_config(), day=TODAY).version
    return {item.track.track_id for item in version.tracks}


def test_an_unsure_track_waits_and_it_is_said_why(unsure: DataRoot):
    assert UNSURE not in built(unsure) and OTHER in built(unsure)
    rows = {row.track_id: row for row in track_overview(unsure, load_config())}
    assert (rows[UNSURE].waits, rows[UNSURE].unsure, rows[OTHER].waits) == (True, True, False)
    reason = rows[UNSURE].reason
    assert reason and "its style is unsure (SEASON-01, confidence 0.41)" in reason and "lofi review" in reason
    assert dataset_is_current(unsure, load_config(), day=TODAY)


def test_with_train_it_goes_in_and_with_hold_again_it_leaves(unsure: DataRoot):
    assert UNSURE in built(unsure, TRAIN)
    assert not dataset_is_current(unsure, load_config(), day=TODAY)
    assert UNSURE not in built(unsure)


@pytest.mark.parametrize("how", ["accept", "edit"])
def test_whoever_looked_at_it_lets_it_in(unsure: DataRoot, how: str):
    built(unsure)
    if how == "accept":
        review.accept(unsure, UNSURE, "kim")
    else:
        review.edit(unsure, UNSURE, "kim", TrackEdit(style_ids=["CORE-02"]))
    run(unsure)
    assert UNSURE in built(unsure)
    review.undo(unsure, UNSURE, "kim")
    run(unsure)
    assert UNSURE not in built(unsure)


def test_what_an_earlier_version_of_the_program_took_stays_until_somebody_looked_at_it(unsure: DataRoot):
    built(unsure, TRAIN)
    written = json.loads(unsure.built_from_json.read_text())
    del written["needs_review"]  # as an earlier version wrote it
    unsure.built_from_json.write_text(json.dumps(written))
    assert dataset_is_current(unsure, load_config(), day=TODAY)
    assert UNSURE in built(unsure)
    assert UNSURE in built(unsure)  # also after that
    from_before = load_built_from(unsure)
    assert from_before and from_before.stay == [UNSURE]
    review.reject(unsure, UNSURE, "kim", "hum")
    assert UNSURE not in built(unsure)


def test_where_all_wait_it_is_said_what_to_do(unsure: DataRoot):
    for number in range(2, 5):
        review.reject(unsure, f"track_00{number}", "kim", "hum")
    with pytest.raises(NoTracks, match="1 wait for a person who looks at them: `lofi review` shows them"):
        build_dataset(unsure, load_config(), day=TODAY)
    waiting = [item for item in left_out(unsure, eligibility_of(unsure, load_config())) if item.waits]
    assert [item.track_id for item in waiting] == [UNSURE]
