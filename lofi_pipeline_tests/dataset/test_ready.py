"""Of many tracks, a build reads the records that changed alone, and an index lets nothing in that the records would not."""

import os
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from lofi_pipeline import review
from lofi_pipeline.config import load_config
from lofi_pipeline.dataset import (
    ChangedTracks,
    build,
    build_dataset,
    dataset_is_current,
    eligibility_of,
    publish,
    ready,
    version,
)
from lofi_pipeline.entities import RecordError, TrackRecord, TrackStatus, VersionTrack
from lofi_pipeline.ingest import load_record, record_index
from lofi_pipeline.licensing import withdraw
from lofi_pipeline.storage import DataRoot, write_json_atomic
from lofi_pipeline_tests.alive import Alive
from lofi_pipeline_tests.ingest.reads import records_read_by

TRACK = "track_002"


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tracks whose records a build reads."""
    return records_read_by(ready, monkeypatch)


@pytest.fixture
def root(ready: DataRoot, monkeypatch: pytest.MonkeyPatch) -> DataRoot:
    """With so few tracks taken for many, and a data set built of them."""
    monkeypatch.setattr(record_index, "FEW", 1)
    assert TRACK in built(ready)
    return ready


def built(root: DataRoot) -> set[str]:
    version = build_dataset(root, load_config()).version
    return {item.track.track_id for item in version.tracks}


def record_of(root: DataRoot) -> TrackRecord:
    record = load_record(root, TRACK)
    assert record
    return record


def test_a_record_that_did_not_change_is_not_read_again(root: DataRoot, read: list[str]) -> None:
    assert TRACK in built(root) and dataset_is_current(root, load_config())
    assert read == []
    write_json_atomic(root.track_record(TRACK), record_of(root).model_copy(update={"human_verified": True}))
    assert not dataset_is_current(root, load_config())
    assert TRACK in built(root)
    assert set(read) == {TRACK}


def refused(root: DataRoot) -> None:
    refused = {"status": TrackStatus.REJECTED, "reason": "silence"}
    write_json_atomic(root.track_record(TRACK), record_of(root).model_copy(update=refused))


def rejected_by_a_person(root: DataRoot) -> None:
    review.reject(root, TRACK, "kim", "not ours")


def of_a_withdrawn_source(root: DataRoot) -> None:
    withdraw(root, record_of(root).source_id, reason="she asked", day=date.today())


def without_a_record(root: DataRoot) -> None:
    root.track_record(TRACK).unlink()


@pytest.mark.parametrize("happened", [refused, rejected_by_a_person, of_a_withdrawn_source, without_a_record])
def test_what_the_records_refuse_is_out_whatever_the_index_has(
    root: DataRoot, happened: Callable[[DataRoot], None]
) -> None:
    happened(root)
    assert not dataset_is_current(root, load_config())
    assert TRACK not in built(root)


def test_a_record_that_was_written_over_in_place_with_its_former_time_is_read(
    root: DataRoot, read: list[str]
) -> None:
    path = root.track_record(TRACK)
    before, text = path.stat(), path.read_bytes()
    path.write_bytes(text.replace(b'"human_verified": false', b'"human_verified": true '))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size and path.stat().st_ino == before.st_ino
    assert not dataset_is_current(root, load_config())
    assert read == [TRACK]


def test_a_style_that_there_is_no_more_is_refused_by_name(
    root: DataRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "load_presets", dict)
    with pytest.raises(RecordError, match="unknown style ids"):
        built(root)


@pytest.mark.parametrize("damage", ["other bytes", "gone", "a folder"])
def test_without_the_index_the_data_set_is_the_same(root: DataRoot, damage: str) -> None:
    index, built_from = root.cache / "due.sqlite", root.built_from_json.read_bytes()
    before = build_dataset(root, load_config()).version
    if damage == "other bytes":
        index.write_bytes(b"x" * 9000)
    else:
        index.unlink()
        if damage == "a folder":
            index.mkdir()
    assert dataset_is_current(root, load_config())
    assert build_dataset(root, load_config()).version == before
    assert root.built_from_json.read_bytes() == built_from


def test_what_other_code_made_of_the_records_is_not_taken(
    root: DataRoot, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_index, "code_version", lambda: "0" * 12)
    assert TRACK in built(root)
    assert len(read) > 1
    read.clear()
    assert TRACK in built(root) and read == []


def test_a_record_that_is_written_meanwhile_stops_the_build(root: DataRoot) -> None:
    """What is decided of a track and what is published of it is one state of its record."""
    with ready.ready_tracks(root, eligibility_of(root, load_config())) as found:
        refused(root)
        with pytest.raises(ChangedTracks, match="was written while the data set was made"):
            found.records({TRACK})


def test_few_entries_of_a_version_are_in_memory_at_once(
    root: DataRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (ready, version):
        monkeypatch.setattr(module, "_TOGETHER", 1)
    there: list[int] = []

    def look(path: Path, value: object) -> None:
        there.append(alive.count().total())
        writing(path, value)

    writing = publish.write_json_atomic
    monkeypatch.setattr(publish, "write_json_atomic", look)
    write_json_atomic(root.track_record(TRACK), record_of(root).model_copy(update={"human_verified": True}))
    alive = Alive(VersionTrack, ready.ReadyFacts)
    found = build_dataset(root, load_config())
    assert found.is_new and len(found.version.tracks) == 4 and len(there) == 3
    assert max(there) <= 4, there  # of eight
