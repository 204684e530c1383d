"""checkpoints/manifest.json follows from what lies in the folders, whatever state it is in itself."""

from __future__ import annotations

import json
from pathlib import Path
from threading import Thread

import pytest

from lofi_pipeline.checkpoints.manifest import (
    activate_lineage,
    active_lineage,
    archive_other_lineages,
    compile_manifest,
    find_checkpoint,
    missing_files,
    read_record,
    remove_unfinished_checkpoints,
    scan_checkpoints,
    staying_in_place,
)
from lofi_pipeline.entities import SCORES_RECORD
from lofi_pipeline.storage import DataRoot, commit_folder, read_json
from lofi_pipeline_tests.checkpoints.folders import make_folder, make_lineage
from lofi_pipeline_tests.storage.test_temp_files import killed_while_writing


@pytest.fixture
def data(tmp_path: Path) -> DataRoot:
    return DataRoot(tmp_path).create()


def test_the_manifest_is_an_array_of_checkpoints_by_step_with_their_scores(data: DataRoot):
    for step, fad in ((100, 0.5), (20, None), (30, 0.25)):
        make_folder(data, step, fad=fad)
    entries = compile_manifest(data)
    assert read_json(data.checkpoint_manifest_json) == [entry.model_dump(mode="json") for entry in entries]
    assert [(e.step, e.fad_score, e.clap_score, e.samples_generated) for e in entries] == [
        (20, None, None, False),
        (30, 0.25, 0.5, True),
        (100, 0.5, 0.5, True),
    ]


@pytest.mark.parametrize("content", [b"", b"{not json", b'{"an": "object"}', b"\xff\xfe"])
def test_an_unreadable_manifest_is_set_aside_and_made_anew(data: DataRoot, content: bytes):
    make_folder(data, 20, fad=0.5)
    whole = compile_manifest(data)
    for number in range(2):
        data.checkpoint_manifest_json.write_bytes(content)
        assert compile_manifest(data) == whole
        assert len(list((data.checkpoints / "set-aside").iterdir())) == number + 1
    assert len(read_json(data.checkpoint_manifest_json)) == 1


def test_unreadable_records_are_reported_and_unreadable_scores_count_as_none(data: DataRoot):
    make_folder(data, 10, fad=0.5)
    make_folder(data, 20)
    (data.checkpoint("epoch=0-step=10_lora") / SCORES_RECORD).write_text("[")
    (data.checkpoint("epoch=0-step=20_lora") / "checkpoint.json").write_text("{}")
    (data.checkpoints / "epoch=0-step=x_lora").mkdir()
    (data.checkpoints / ".tmp-1-epoch=0-step=30_lora").mkdir()
    first, second = scan_checkpoints(data)
    assert first.record and first.scores is None and first.error is None
    assert second.record is None and second.error and "checkpoint.json is not readable" in second.error
    assert [entry.fad_score for entry in compile_manifest(data)] == [None]


def test_a_folder_that_is_still_being_copied_lacks_files(data: DataRoot):
    folder = make_folder(data, 10)
    assert missing_files(folder, read_record(folder)) == []
    (folder / "adapter_model.safetensors").unlink()
    assert missing_files(folder, read_record(folder)) == ["adapter_model.safetensors"]


