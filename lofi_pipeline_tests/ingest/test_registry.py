"""Track ids: by content, for life; and the sources behind them."""

from __future__ import annotations

import os
import shutil

import jsonschema
import pytest

from lofi_pipeline.config import load_config
from lofi_pipeline.entities import RegisteredTrack, Registry, SourceType
from lofi_pipeline.entities.schemas import schema_of
from lofi_pipeline.entities.source import SourceRecord
from lofi_pipeline.ingest import changed_drops, load_registry
from lofi_pipeline.storage import DataRoot, content_sha256, read_json, write_json_atomic
from lofi_pipeline.styles import load_presets
from lofi_pipeline_tests.drops import CONTRACT, GRANT, TODAY, facts, make_drop, register


def ids(root: DataRoot) -> dict[str, list[str]]:
    """Track id to the paths it is found at, below the folder of the kind."""
    tracks = register(root).registry.tracks
    return {track.track_id: [origin.path.split("/", 2)[2] for origin in track.origins] for track in tracks}


def test_a_renamed_file_keeps_its_id_and_new_ones_follow(root: DataRoot) -> None:
    folder = make_drop(root, "one", {"b.mp3": b"B", "c.mp3": b"C"}, facts())
    assert ids(root) == {"track_001": ["one/b.mp3"], "track_002": ["one/c.mp3"]}
    (folder / "b.mp3").rename(folder / "z.mp3")
    (folder / "a.mp3").write_bytes(b"A")
    assert ids(root) == {"track_001": ["one/z.mp3"], "track_002": ["one/c.mp3"], "track_003": ["one/a.mp3"]}
    (folder / "c.mp3").write_bytes(b"C changed")
    assert ids(root)["track_002"] == []
    assert ids(root)["track_004"] == ["one/c.mp3"]


def test_a_removed_drop_leaves_its_ids_unused_and_gets_them_back(root: DataRoot) -> None:
    folder = make_drop(root, "one", {"a.mp3": b"A"}, facts())
    make_drop(root, "two", {"b.mp3": b"B"}, facts(source_id="two"))
    register(root)
    aside = shutil.move(folder, root.path / "aside")
    gone = register(root)
    assert [len(track.origins) for track in gone.registry.tracks] == [0, 1]
    assert [source.source_id for source in gone.sources] == ["two"]
    make_drop(root, "three", {"c.mp3": b"C"}, facts(source_id="three"))
    assert ids(root) == {"track_001": [], "track_002": ["two/b.mp3"], "track_003": ["three/c.mp3"]}
    shutil.move(aside, folder)
    assert ids(root)["track_001"] == ["one/a.mp3"]


def test_the_same_bytes_in_two_drops_are_one_track_under_the_stricter_licence(root: DataRoot) -> None:
    make_drop(root, "free", {"x.mp3": b"same"}, facts(source_id="free"))
    grant = facts(
        SourceType.ROYALTY_FREE,
        source_id="bought",
        license_type="Royalty Free with AI Training Rights",
        grant=GRANT,
    )
    make_drop(root, "bought", {"y.mp3": b"same", **CONTRACT}, grant, kind=SourceType.ROYALTY_FREE)
    found = register(root)
    (track,) = found.registry.tracks
    assert [origin.source_id for origin in track.origins] == ["bought", "free"]
    assert [source.track_ids for source in found.sources] == [["track_001"], ["track_001"]]


def test_ids_grow_past_999(root: DataRoot) -> None:
    known = [
        RegisteredTrack(track_id=f"track_{number:03d}", sha256=content_sha256(number))
        for number in range(1, 1001)
    ]
    write_json_atomic(root.registry_json, Registry(tracks=known))
    make_drop(root, "more", {"a.mp3": b"A", "b.mp3": b"B"}, facts())
    assert register(root).new_track_ids == ["track_1001", "track_1002"]
    assert [track.track_id for track in load_registry(root).tracks[998:]] == [
        "track_999",
        "track_1000",
        "track_1001",
        "track_1002",
    ]


def test_registering_again_writes_nothing_and_sources_are_valid(root: DataRoot) -> None:
    make_drop(root, "one", {"a.mp3": b"A"}, facts(notes="read the licence"))
    register(root)
    paths = [root.registry_json, root.drops_json, root.sources_json]
    before = [path.stat().st_mtime_ns for path in paths]
    assert register(root).new_track_ids == []
    assert [path.stat().st_mtime_ns for path in paths] == before
    for record in read_json(root.sources_json):
        jsonschema.validate(record, schema_of(SourceRecord))
        assert record["track_ids"] == ["track_001"]


def test_what_a_killed_process_left_is_swept_when_nobody_can_be_at_it_any_more(root: DataRoot) -> None:
    folder, old, young = (
        root.checkpoints / ".tmp-0-epoch=0-step=10_lora",
        root.metadata / ".tmp-0-registry.json",
        root.processed / "core" / ".tmp-1-track_001.mp3",
    )
    drop = make_drop(root, "one", {"a.mp3": b"x", ".tmp-0-mine": b"x"}, facts())
    folder.mkdir()
    for path in (old, young):
        path.write_bytes(b"half")
    for path in (folder, old, drop / ".tmp-0-mine"):
        os.utime(path, (1e9, 1e9))
    register(root)
    assert not folder.exists()
    assert not old.exists()
    assert young.exists()
    assert (drop / ".tmp-0-mine").exists()


@pytest.mark.parametrize("content", [None, b"", b"[]\n"])
def test_sources_that_are_not_those_of_the_scan_are_compiled_again(
    root: DataRoot, content: bytes | None
) -> None:
    make_drop(root, "one", {"a.mp3": b"x"}, facts())
    scan, whole = register(root).scan, root.sources_json.read_bytes()
    asked = {"style_ids": set(load_presets()), "licensing": load_config().licensing, "day": TODAY}
    assert changed_drops(root, scan, **asked) == []
    root.sources_json.unlink()
    if content is not None:
        root.sources_json.write_bytes(content)
    assert changed_drops(root, scan, **asked) == ["raw/creative-commons/one"]
    register(root)
    assert root.sources_json.read_bytes() == whole
