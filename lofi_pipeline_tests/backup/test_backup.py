"""A backup holds what can't be made again; all else comes out of it with the same hashes. One from anywhere is data."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lofi_pipeline.audit.fsck import check_data_root
from lofi_pipeline.backup import BackupError, check_backup, restore_backup, write_backup
from lofi_pipeline.backup import write as writing
from lofi_pipeline.cli.app import app
from lofi_pipeline.config import load_config
from lofi_pipeline.dataset import build_dataset
from lofi_pipeline.entities import RecordError
from lofi_pipeline.storage import DataRoot, content_sha256, file_sha256, read_json, write_json_atomic
from lofi_pipeline_tests.drops import TODAY, work

RECORDS = {"metadata/seals.jsonl", "metadata/pins.json", "metadata/votes/one.json"}
OTHERS = {
    "checkpoints/epoch=0-step=1_lora/adapter.safetensors",
    "listening/t/answers.jsonl",
    "audit/a/report.json",
}
MADE_AGAIN = {
    "processed/core/a.mp3",
    "final/a.mp3",
    "validation/a.mp3",
    "cache/latents/x",
    ".dagster/history/runs.db",
}


def hashes(folder: Path) -> dict[str, str]:
    """By path, the hash of each file; locks left out."""
    found = (path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(".lock"))
    return {path.relative_to(folder).as_posix(): file_sha256(path) for path in found}


@pytest.fixture
def filled(root: DataRoot) -> DataRoot:
    """A data root with one file of each kind; its content does not matter."""
    for name in {"raw/commissioned/d/a.wav", *RECORDS, *OTHERS, *MADE_AGAIN}:
        path = root.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return root


def lofi(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, [str(each) for each in arguments])
    if isinstance(done.exception, BackupError | RecordError):
        return 1, str(done.exception)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.output


def test_from_raw_and_records_alone_all_is_made_again_to_the_same_hashes(
    ready: DataRoot, tmp_path: Path
) -> None:
    built = build_dataset(ready, load_config(), day=TODAY)
    made = [ready.processed, ready.final, ready.validation]
    before = [hashes(folder) for folder in made]
    write_backup(ready, tmp_path / "copy")
    shutil.rmtree(ready.path)  # what is made again is not taken from there
    restored = DataRoot(tmp_path / "restored")
    restore_backup(tmp_path / "copy", restored)
    assert not hashes(restored.processed)
    work(restored, anew=True)
    again = build_dataset(restored, load_config(), day=TODAY)
    assert (again.version, again.is_new) == (built.version, False)
    assert [hashes(folder) for folder in (restored.processed, restored.final, restored.validation)] == before
    assert all(before)
    assert check_data_root(restored).clean


def test_it_holds_all_but_what_is_made_again_and_gives_it_back(filled: DataRoot, tmp_path: Path) -> None:
    code, said = lofi("backup", tmp_path / "copy", "--data", filled.path)
    assert code == 0 and "processed/" in said
    kept = {"raw/commissioned/d/a.wav", *RECORDS, *OTHERS}
    assert set(hashes(tmp_path / "copy" / "data")) == kept
    restored = DataRoot(tmp_path / "restored")
    code, said = lofi("restore", tmp_path / "copy", "--data", restored.path)
    assert code == 0 and f"lofi run --data {restored.path}" in said.replace("\n", "")
    for name in kept:
        was, now = filled.path / name, restored.path / name
        assert (now.read_bytes(), now.stat().st_mtime_ns) == (was.read_bytes(), was.stat().st_mtime_ns)
        assert now.stat().st_ino != was.stat().st_ino  # what changes one leaves the other


def test_music_and_checkpoints_stay_out_where_asked_for(filled: DataRoot, tmp_path: Path) -> None:
    options = ("--without-raw", "--without-checkpoints")
    assert lofi("backup", tmp_path / "copy", *options, "--data", filled.path)[0] == 0
    assert not any(name.startswith(("raw/", "checkpoints/")) for name in hashes(tmp_path / "copy" / "data"))
    code, said = lofi("restore", tmp_path / "copy", "--data", tmp_path / "restored")
    assert code == 0 and "The music is not in this backup" in said


def test_it_is_of_one_moment_while_somebody_works(
    filled: DataRoot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied: list[str] = []
    copy = writing.copy_file

    def slow(source: Path, target: Path | None) -> Any:
        """After each of the first files, another round of work: a record, the ledger, and one that goes."""
        found = copy(source, target)
        copied.append(source.name)
        if len(copied) < 6:
            (filled.metadata / "seals.jsonl").write_text(f"{len(copied)}")
            (filled.metadata / "record.json").write_text(f"{len(copied)}")
            (filled.metadata / "pins.json").unlink(missing_ok=True)
        return found

    monkeypatch.setattr(writing, "copy_file", slow)
    made = write_backup(filled, tmp_path / "copy")
    data = tmp_path / "copy" / "data"
    assert (data / "metadata/seals.jsonl").read_text() == (data / "metadata/record.json").read_text() == "5"
    assert "metadata/pins.json" not in made.files and not (data / "metadata/pins.json").exists()
    check_backup(tmp_path / "copy")


def test_a_data_root_without_rest_is_refused_but_not_for_a_single_log(
    filled: DataRoot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy = ["metadata/seals.jsonl"]
    copy = writing.copy_file

    def restless(source: Path, target: Path | None) -> Any:
        found = copy(source, target)
        for name in busy:
            with (filled.path / name).open("a") as file:
                file.write("more\n")
        return found

    monkeypatch.setattr(writing, "copy_file", restless)
    write_backup(filled, tmp_path / "copy")
    check_backup(tmp_path / "copy")
    busy.append("metadata/pins.json")
    with pytest.raises(BackupError, match=r"seals\.jsonl.*when no run works on it"):
        write_backup(filled, tmp_path / "other")
    assert not [path for path in tmp_path.iterdir() if path.name not in ("data", "copy")]


def test_links_and_pipes_are_named_and_not_followed(filled: DataRoot, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("of somebody else")
    drop = filled.raw / "commissioned" / "d"
    (drop / "link.wav").symlink_to(tmp_path / "secret")
    (drop / "folder").symlink_to(tmp_path, target_is_directory=True)
    os.mkfifo(drop / "pipe.wav")
    (Path(os.fsencode(drop).decode()) / os.fsdecode(b"\xff.wav")).write_bytes(b"x")
    made = write_backup(filled, tmp_path / "copy")
    assert set(made.skipped) == {
        f"raw/commissioned/d/{name}" for name in ("link.wav", "folder", "pipe.wav", "\\xff.wav")
    }
    assert not any("secret" in name or "link" in name for name in made.files)
    shutil.move(filled.raw, tmp_path / "music")
    filled.raw.symlink_to(tmp_path / "music", target_is_directory=True)
    with pytest.raises(BackupError, match=r"raw: is a link.*--without-raw"):
        write_backup(filled, tmp_path / "other")
    write_backup(filled, tmp_path / "other", with_raw=False)


@pytest.mark.parametrize("place", ["data", "data/inside", "full", "file"])
def test_it_is_written_only_where_nothing_lies(filled: DataRoot, tmp_path: Path, place: str) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("mine")
    (tmp_path / "file").write_text("mine")
    before = hashes(tmp_path)
    code, said = lofi("backup", tmp_path / place, "--data", filled.path)
    assert code == 1 and str(tmp_path / place) in said
    assert hashes(tmp_path) == before


def test_it_is_restored_only_where_nothing_lies(filled: DataRoot, tmp_path: Path) -> None:
    write_backup(filled, tmp_path / "copy")
    before = hashes(filled.path)
    code, said = lofi("restore", tmp_path / "copy", "--data", filled.path)
    assert code == 1 and "nothing is overwritten" in said.replace("\n", " ")
    assert hashes(filled.path) == before
    (tmp_path / "empty").mkdir()
    assert lofi("restore", tmp_path / "copy", "--data", tmp_path / "empty")[0] == 0


def edit(folder: Path, change: Callable[[dict[str, Any]], None], *, forge: bool = False) -> None:
    """Edit backup.json; with `forge`, as somebody who knows of the hash of the list."""
    manifest = read_json(folder / "backup.json")
    change(manifest)
    if forge:
        manifest["files_sha256"] = content_sha256(manifest["files"])
    write_json_atomic(folder / "backup.json", manifest)


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a changed byte": (
        lambda folder: (folder / "data/metadata/pins.json").write_bytes(b"metadata/pinz.json"),
        "other bytes",
    ),
    "a cut file": (lambda folder: os.truncate(folder / "data/metadata/pins.json", 3), "another size"),
    "a lost file": (lambda folder: (folder / "data/metadata/pins.json").unlink(), "is missing"),
    "a lost line": (
        lambda folder: edit(folder, lambda it: it["files"].pop("metadata/pins.json")),
        "the list was changed",
    ),
    "no manifest": (lambda folder: (folder / "backup.json").unlink(), "is missing"),
    "no JSON": (lambda folder: (folder / "backup.json").write_bytes(b"{"), "is not JSON"),
    "another version": (lambda folder: edit(folder, lambda it: it.update(kind="lofi-backup-9")), "kind"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_backup_is_refused_by_name_and_nothing_is_restored(
    filled: DataRoot, tmp_path: Path, damage: str
) -> None:
    write_backup(filled, tmp_path / "copy")
    break_it, sentence = DAMAGES[damage]
    break_it(tmp_path / "copy")
    for options in (("--check",), ()):
        code, said = lofi("restore", tmp_path / "copy", *options, "--data", tmp_path / "restored")
        assert code == 1 and sentence in said, said
        assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "data"]


@pytest.mark.parametrize(
    "name",
    [
        "../outside", "/tmp/outside", "metadata/../../outside", "metadata//x", "./metadata/x", "", "raw/a\0b",
        ".dagster/dagster.yaml", "cache/x.pkl", "metadata/.tmp-x", "metadata/.x.lock", "processed/core/a.mp3",
    ],
)  # fmt: skip
def test_no_path_of_a_hostile_backup_leads_out_or_into_what_runs(
    filled: DataRoot, tmp_path: Path, name: str
) -> None:
    write_backup(filled, tmp_path / "copy")
    edit(
        tmp_path / "copy",
        lambda it: it["files"].update({name: it["files"]["metadata/pins.json"]}),
        forge=True,
    )
    with pytest.raises(BackupError, match="names files that no backup holds"):
        restore_backup(tmp_path / "copy", DataRoot(tmp_path / "restored"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "data"]


@pytest.mark.parametrize("linked", ["data/metadata/pins.json", "data/metadata", "data"])
def test_no_link_in_a_hostile_backup_is_followed(filled: DataRoot, tmp_path: Path, linked: str) -> None:
    write_backup(filled, tmp_path / "copy")
    shutil.move(tmp_path / "copy" / linked, tmp_path / "elsewhere")
    (tmp_path / "copy" / linked).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BackupError, match="is a link, or lies behind one"):
        restore_backup(tmp_path / "copy", DataRoot(tmp_path / "restored"))
    assert not (tmp_path / "restored").exists()


def test_what_the_manifest_does_not_name_is_not_restored(filled: DataRoot, tmp_path: Path) -> None:
    write_backup(filled, tmp_path / "copy")
    (tmp_path / "copy/data/metadata/added.json").write_text("{}")
    restore_backup(tmp_path / "copy", DataRoot(tmp_path / "restored"))
    assert not (tmp_path / "restored/metadata/added.json").exists()


def test_json_says_what_is_in_it(filled: DataRoot, tmp_path: Path) -> None:
    lofi("backup", tmp_path / "copy", "--json", tmp_path / "said.json", "--data", filled.path)
    said = json.loads((tmp_path / "said.json").read_text())
    assert said["files"] == len(hashes(tmp_path / "copy" / "data")) and said["skipped"] == {}
    lofi("restore", tmp_path / "copy", "--check", "--json", tmp_path / "checked.json")
    assert json.loads((tmp_path / "checked.json").read_text()) == said
