"""What is made of a track is emptied, cut, changed or lost: the next run notices, and makes it again as it was."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from lofi_pipeline import audio
from lofi_pipeline.config import load_config
from lofi_pipeline.dataset import ChangedTracks, build_dataset, dataset_is_current, load_version
from lofi_pipeline.entities import TrackRecord
from lofi_pipeline.ingest import (
    ProcessingContext,
    load_record,
    load_registry,
    pending_tracks,
    work_on,
)
from lofi_pipeline.storage import DataRoot, file_sha256, ledger_path, read_json, write_json_atomic
from lofi_pipeline_tests.damage.damages import DAMAGES, Damage, change_a_byte, copied, empty
from lofi_pipeline_tests.drops import work

REMEMBERED = ("metadata/tracks/", "metadata/built_from.json")
"""Records that hold times, which differ between two data roots that are the same."""
LAST_SCAN = "metadata/drops.json"


@pytest.fixture(scope="module")
def built_once(worked_on: DataRoot, tmp_path_factory: pytest.TempPathFactory) -> DataRoot:
    """`worked_on` with its data set. Do not change it."""
    root = DataRoot(tmp_path_factory.mktemp("built") / "data")
    shutil.copytree(worked_on.path, root.path)
    build_dataset(root, load_config())
    return root


@pytest.fixture
def built(built_once: DataRoot, tmp_path: Path) -> DataRoot:
    """A copy of `built_once`, with its hard links."""
    return copied(built_once, tmp_path / "data", os.link)


def without_links(*_: object) -> None:
    """os.link of a file system that has none."""
    raise OSError(errno.EPERM, "no links here")


def contents(root: DataRoot) -> dict[str, object]:
    """What every file holds, without what is remembered of times, the last scan above all, and without its seals."""
    found: dict[str, object] = {}
    for path in sorted(root.path.rglob("*")):
        name = path.relative_to(root.path).as_posix()
        if not path.is_file() or name.endswith(".lock") or name == LAST_SCAN:
            continue
        if path == ledger_path(root):
            seals = [json.loads(line) for line in path.read_text().splitlines()]
            found[name] = [(seal["name"], seal["sha256"]) for seal in seals if LAST_SCAN not in seal["name"]]
        elif name.startswith(REMEMBERED):
            found[name] = {
                key: value for key, value in read_json(path).items() if key not in ("kept_files", "ledger")
            }
        else:
            found[name] = file_sha256(path)
    return found


def done_records(root: DataRoot) -> list[TrackRecord]:
    records = [load_record(root, track.track_id) for track in load_registry(root).tracks]
    return [record for record in records if record and record.tagged]


def run(root: DataRoot) -> None:
    """What `lofi run --to dataset_manifest` does."""
    config = load_config()
    work(root, config, anew=True)
    if not dataset_is_current(root, config):
        build_dataset(root, config)
    assert pending_tracks(root, config) == [] and dataset_is_current(root, config)


FILES: dict[str, Callable[[DataRoot, TrackRecord], Path]] = {
    "audio": lambda root, record: root.path / (record.processed.audio_path if record.processed else ""),
    "fingerprint": lambda root, record: root.fingerprint(record.track_id),
    "prompt": lambda root, record: root.path / (record.tagged.prompt_path if record.tagged else ""),
    "lyrics": lambda root, record: root.path / (record.tagged.lyrics_path if record.tagged else ""),
}


@pytest.mark.parametrize("kind", FILES)
def test_what_was_made_of_a_track_is_made_again_as_it_was(
    kind: str, built: DataRoot, built_once: DataRoot
) -> None:
    records = done_records(built)
    assert len(records) == len(DAMAGES)
    for damage, record in zip(DAMAGES, records, strict=True):
        damage(FILES[kind](built, record))
    assert pending_tracks(built, load_config()) == [record.track_id for record in records]
    run(built)
    assert contents(built) == contents(built_once)


@pytest.mark.parametrize("copy", [os.link, shutil.copyfile], ids=["links", "copies"])
@pytest.mark.parametrize("kind", [".mp3", "_prompt.txt", "_lyrics.txt"])
def test_what_is_published_is_published_again(
    kind: str,
    copy: Callable[[str, str], object],
    built_once: DataRoot,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    built = copied(built_once, tmp_path / "data", copy)
    if copy is not os.link:
        monkeypatch.setattr(os, "link", without_links)
    published = sorted([*built.final.glob(f"*{kind}"), *built.validation.glob(f"*{kind}")])
    for damage, path in zip(DAMAGES, published, strict=True):
        assert dataset_is_current(built, load_config())
        damage(path)
        assert not (dataset_is_current(built, load_config()) and not pending_tracks(built, load_config()))
        run(built)
    assert contents(built) == contents(built_once)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", ["style_mapping.json", "quality_scores.json", "dataset_manifest.json"])
def test_metadata_of_the_data_set_is_written_again(
    name: str, damage: Damage, built: DataRoot, built_once: DataRoot
) -> None:
    run(built)  # its times are those of this copy from now on
    damage(built.metadata / name)
    run(built)
    assert contents(built) == contents(built_once)


def test_a_copy_that_lost_all_times_is_hashed_and_nothing_is_made_again(
    built_once: DataRoot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = DataRoot(tmp_path / "other disk")
    shutil.copytree(built_once.path, other.path, copy_function=shutil.copyfile)
    monkeypatch.setattr(audio, "process", lambda *_: pytest.fail("a track was processed again"))
    assert len(pending_tracks(other, load_config())) == len(done_records(other))  # they look changed
    run(other)
    assert contents(other) == contents(built_once)
    records = [path.read_bytes() for path in sorted(other.track_records.iterdir())]
    run(other)
    assert [path.read_bytes() for path in sorted(other.track_records.iterdir())] == records


def test_files_that_were_only_touched_need_no_original(built: DataRoot) -> None:
    for record in done_records(built):
        assert record.processed
        os.utime(built.path / record.processed.audio_path)
        built.inside(record.origins[0].path).unlink()
        track = load_registry(built).by_id()[record.track_id]
        again = work_on(built, track, ProcessingContext.open(load_config()))
        assert again.model_copy(update={"kept_files": record.kept_files}) == record
    assert pending_tracks(built, load_config()) == []


def test_a_published_copy_that_was_changed_is_noticed_in_a_copied_data_root(
    built_once: DataRoot, tmp_path: Path
) -> None:
    copy = copied(built_once, tmp_path / "data", shutil.copyfile)
    assert dataset_is_current(copy, load_config())
    change_a_byte(next(copy.final.glob("*.mp3")))
    assert not dataset_is_current(copy, load_config())


def test_records_of_an_earlier_version_go_on_and_notice_what_is_empty(built: DataRoot) -> None:
    for path in [*built.track_records.glob("*.json"), built.built_from_json]:
        record = read_json(path)
        del record["kept_files"]
        write_json_atomic(path, record)
    assert pending_tracks(built, load_config()) == []
    assert dataset_is_current(built, load_config())
    for find, record in zip(FILES.values(), done_records(built), strict=True):
        empty(find(built, record))
    assert len(pending_tracks(built, load_config())) == len(FILES)
    run(built)
    assert all(
        find(built, record).stat().st_size for find in FILES.values() for record in done_records(built)
    )


def test_a_data_set_is_not_built_of_changed_files(built: DataRoot) -> None:
    version, record = load_version(built), done_records(built)[0]
    assert record.processed
    change_a_byte(built.path / record.processed.audio_path)
    with pytest.raises(ChangedTracks, match=f"{record.processed.audio_path}.*lofi run"):
        build_dataset(built, load_config())
    assert load_version(built) == version


def test_what_is_remembered_of_files_makes_no_other_data_set(built: DataRoot) -> None:
    inputs = json.loads(built.built_from_json.read_bytes())["inputs"]
    for record in done_records(built):
        path = built.track_record(record.track_id)
        write_json_atomic(path, read_json(path) | {"kept_files": {}})
    build_dataset(built, load_config())
    assert json.loads(built.built_from_json.read_bytes())["inputs"] == inputs
