"""Of many tracks, only the records that changed are read to know what is due."""

import sqlite3
from pathlib import Path

import pytest

from lofi_pipeline.config import load_config
from lofi_pipeline.entities import TrackStatus
from lofi_pipeline.ingest import due, load_record, pending_tracks, record_index, refused_tracks
from lofi_pipeline.storage import DataRoot, write_json_atomic
from lofi_pipeline_tests.ingest.reads import records_read_by


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tracks whose records are read."""
    return records_read_by(due, monkeypatch)


@pytest.fixture
def root(ready: DataRoot, monkeypatch: pytest.MonkeyPatch) -> DataRoot:
    """With so few tracks taken for many."""
    monkeypatch.setattr(record_index, "FEW", 1)
    return ready


@pytest.fixture
def index(root: DataRoot) -> Path:
    """After a first look."""
    assert pending_tracks(root, load_config()) == []
    return root.cache / "due.sqlite"


def test_a_record_is_read_once(root: DataRoot, index: Path, read: list[str]) -> None:
    assert pending_tracks(root, load_config()) == []
    assert read == []
    record = load_record(root, "track_002")
    assert record
    write_json_atomic(root.track_record("track_002"), record.model_copy(update={"inputs": {}}))
    assert pending_tracks(root, load_config()) == ["track_002"]
    assert pending_tracks(root, load_config()) == ["track_002"]
    assert read == ["track_002"]


def test_what_was_made_is_looked_at_each_time(root: DataRoot, index: Path, read: list[str]) -> None:
    with next(root.processed.rglob("track_001.mp3")).open("ab") as file:
        file.write(b"x")
    root.track_record("track_002").unlink()
    root.fingerprint("track_003").unlink()
    assert pending_tracks(root, load_config()) == ["track_001", "track_002", "track_003"]
    assert read == ["track_002"]


def test_another_configuration_is_due_for_all(root: DataRoot, index: Path) -> None:
    config = load_config()
    louder = config.model_copy(update={"audio": config.audio.model_copy(update={"target_lufs": -10.0})})
    due_now = pending_tracks(root, louder)
    assert {"track_001", "track_002"} <= set(due_now)


def test_of_those_that_were_not_refused_no_record_is_read(
    root: DataRoot, index: Path, read: list[str]
) -> None:
    root.track_record("track_002").write_text("no record")
    (refused,) = refused_tracks(root)
    assert (refused.status, refused.reason is not None) == (TrackStatus.REJECTED, True)
    assert read == ["track_002", refused.track_id]


@pytest.mark.parametrize("damage", ["no database", "another layout", "gone"])
def test_a_damaged_index_is_made_anew(root: DataRoot, index: Path, read: list[str], damage: str) -> None:
    if damage == "no database":
        index.write_bytes(b"x" * 5000)
    elif damage == "gone":
        index.unlink()
    else:
        with sqlite3.connect(index) as database:
            database.execute("PRAGMA user_version = 7")
    assert pending_tracks(root, load_config()) == []
    assert len(read) > 1
    read.clear()
    assert pending_tracks(root, load_config()) == []
    assert read == []


def test_no_index_is_no_fault(root: DataRoot, read: list[str]) -> None:
    root.cache.mkdir(exist_ok=True)
    (root.cache / "due.sqlite").mkdir()
    for _ in range(2):
        assert pending_tracks(root, load_config()) == []
    assert len(read) > 2