def test_lineages_take_turns_and_nothing_is_lost(data: DataRoot):
    activate_lineage(data, make_lineage("a"))
    make_folder(data, 10, lineage="a", fad=0.5)
    make_folder(data, 20, lineage="a")
    (data.checkpoints / "training_log.jsonl").write_text('{"step":0}\n')
    activate_lineage(data, make_lineage("b"))
    archive = data.archived_lineage(make_lineage("a").lineage)
    assert scan_checkpoints(data) == [] and read_json(data.checkpoint_manifest_json) == []
    assert [entry["step"] for entry in read_json(archive / "manifest.json")] == [10, 20]
    make_folder(data, 10, lineage="b")
    key = make_lineage("a").partition_key(10)
    assert find_checkpoint(data, key) == archive / "epoch=0-step=10_lora"
    activate_lineage(data, make_lineage("a"))
    assert active_lineage(data) == make_lineage("a")
    assert find_checkpoint(data, key) == data.checkpoint("epoch=0-step=10_lora")
    assert find_checkpoint(data, make_lineage("b").partition_key(10)) is not None
    assert find_checkpoint(data, make_lineage("c").partition_key(10)) is None
    assert (data.checkpoints / "training_log.jsonl").is_file()
    assert [entry.fad_score for entry in compile_manifest(data)] == [0.5, None]


def test_what_stands_in_the_way_is_set_aside_not_overwritten(data: DataRoot):
    make_folder(data, 10, lineage="b")
    archive_other_lineages(data, make_lineage("a"))
    make_folder(data, 10, lineage="b", fad=0.5)  # the same checkpoint copied in once more
    archive_other_lineages(data, make_lineage("a"))
    archived = data.archived_lineage(make_lineage("b").lineage) / "epoch=0-step=10_lora"
    assert (archived / SCORES_RECORD).is_file()
    assert (data.checkpoints / "set-aside" / "epoch=0-step=10_lora" / "checkpoint.json").is_file()


def test_a_checkpoint_that_is_scored_is_moved_afterwards(data: DataRoot):
    folder = make_folder(data, 10, lineage="b")
    key = make_lineage("b").partition_key(10)
    training = Thread(target=activate_lineage, args=(data, make_lineage("a")))
    with staying_in_place(data, key) as found:
        training.start()
        training.join(1)
        assert found == folder and folder.is_dir() and training.is_alive()
    training.join()
    with staying_in_place(data, key) as found:
        assert found == data.archived_lineage(make_lineage("b").lineage) / folder.name
    # And back: the archive's may be scored, too
    training = Thread(target=activate_lineage, args=(data, make_lineage("b")))
    with staying_in_place(data, key) as found:
        training.start()
        training.join(1)
        assert found and found.is_dir() and training.is_alive()
    training.join()
    assert folder.is_dir()


def test_an_archive_that_a_killed_process_did_not_list_is_listed(data: DataRoot):
    make_folder(data, 10, lineage="b")
    archive_other_lineages(data, make_lineage("a"))
    manifest = data.archived_lineage(make_lineage("b").lineage) / "manifest.json"
    whole = manifest.read_bytes()
    for left in (None, b"[]\n"):
        manifest.unlink() if left is None else manifest.write_bytes(left)
        archive_other_lineages(data, make_lineage("a"))
        assert manifest.read_bytes() == whole


def test_folders_whose_record_cannot_be_read_stay_where_they_are(data: DataRoot):
    folder = make_folder(data, 10, lineage="b")
    (folder / "checkpoint.json").write_text("?")
    activate_lineage(data, make_lineage("a"))
    assert folder.is_dir()


def test_unfinished_checkpoints_are_removed_and_nothing_else(data: DataRoot):
    folder = make_folder(data, 10)
    for place in (data.checkpoints, data.checkpoints / ".rolling"):
        killed_while_writing(place / "epoch=0-step=20_lora")
    with commit_folder(data.checkpoint("epoch=0-step=30_lora")) as being_written:
        remove_unfinished_checkpoints(data.checkpoints)
        assert list(data.checkpoints.rglob(".tmp-*")) == [being_written] and folder.is_dir()


def test_a_step_that_is_no_multiple_of_its_interval_is_refused(data: DataRoot):
    folder = make_folder(data, 10)
    record = read_json(folder / "checkpoint.json")
    record["lineage"]["checkpoint_interval"] = 7
    (folder / "checkpoint.json").write_text(json.dumps(record))
    (found,) = scan_checkpoints(data)
    assert found.error and "not a multiple of the checkpoint interval 7" in found.error
