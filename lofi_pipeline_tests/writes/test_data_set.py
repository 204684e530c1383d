"""From drops to a data set, killed anywhere: one more run ends in what an undisturbed run gives."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import pytest

from lofi_pipeline.config import load_config
from lofi_pipeline.dataset import NoTracks, build_dataset, dataset_is_current, load_version
from lofi_pipeline.entities import RAW_FOLDER, SourceType, StyleCategory
from lofi_pipeline.ingest import (
    ProcessingContext,
    changed_drops,
    load_registry,
    load_scan,
    pending_tracks,
    work_on,
)
from lofi_pipeline.licensing import withdraw
from lofi_pipeline.storage import DataRoot, remove_sealed
from lofi_pipeline.styles import load_presets
from lofi_pipeline_tests.drops import TODAY, facts, make_drop, register, song
from lofi_pipeline_tests.writes.kills import Trial, in_order, order_of


def run(root: DataRoot) -> None:
    """What `lofi run --to dataset_manifest` does: each stage, where it has something to do."""
    config = load_config()
    scan = load_scan(root)
    changed = changed_drops(root, scan, style_ids=set(load_presets()), licensing=config.licensing, day=TODAY)
    if changed or scan is None:
        register(root)
    context, known = ProcessingContext.open(config), load_registry(root).by_id()
    for track_id in pending_tracks(root, config):
        work_on(root, known[track_id], context)
    if not dataset_is_current(root, config, day=TODAY):
        build_dataset(root, config, day=TODAY)


def withdraw_first(root: DataRoot) -> None:
    """What `lofi audit source ... --withdraw` does."""
    withdraw(root, "tests-creative_commons", reason="the artist asked", day=TODAY)
    run(root)


def withdraw_second(root: DataRoot) -> None:
    withdraw(root, "tests-commissioned", reason="the contract ended", day=TODAY)
    with suppress(NoTracks):
        run(root)


@pytest.fixture
def built(ready: DataRoot) -> DataRoot:
    run(ready)
    return ready


def test_a_first_data_set(ready: DataRoot, tmp_path: Path, which: str) -> None:
    """The tracks are worked on; drops are registered and a data set is built."""
    ready.sources_json.unlink()
    for path in (ready.drops_json, ready.claims_json, ready.registry_json):
        remove_sealed(ready, path)
    trial = Trial(ready, run, tmp_path)
    assert in_order(trial.changes, [*order_of("register"), *order_of("build")]) == []
    assert trial.unequal(which) == []


def test_drops_that_come_change_and_go(built: DataRoot, tmp_path: Path, which: str) -> None:
    """One track moves to another category, one is gone, one has a second source, and a drop is refused."""
    first, second = (
        built.raw / RAW_FOLDER[SourceType.CREATIVE_COMMONS] / "first",
        built.raw / RAW_FOLDER[SourceType.COMMISSIONED] / "second",
    )
    edited = facts(defaults={"style_ids": ["SEASON-01"]})
    (first / "source.json").write_text(json.dumps(edited), encoding="utf-8")
    (second / "d.wav").unlink()
    make_drop(built, "third", {"again.wav": song(1)}, facts(source_id="third"))
    make_drop(built, "fourth", {"e.wav": song(1)}, "{")
    trial = Trial(built, run, tmp_path)
    assert in_order(trial.changes, order_of("remember")) == []
    assert load_version(trial.undisturbed).dataset.style_distribution[StyleCategory.SEASONAL] == 3
    assert trial.unequal(which) == []


def test_a_source_that_is_withdrawn(built: DataRoot, tmp_path: Path, which: str) -> None:
    trial = Trial(built, withdraw_first, tmp_path)
    assert in_order(trial.changes, order_of("withdraw")) == []
    assert [item.track.track_id for item in load_version(trial.undisturbed).tracks] == [
        "track_001",
        "track_002",
    ]
    assert trial.unequal(which) == []


def test_a_second_withdrawal(built: DataRoot, tmp_path: Path, which: str) -> None:
    """Its list is known to the ledger already, as it was with the first."""
    withdraw(built, "tests-creative_commons", reason="the artist asked", day=TODAY)
    trial = Trial(built, withdraw_second, tmp_path)
    assert trial.unequal(which) == []


def test_a_track_from_its_raw_file(root: DataRoot, tmp_path: Path, which: str) -> None:
    make_drop(root, "first", {"a.wav": song(0)}, facts(defaults={"style_ids": ["SEASON-01"]}))
    trial = Trial(root, run, tmp_path)
    assert in_order(trial.changes, order_of("track")) == []
    assert trial.unequal(which) == []
