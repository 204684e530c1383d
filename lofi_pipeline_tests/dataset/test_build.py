"""The data set: what is published, what its hash depends on, and what an unchanged one leaves alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import jsonschema
import pytest

from lofi_pipeline.config import load_config
from lofi_pipeline.dataset import (
    BuiltDataset,
    NoTracks,
    build_dataset,
    dataset_is_current,
    left_out,
    load_version,
)
from lofi_pipeline.entities import RecordError, Split
from lofi_pipeline.entities.schemas import SCHEMA_FOLDER
from lofi_pipeline.storage import (
    DataRoot,
    ledger_path,
    read_json,
    read_ledger,
    write_json_atomic,
)
from lofi_pipeline_tests.drops import facts, make_drop, register, settings, song, work

KINDS = (".mp3", "_prompt.txt", "_lyrics.txt")


def build(root: DataRoot, **rooms: dict[str, object]) -> BuiltDataset:
    return build_dataset(root, settings(**rooms))


def times(root: DataRoot) -> dict[str, int]:
    files = (path for path in root.path.rglob("*") if path.is_file() and not path.name.endswith(".lock"))
    return {str(path.relative_to(root.path)): path.stat().st_mtime_ns for path in files}


def schema(name: str) -> dict[str, object]:
    return json.loads((SCHEMA_FOLDER / f"{name}.json").read_text())


def test_every_track_is_published_with_its_three_files(ready: DataRoot) -> None:
    built = build(ready)
    assert built.is_new
    dataset = built.version.dataset
    assert (dataset.track_count, dataset.train_count, dataset.validation_count) == (4, 3, 1)
    assert dataset.style_distribution == {
        "core": 2,
        "seasonal": 2,
        "thematic": 0,
        "instrumental": 0,
        "vocal": 0,
    }
    for item in built.version.tracks:
        folder = ready.final if item.track.split is Split.TRAIN else ready.validation
        for kind in KINDS:
            published = folder / f"{item.track.track_id}{kind}"
            assert published.stat().st_nlink == 2  # a hard link: no second copy of the music
        assert (folder / f"{item.track.track_id}_prompt.txt").read_text() == item.prompt
        assert (folder / f"{item.track.track_id}_lyrics.txt").read_text() == "[Instrumental]"
    published = [*ready.final.iterdir(), *ready.validation.iterdir()]
    assert len(published) == 4 * len(KINDS)


def test_the_metadata_files_are_as_the_data_model_says(ready: DataRoot) -> None:
    version = build(ready).version
    jsonschema.validate(read_json(ready.dataset_manifest_json), schema("dataset"))
    for source in read_json(ready.sources_json):
        jsonschema.validate(source, schema("source_record"))
    for item in version.tracks:
        jsonschema.validate(item.track.model_dump(mode="json"), schema("track"))
    ids = [item.track.track_id for item in version.tracks]
    assert read_json(ready.style_mapping_json) == {
        item.track.track_id: item.track.style_ids for item in version.tracks
    }
    scores = read_json(ready.quality_scores_json)
    assert list(scores) == ids
    for entry in scores.values():
        assert 0 <= entry["score"] <= 100
        assert entry["verified"] is False
        assert len(entry["date"].split("-")) == 3
    assert load_version(ready) == load_version(ready, version.dataset.hash) == version
    for path in ready.metadata.rglob("*.json"):
        assert str(ready.path) not in path.read_text(), f"{path} names the data root"


def test_an_unchanged_data_set_is_not_new_and_writes_nothing(ready: DataRoot) -> None:
    first = build(ready)
    before = times(ready)
    assert dataset_is_current(ready, load_config())
    second = build(ready)
    assert not second.is_new
    assert second.version == first.version
    assert times(ready) == before
    next(ready.final.glob("*.mp3")).unlink()
    assert not dataset_is_current(ready, load_config())
    assert not build(ready).is_new
    assert dataset_is_current(ready, load_config())


def test_the_same_drops_give_the_same_hash_in_another_data_root(ready: DataRoot, tmp_path: Path) -> None:
    other = DataRoot(tmp_path / "elsewhere" / "music").create()
    shutil.rmtree(other.raw)
    shutil.copytree(ready.raw, other.raw)
    work(other)
    assert build(other).version.dataset.hash == build(ready).version.dataset.hash


def hash_now(root: DataRoot) -> str:
    work(root)
    return build(root).version.dataset.hash


def test_a_changed_byte_prompt_licence_or_split_gives_another_hash(ready: DataRoot) -> None:
    hashes = [hash_now(ready)]
    first = facts()
    make_drop(ready, "first", {}, first | {"license_type": "CC BY 4.0"})
    hashes.append(hash_now(ready))
    make_drop(ready, "first", {}, first | {"defaults": {"style_ids": ["CORE-02"]}})
    hashes.append(hash_now(ready))
    make_drop(ready, "first", {}, first | {"defaults": {"style_ids": ["CORE-01"], "title": "T"}})
    hashes.append(hash_now(ready))
    path = ready.raw / "creative-commons" / "first" / "a.wav"
    path.write_bytes(path.read_bytes() + b"\0\0")
    make_drop(ready, "first", {}, first)
    hashes.append(hash_now(ready))
    ready.splits_json.unlink()
    hashes.append(build(ready, dataset={"validation_ratio": 0.5}).version.dataset.hash)
    assert len(set(hashes)) == len(hashes)
    for digest in hashes:
        assert load_version(ready, digest).dataset.hash == digest  # every version stays


def test_what_was_there_before_gives_the_former_hash_and_version_file(ready: DataRoot) -> None:
    former = hash_now(ready)
    file = ready.dataset_version(former)
    before = (file.read_bytes(), file.stat().st_mtime_ns)
    make_drop(ready, "first", {}, facts(defaults={"style_ids": ["CORE-02"]}))
    assert hash_now(ready) != former
    make_drop(ready, "first", {}, facts())
    assert hash_now(ready) == former
    assert (file.read_bytes(), file.stat().st_mtime_ns) == before


def test_a_removed_drop_is_unpublished_and_foreign_files_stay(ready: DataRoot) -> None:
    build(ready)
    sides = read_json(ready.splits_json)
    foreign = ready.final / "track_notes.txt"
    foreign.write_text("mine")
    aside = shutil.move(ready.raw / "commissioned" / "second", ready.path / "aside")
    register(ready)
    version = build(ready).version
    gone = {"track_001", "track_002"}
    assert not gone & {item.track.track_id for item in version.tracks}
    left = [path.name for folder in (ready.final, ready.validation) for path in folder.iterdir()]
    assert not [name for name in left if name.startswith(tuple(gone))]
    assert foreign.exists()
    shutil.move(aside, ready.raw / "commissioned" / "second")
    register(ready)
    assert build(ready).version.dataset.track_count == 4
    assert read_json(ready.splits_json) == sides


def test_without_any_track_nothing_stays_published(ready: DataRoot) -> None:
    version = build(ready).version
    for kind in ("commissioned", "creative-commons"):
        shutil.rmtree(ready.raw / kind)
    register(ready)
    with pytest.raises(NoTracks, match="no track is ready"):
        build(ready)
    assert not [*ready.final.iterdir(), *ready.validation.iterdir()]
    with pytest.raises(NoTracks, match="no data set yet"):
        load_version(ready)
    assert load_version(ready, version.dataset.hash) == version


def test_everything_left_out_is_told_with_its_reason(ready: DataRoot) -> None:
    make_drop(ready, "copy", {"again.wav": song(0)}, facts(source_id="copy"))
    make_drop(ready, "forbidden", {"no.wav": b"x"}, facts(source_id="no", license_type="CC BY-NC 4.0"))
    make_drop(ready, "new", {"later.wav": song(4)}, facts(source_id="new"))
    register(ready)
    told = {item.file: item.reason for item in left_out(ready)}
    assert sorted(told) == [
        "creative-commons/first/a.wav",
        "creative-commons/first/short.wav",
        "creative-commons/forbidden/no.wav",
        "creative-commons/new/later.wav",
    ]
    assert "too short" in told["creative-commons/first/short.wav"]
    assert "the same bytes as creative-commons/copy/again.wav" in told["creative-commons/first/a.wav"]
    assert "license_type" in told["creative-commons/forbidden/no.wav"]
    assert told["creative-commons/new/later.wav"] == "not worked on yet"


def test_a_damaged_version_is_named(ready: DataRoot) -> None:
    digest = build(ready).version.dataset.hash
    write_json_atomic(ready.dataset_version(digest), {"dataset": 1})
    with pytest.raises(ValueError, match=digest):
        load_version(ready)


def test_a_version_that_a_killed_build_did_not_enter_is_entered_by_the_next_one(ready: DataRoot) -> None:
    name = ready.relative(ready.dataset_version(build(ready).version.dataset.hash))
    path = ledger_path(ready)
    lines = path.read_bytes().splitlines(keepends=True)
    assert json.loads(lines[-1])["name"] == name
    path.write_bytes(b"".join(lines[:-1]))
    ready.built_from_json.unlink()  # it is written last
    assert not build(ready).is_new
    assert name in read_ledger(ready).hashes


def test_no_data_set_is_built_that_a_broken_ledger_could_not_hold(ready: DataRoot) -> None:
    build(ready)
    path = ledger_path(ready)
    path.write_bytes(path.read_bytes().replace(b'"when": "2', b'"when": "3', 1))
    make_drop(ready, "third", {"e.wav": song(4)}, facts(source_id="third"))
    before = sorted((ready.metadata / "datasets").iterdir())
    for refuses in (work, build):
        with pytest.raises(RecordError, match=r"seals\.jsonl: line 1 .*backup"):
            refuses(ready)
    assert sorted((ready.metadata / "datasets").iterdir()) == before
