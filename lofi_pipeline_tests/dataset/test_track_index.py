"""The index of the track list says what `track_overview` says, whatever was changed, and reads only what changed."""

from __future__ import annotations

import os
import random
import re
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import soundfile

from lofi_pipeline.config import load_config
from lofi_pipeline.dataset import (
    Progress,
    Refreshed,
    TrackFilter,
    TrackIndex,
    TrackOverview,
    TrackQuery,
    TrackSort,
    ask_index,
    ask_index_as_it_is,
    build_dataset,
    deciding_files,
    refresh_index,
    track_overview,
    track_refresh,
)
from lofi_pipeline.dataset.track_tables import index_path
from lofi_pipeline.entities import RecordError, TrackEdit, TrackRecord, TrackStatus
from lofi_pipeline.ingest import load_record, load_registry
from lofi_pipeline.licensing import withdraw
from lofi_pipeline.review import accept, edit, edits_path, reject, undo
from lofi_pipeline.storage import DataRoot, write_json_atomic
from lofi_pipeline_tests.drops import TODAY, facts, make_drop, register, settings, song, work


@pytest.fixture
def ready(worked_on: DataRoot, tmp_path: Path) -> DataRoot:
    """Four tracks that are ready, and one that is too short."""
    shutil.copytree(worked_on.path, tmp_path / "data")
    return DataRoot(tmp_path / "data")


def rows(root: DataRoot) -> list[TrackOverview]:
    return ask_index(root, load_config(), lambda index: list(index.rows()))


def ids(root: DataRoot, **query: object) -> list[str]:
    return ask_index(root, load_config(), lambda index: index.ids(TrackQuery.model_validate(query)))


def changed(root: DataRoot, track_id: str, **fields: object) -> None:
    """Write a track's record anew."""
    record = load_record(root, track_id)
    assert record
    write_json_atomic(root.track_record(track_id), record.model_copy(update=fields))


def tagged(root: DataRoot, track_id: str, **fields: object) -> None:
    record = load_record(root, track_id)
    assert record and record.tagged
    changed(root, track_id, tagged=record.tagged.model_copy(update=fields))


CHANGES: dict[str, Callable[[DataRoot], object]] = {
    "a style that is unsure": lambda root: tagged(
        root, "track_001", needs_review=True, styles_declared=False
    ),
    "a failed track": lambda root: changed(root, "track_002", status=TrackStatus.FAILED, reason="no luck"),
    "a lost record": lambda root: root.track_record("track_003").unlink(missing_ok=True),
    "a lost fingerprint": lambda root: root.fingerprint("track_004").unlink(missing_ok=True),
    "an accepted track": lambda root: accept(root, "track_001", "kim"),
    "a rejected track": lambda root: reject(root, "track_002", "kim", "not lofi"),
    "an edited track": lambda root: edit(root, "track_001", "kim", TrackEdit(bpm=99, style_ids=["CORE-02"])),
    "an undone edit": lambda root: undo(root, "track_001", "kim"),
    "a damaged file of edits": lambda root: edits_path(root, "track_004").write_text("{}\n"),
    "that file is gone": lambda root: edits_path(root, "track_004").unlink(missing_ok=True),
    "another drop": lambda root: (
        make_drop(root, "third", {"e.wav": song(4)}, facts(source_id="third")),
        register(root),
    ),
    "its work": work,
    "a copy of a track": lambda root: (
        make_drop(root, "copies", {"a again.flac": song(0)}, facts(source_id="copies")),
        work(root),
    ),
    "a refused drop": lambda root: (
        make_drop(root, "none", {"f.wav": song(5)}, facts(source_id="none", license_type="unknown")),
        register(root),
    ),
    "a removed drop": lambda root: (shutil.rmtree(root.raw / "creative-commons" / "first"), register(root)),
    "a withdrawal": lambda root: withdraw(root, "tests-commissioned", reason="the artist left", day=TODAY),
    "a data set": lambda root: build_dataset(root, load_config()),
    "a lost scan": lambda root: root.drops_json.unlink(),
}


