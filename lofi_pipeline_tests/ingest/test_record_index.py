"""The index of records gives what was noted, whichever tracks were asked for before."""

from pathlib import Path

import pytest

from lofi_pipeline.ingest import record_index
from lofi_pipeline.ingest.record_index import opened_index
from lofi_pipeline.storage import DataRoot

IDS = [f"track_{number:03d}" for number in (1, 2, 127, 128, 300)]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DataRoot:
    """A data root of which even a few tracks are kept in the index."""
    monkeypatch.setattr(record_index, "FEW", 1)
    return DataRoot(tmp_path)


def test_what_is_noted_after_its_neighbours_were_asked_for_is_found(root: DataRoot) -> None:
    with opened_index(root, "ready", "one", "two", tracks=2) as index:
        for track_id in IDS:
            assert index.find(track_id, "stamp", "one") is None
            index.note(track_id, "stamp", f"one of {track_id}", f"two of {track_id}")
            assert index.find(track_id, "stamp", "one") == f"one of {track_id}"
            index.note(track_id, "later", f"new {track_id}", "")
            assert index.find(track_id, "stamp", "one") is None
            assert index.find(track_id, "later", "one") == f"new {track_id}"


def test_each_text_of_each_track_is_found_in_any_order(root: DataRoot) -> None:
    with opened_index(root, "ready", "one", "two", tracks=2) as index:
        for track_id in IDS:
            index.note(track_id, track_id, f"one of {track_id}", f"two of {track_id}")
    with opened_index(root, "ready", "one", "two", tracks=2) as index:
        for track_id in (*IDS, *reversed(IDS)):
            for text in ("two", "one"):
                assert index.find(track_id, track_id, text) == f"{text} of {track_id}"
                assert index.find(track_id, "another stamp", text) is None
