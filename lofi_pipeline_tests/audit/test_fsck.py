"""`lofi fsck` finds whatever is not as it was recorded, also where size and time tell nothing, and makes way for what can be made again."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from lofi_pipeline.audit.fsck import FsckReport, check_data_root
from lofi_pipeline.audit.training_facts import cache_facts
from lofi_pipeline.cli.app import app
from lofi_pipeline.config import load_config
from lofi_pipeline.dataset import build_dataset, dataset_is_current, load_version
from lofi_pipeline.dataset.gone import cached_encodings, gone_files, remove_gone
from lofi_pipeline.dataset.unneeded import unneeded_files
from lofi_pipeline.entities import SCORES_RECORD, Severity
from lofi_pipeline.storage import DataRoot, file_sha256, locked, read_json, write_json_atomic
from lofi_pipeline.training.encoded_file import CONDITION, LATENTS, write_encoded
from lofi_pipeline.training.shards import keys_in, write_shard
from lofi_pipeline_tests.damage.damages import (
    change_a_byte,
    copied,
    empty,
    flip_unseen,
    remove,
    truncate,
)
from lofi_pipeline_tests.drops import work

WEIGHTS = "adapter_model.safetensors"


@pytest.fixture(scope="module")
def whole_once(audited: DataRoot, tmp_path_factory: pytest.TempPathFactory) -> DataRoot:
    """`audited` with latents and conditions. Do not change it."""
    root = DataRoot(tmp_path_factory.mktemp("whole") / "data")
    shutil.copytree(audited.path, root.path)
    for kind, names in (("latents", LATENTS), ("conditions", CONDITION)):
        folder = root.cache / kind / ("b" * 16)
        folder.mkdir(parents=True)
        for item in load_version(root).tracks:
            tensors = {name: np.ones((8, 4), np.float32) for name in names}
            write_encoded(folder / f"{item.audio_sha256}.safetensors", tensors, "b" * 64)
    return root


@pytest.fixture
def whole(whole_once: DataRoot, tmp_path: Path) -> DataRoot:
    """A copy of `whole_once`, with its hard links: a published file and the processed one are the same."""
    return copied(whole_once, tmp_path / "data", os.link)


def one(root: DataRoot, pattern: str) -> Path:
    return sorted(root.path.glob(pattern))[0]


def errors(report: FsckReport) -> dict[str, str]:
    return {item.where: item.code for item in report.findings if item.severity is Severity.ERROR}


def hashes(root: DataRoot) -> dict[str, str]:
    files = (path for path in sorted(root.path.rglob("*")) if path.is_file() and path.suffix != ".lock")
    return {path.relative_to(root.path).as_posix(): file_sha256(path) for path in files}


def run(root: DataRoot) -> None:
    """What `lofi run --to dataset_manifest` does."""
    work(root, anew=True)
    if not dataset_is_current(root, load_config()):
        build_dataset(root, load_config())


def test_a_whole_data_root_is_clean_and_nothing_is_written(whole: DataRoot) -> None:
    before = {path: path.stat().st_mtime_ns for path in whole.path.rglob("*")}
    report = check_data_root(whole)
    assert report.clean and not errors(report)
    assert {item.severity for item in report.findings} <= {Severity.INFO}
    assert {path: path.stat().st_mtime_ns for path in whole.path.rglob("*")} == before


MADE_AGAIN = [
    "processed/*/*.mp3",
    "processed/*/*_prompt.txt",
    "processed/*/*_lyrics.txt",
    "metadata/fingerprints/*.npy",
    "final/*.mp3",
    "validation/*_prompt.txt",
    "metadata/style_mapping.json",
    "metadata/quality_scores.json",
    "metadata/dataset_manifest.json",
]


@pytest.mark.parametrize("pattern", MADE_AGAIN)
def test_a_flipped_byte_that_no_time_tells_of_is_found_and_made_again(
    pattern: str, whole: DataRoot, whole_once: DataRoot
) -> None:
    path = one(whole, pattern)
    flip_unseen(path)
    where = path.relative_to(whole.path).as_posix()
    run(whole)
    assert file_sha256(path) != file_sha256(one(whole_once, pattern))  # size and time tell nothing
    assert errors(check_data_root(whole))[where] in ("file-changed", "record-broken")
    report = check_data_root(whole, repair=True)
    assert any(where in sentence for sentence in report.repaired) and report.not_repaired == []
    run(whole)
    assert check_data_root(whole).clean
    assert file_sha256(path) == file_sha256(one(whole_once, pattern))


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def a_link_out(path: Path) -> None:
    path.unlink()
    path.symlink_to("/etc/passwd")


@pytest.mark.parametrize(
    ("stranger", "pattern"),
    [
        (a_folder, "processed/*/*.mp3"),
        (a_folder, "final/*.mp3"),
        (a_folder, "metadata/style_mapping.json"),
        (a_folder, "metadata/duplicates.json"),
        (a_link_out, "processed/*/*.mp3"),
        (a_link_out, "validation/*_prompt.txt"),
    ],
)
def test_what_stands_in_the_place_of_a_file_makes_way_for_it(
    stranger: Callable[[Path], None], pattern: str, whole: DataRoot, whole_once: DataRoot
) -> None:
    path = one(whole, pattern)
    stranger(path)
    assert path.relative_to(whole.path).as_posix() in errors(check_data_root(whole))
    assert check_data_root(whole, repair=True).not_repaired == []
    run(whole)
    assert check_data_root(whole).clean and path.is_file() and not path.is_symlink()
    assert file_sha256(path) == file_sha256(one(whole_once, pattern))
    assert Path("/etc/passwd").stat().st_size > 0


def test_a_folder_with_something_in_it_is_not_removed(whole: DataRoot) -> None:
    path = one(whole, "processed/*/*.mp3")
    a_folder(path)
    (path / "mine.txt").write_text("mine")
    assert any(
        "move it away first" in sentence for sentence in check_data_root(whole, repair=True).not_repaired
    )
    assert (path / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize("damage", [empty, truncate, change_a_byte, remove, flip_unseen])
@pytest.mark.parametrize("kind", ["latents", "conditions"])
def test_damaged_encodings_are_found_and_make_way(
    kind: str, damage: Callable[[Path], None], whole: DataRoot
) -> None:
    path = one(whole, f"cache/{kind}/*/*.safetensors")
    damage(path)
    # What is gone is no damage: the next training encodes what it needs
    found = {} if damage is remove else {path.relative_to(whole.path).as_posix(): "file-changed"}
    assert errors(check_data_root(whole, repair=True)) == found
    assert not path.exists() and check_data_root(whole).clean


def packed(root: DataRoot, *others: str) -> Path:
    """The latents of all tracks in one shard, in place of single files; with others of which nothing is known."""
    folder = one(root, "cache/latents/*/*.safetensors").parent
    arrays = {name: np.ones((8, 4), np.float32) for name in LATENTS}
    for path in folder.glob("*.safetensors"):
        path.unlink()
    audio = [item.audio_sha256 for item in load_version(root).tracks]
    return write_shard(folder, "latents", "b" * 64, dict.fromkeys([*audio, *others], arrays)).path


@pytest.mark.parametrize("damage", [empty, truncate, change_a_byte, flip_unseen])
def test_a_damaged_shard_is_found_and_makes_way(damage: Callable[[Path], None], whole: DataRoot) -> None:
    path = packed(whole)
    assert check_data_root(whole).clean
    damage(path)
    with locked(whole.checkpoints / "training"):
        assert "a training works on this data root" in check_data_root(whole, repair=True).not_repaired[0]
    found = check_data_root(whole, repair=True)
    assert errors(found) == {whole.relative(path): "file-changed"} and found.repaired
    assert not path.exists() and check_data_root(whole).clean


def test_music_in_a_shard_that_nothing_has_any_more_is_named_and_can_go(whole: DataRoot) -> None:
    path, stray = packed(whole, "f" * 64), "f" * 64
    (said,) = [it.sentence for it in check_data_root(whole).findings if it.where == whole.relative(path)]
    assert "holds 1 of 5 encodings of music that no data set version has; `lofi gc`" in said, said
    listed = unneeded_files(whole)
    assert [(it.track_id, it.path, it.entry) for it in listed] == [("", whole.relative(path), stray)]
    needed = {item.audio_sha256 for item in load_version(whole).tracks}
    assert cached_encodings(whole, needed) == [whole.relative(path)]
    remove_gone(whole, listed)
    (left,) = path.parent.iterdir()
    assert keys_in(left) == needed and unneeded_files(whole) == gone_files(whole) == []
    report = check_data_root(whole)
    assert report.clean and whole.relative(left) not in {it.where for it in report.findings}
    facts = {it.path: it.files for it in cache_facts(whole, load_version(whole), None)}
    assert facts[whole.relative(left.parent.parent)] == 1


def test_encodings_stay_while_a_training_works(whole: DataRoot) -> None:
    path = one(whole, "cache/latents/*/*.safetensors")
    flip_unseen(path)
    with locked(whole.checkpoints / "training"):
        report = check_data_root(whole, repair=True)
    assert path.exists() and "a training works on this data root" in report.not_repaired[0]


@pytest.mark.parametrize("name", [SCORES_RECORD, "samples/00.flac"])
def test_scores_that_were_changed_are_scored_again(name: str, whole: DataRoot) -> None:
    path = one(whole, f"checkpoints/*/{name}")
    flip_unseen(path)
    report = check_data_root(whole, repair=True)
    assert path.relative_to(whole.path).as_posix() in errors(report)
    assert not one(whole, "checkpoints/epoch*").joinpath(SCORES_RECORD).exists()
    assert any("scores it again" in sentence for sentence in report.repaired)


def test_damaged_weights_are_marked_and_nothing_is_removed(whole: DataRoot) -> None:
    path = one(whole, f"checkpoints/*/{WEIGHTS}")
    flip_unseen(path)
    damaged = path.read_bytes()
    assert check_data_root(whole).not_repaired == []
    report = check_data_root(whole, repair=True)
    assert errors(report) == {path.relative_to(whole.path).as_posix(): "file-changed"}
    assert any(WEIGHTS in sentence and "not valid" in sentence for sentence in report.not_repaired)
    (entry,) = read_json(whole.checkpoint_manifest_json)
    assert entry["is_valid"] is False and path.read_bytes() == damaged


UNTOUCHED = {
    "raw/creative-commons/commons/a.wav": "original-changed",
    "raw/commissioned/session/contract.txt": "file-changed",
    "metadata/datasets/*.json": "version-changed",
    "metadata/seals.jsonl": "seals-broken",
}


@pytest.mark.parametrize("pattern", UNTOUCHED)
def test_what_everything_rests_on_is_named_and_never_touched(pattern: str, whole: DataRoot) -> None:
    path = one(whole, pattern)
    where = path.relative_to(whole.path).as_posix()
    if path.suffix == ".json":
        path.write_bytes(path.read_bytes().replace(b'"bpm": ', b'"bpm": 1', 1))
    else:
        flip_unseen(path)
    before = hashes(whole)
    report = check_data_root(whole, repair=True)
    assert errors(report)[where] == UNTOUCHED[pattern]
    assert any(where in sentence for sentence in report.not_repaired)
    assert hashes(whole) == before


def test_what_has_no_original_any_more_is_not_removed(whole: DataRoot) -> None:
    record = read_json(one(whole, "metadata/tracks/*.json"))
    path = whole.path / record["processed"]["audio_path"]
    flip_unseen(path)
    original = whole.path / record["origins"][0]["path"]
    original.unlink()
    report = check_data_root(whole, repair=True)
    assert path.exists()
    assert any(record["origins"][0]["path"] in sentence for sentence in report.not_repaired)
    assert any(item.code == "original-absent" for item in report.findings)


def test_leftovers_are_named_and_only_old_temporary_files_go(whole: DataRoot) -> None:
    stranger = whole.final / "notes.txt"
    stranger.write_text("mine")
    lost = whole.processed / "core" / "track_999.mp3"
    lost.write_bytes(b"x")
    old, young = whole.metadata / ".tmp-1-old.json", whole.metadata / ".tmp-2-young.json"
    for path in (old, young):
        path.write_text("{")
    os.utime(old, (0, 0))
    report = check_data_root(whole, repair=True)
    assert report.clean
    codes = {item.where.rsplit("/")[-1]: item.code for item in report.findings}
    assert (
        codes
        | {
            "notes.txt": "file-orphan",
            "track_999.mp3": "file-orphan",
            old.name: "file-temporary",
            young.name: "file-temporary",
        }
        == codes
    )
    assert stranger.exists() and lost.exists() and young.exists() and not old.exists()


def test_what_lies_there_of_a_track_that_is_not_done_is_its_own(whole: DataRoot) -> None:
    path = one(whole, "metadata/tracks/*.json")
    record = read_json(path)
    write_json_atomic(
        path, record | {"status": "failed", "processed": None, "tagged": None, "kept_files": {}}
    )
    assert not [item for item in check_data_root(whole).findings if item.code == "file-orphan"]


def test_without_a_registry_nothing_is_called_an_orphan(whole: DataRoot) -> None:
    whole.registry_json.write_text("{")
    assert {item.code for item in check_data_root(whole).findings} == {"record-broken", "record-changed"}


def test_records_of_an_earlier_version_remember_their_files_from_a_repair_on(whole: DataRoot) -> None:
    path = one(whole, "metadata/tracks/*.json")
    record = read_json(path)
    kept = record.pop("kept_files")
    write_json_atomic(path, record)
    assert check_data_root(whole).repaired == [] and read_json(path) == record
    check_data_root(whole, repair=True)
    assert read_json(path)["kept_files"] == kept


def test_the_command_names_writes_and_exits(whole: DataRoot, tmp_path: Path) -> None:
    target = tmp_path / "found.json"
    command = ["fsck", "--data", str(whole.path), "--json", str(target)]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0 and "clean" in done.output
    assert json.loads(target.read_bytes())["clean"] is True
    path = one(whole, "processed/*/*.mp3")
    flip_unseen(path)
    done = CliRunner().invoke(app, [*command, "--repair"])
    where = path.relative_to(whole.path).as_posix()
    assert done.exit_code == 1 and f"error file-changed {where}" in done.output
    assert f"repaired {where}" in done.output
    said = json.loads(target.read_bytes())
    assert said["clean"] is False and said["files"] > 0
    assert where in {item["where"] for item in said["findings"]} and said["repaired"]