def test_it_says_what_the_overview_says_after_each_change(ready: DataRoot) -> None:
    edits_path(ready, "track_001").parent.mkdir(exist_ok=True)
    for name, change in CHANGES.items():
        change(ready)
        assert rows(ready) == track_overview(ready, load_config()), name


@pytest.mark.parametrize("seed", range(3))
def test_it_says_what_the_overview_says_in_any_order(ready: DataRoot, seed: int) -> None:
    edits_path(ready, "track_001").parent.mkdir(exist_ok=True)
    names = [name for name in CHANGES if name != "a lost scan"]
    for name in random.Random(seed).sample(names, 8):
        try:
            CHANGES[name](ready)
        except (RecordError, OSError):  # such as an undo of nothing: the next change then
            continue
        assert rows(ready) == track_overview(ready, load_config()), name


def test_only_records_that_changed_are_read(ready: DataRoot, monkeypatch: pytest.MonkeyPatch) -> None:
    def refreshed() -> Refreshed:
        return refresh_index(ready, load_config())

    assert refreshed() == Refreshed(looked_at=5, read=5, all_anew=True)
    assert refreshed() == Refreshed(looked_at=5, read=0, all_anew=False)
    tagged(ready, "track_001", prompt="another prompt")
    assert refreshed() == Refreshed(looked_at=5, read=1, all_anew=False)
    accept(ready, "track_002", "kim")
    assert refreshed() == Refreshed(looked_at=6, read=1, all_anew=False)
    monkeypatch.setattr(track_refresh, "_FEW_RECORDS", 0)
    long_ago = os.stat(ready.track_records).st_mtime - 1000
    for folder in (ready.track_records, ready.edits, ready.fingerprint("").parent):
        os.utime(folder, (long_ago, long_ago))
    refreshed()
    assert refreshed() == Refreshed(), "of many records not even the size is asked while no folder changed"
    tagged(ready, "track_003", prompt="a third prompt")
    assert refreshed().read == 1
    assert ids(ready, text="third prom") == ["track_003"]


def test_every_file_that_the_overview_reads_is_looked_at(
    ready: DataRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever has the overview read another file must have the index look at it, or it would not see its changes."""
    build_dataset(ready, load_config())
    withdraw(ready, "tests-commissioned", reason="the artist left", day=TODAY)
    opened: set[Path] = set()
    real = Path.open  # of read_bytes and read_text, too

    def noted(path: Path, *args: Any, **kwargs: Any) -> Any:
        file = real(path, *args, **kwargs)
        opened.add(path)
        return file

    monkeypatch.setattr(Path, "open", noted)
    for path in (ready.registry_json, ready.drops_json, ready.dataset_manifest_json):
        os.utime(path)  # what is as it was read before is not read again
    track_overview(ready, load_config())
    records = {path for path in opened if path.parent == ready.track_records}
    assert records and {ready.registry_json, ready.drops_json, ready.duplicates_json} <= opened
    assert opened - records - set(deciding_files(ready)) == set()


@pytest.mark.parametrize("damage", ["foreign", "text", "cut", "middle", "row", "folder"])
def test_a_damaged_or_foreign_index_is_made_anew(ready: DataRoot, damage: str) -> None:
    expected, path = rows(ready), index_path(ready)
    match damage:
        case "text":
            path.write_text("no database")
        case "cut":
            path.write_bytes(path.read_bytes()[:5000])
        case "middle":
            data = bytearray(path.read_bytes())
            data[4096:] = b"\xff" * (len(data) - 4096)
            path.write_bytes(data)
        case "folder":
            path.unlink()
            path.mkdir()
        case _:
            with sqlite3.connect(path) as database:
                if damage == "row":
                    database.execute("UPDATE said SET row = '{}'")
                else:
                    database.executescript("DROP TABLE tracks; PRAGMA user_version = 7")
    assert rows(ready) == expected
    assert damage == "folder" or rows(ready) == expected


def test_where_no_index_can_be_kept_it_is_made_for_once(ready: DataRoot) -> None:
    shutil.rmtree(ready.cache, ignore_errors=True)
    ready.cache.write_text("no folder")
    assert rows(ready) == track_overview(ready, load_config())
    assert refresh_index(ready, load_config()).read == 0, "it is kept elsewhere while the program runs"


def test_one_that_was_broken_off_is_not_taken_for_whole_and_goes_on_where_it_was(
    ready: DataRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ended(progress: Progress) -> None:
        if progress.done == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(track_refresh, "_AT_ONCE", 2)
    with pytest.raises(KeyboardInterrupt):
        refresh_index(ready, load_config(), ended)
    assert ask_index_as_it_is(ready, lambda index: list(index.rows())) is None
    assert refresh_index(ready, load_config()) == Refreshed(looked_at=5, read=3, all_anew=True)
    assert rows(ready) == track_overview(ready, load_config())


def test_of_copies_the_other_one_is_taken_once_the_better_one_is_rejected(ready: DataRoot) -> None:
    folder = make_drop(ready, "copies", {}, facts(source_id="copies"))
    samples, rate = soundfile.read(song(0))
    soundfile.write(folder / "a again.wav", 0.8 * samples, rate)
    work(ready)
    build_dataset(ready, load_config())
    same = [row for row in rows(ready) if "the same recording as" in (row.reason or "")]
    assert len(same) == 1 and same[0].reason
    kept = re.findall("track_[0-9]+", same[0].reason)[0]
    reject(ready, kept, "kim", "a hum in it")
    found = {row.track_id: row for row in rows(ready)}
    assert found[kept].refused and not found[same[0].track_id].refused
    assert rows(ready) == track_overview(ready, load_config())


def _record(root: DataRoot, number: int, rng: random.Random) -> TrackRecord:
    record = load_record(root, f"track_{number:03d}")
    assert record and record.tagged and record.processed
    confidence = rng.choice([0.2, 0.5, 0.5, 0.9])
    quality = record.processed.quality.model_copy(update={"score": rng.choice([60, 70, 70])})
    return record.model_copy(
        update={
            "tagged": record.tagged.model_copy(update={"style_confidence": confidence}),
            "processed": record.processed.model_copy(update={"quality": quality}),
        }
    )


@pytest.mark.parametrize("sort", list(TrackSort))
@pytest.mark.parametrize("descending", [False, True])
def test_stepping_from_track_to_track_goes_through_the_list(
    ready: DataRoot, sort: TrackSort, descending: bool
) -> None:
    """Equal and unknown values included, such as those of the track that is too short."""
    rng = random.Random(1)
    for track in load_registry(ready).tracks[:4]:
        number = int(track.track_id[6:])
        write_json_atomic(ready.track_record(track.track_id), _record(ready, number, rng))
    query = TrackQuery(sort=sort, descending=descending)

    def walk(index: TrackIndex, start: str, *, following: bool) -> list[str]:
        found = [start]
        while (beside := index.neighbour(query, found[-1], following=following)) is not None:
            found.append(beside)
            assert len(found) < 9
        return found

    def question(index: TrackIndex) -> None:
        listed = index.ids(query)
        assert len(listed) == 5
        assert walk(index, listed[0], following=True) == listed
        assert walk(index, listed[-1], following=False) == listed[::-1]

    ask_index(ready, load_config(), question)


def test_an_unsure_track_waits_and_goes_on_once_it_is_accepted(ready: DataRoot) -> None:
    tagged(ready, "track_001", needs_review=True, style_confidence=0.3)
    assert (ids(ready, only=["unsure"]), ids(ready, only=["waiting"])) == (["track_001"], ["track_001"])
    follows = ask_index(
        ready,
        load_config(),
        lambda index: index.neighbour(TrackQuery(only=[TrackFilter.UNSURE]), "track_001", following=True),
    )
    assert follows is None
    config = settings(tagging={"needs_review": "train"})
    assert ask_index(ready, config, lambda index: index.ids(TrackQuery(only=[TrackFilter.WAITING]))) == []
    accept(ready, "track_001", "kim")
    assert ids(ready, only=["unsure"]) == [] and ids(ready, only=["verified"]) == ["track_001"]
