"""What killed processes left goes: at once where it is known that the writer is gone, else when it is stale."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lofi_pipeline import processes
from lofi_pipeline.processes import ProcessMark
from lofi_pipeline.storage import DataRoot, commit_folder, remove_temporary_files, replacing
from lofi_pipeline.storage.atomic import writer_of

DAY = 24 * 3600
KILLED = """
import os, signal, sys
from pathlib import Path
from lofi_pipeline.storage import commit_folder, replacing

target = Path(sys.argv[1])
with replacing(target.with_name("record.json")) as file, commit_folder(target) as folder:
    file.write_bytes(b"half")
    (folder / "inside").mkdir()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def killed_while_writing(folder: Path) -> list[Path]:
    """What a process leaves that is killed while it writes this folder, and a file beside it."""
    before = set(folder.parent.glob(".tmp-*"))
    assert subprocess.run([sys.executable, "-c", KILLED, folder]).returncode == -9
    left = sorted(set(folder.parent.glob(".tmp-*")) - before)
    assert len(left) == 2
    return left


def left(folder: Path, name: str, age: float, *, kind: str = "file") -> Path:
    path = folder / name
    if kind == "file":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"half")
    else:
        (path / "inside").mkdir(parents=True)
    moment = time.time() - age
    os.utime(path, (moment, moment))
    return path


def named(writer: ProcessMark, name: str) -> str:
    return f".tmp-{writer.place}-{writer.pid}-{writer.started}-0123abcd-{name}"


def test_only_what_is_stale_ours_and_temporary_goes(root: DataRoot):
    gone = [
        left(root.metadata, f".tmp-{'1' * 32}-registry.json", DAY + 60),
        left(root.checkpoints, f".tmp-{'2' * 32}-epoch=0-step=5_lora", DAY + 60, kind="folder"),
        left(root.metadata / "tracks", ".tmp-3-track_001.json", 3 * DAY),
    ]
    kept = [
        left(root.metadata, f".tmp-{'4' * 32}-young", DAY - 60),
        left(root.checkpoints, ".tmp-5-young", 1, kind="folder"),
        left(root.raw / "partnerships" / "label", ".tmp-6-song.wav", 9 * DAY),
        left(root.dagster_home, ".tmp-7-storage", 9 * DAY),
        left(root.metadata, "tmp-8", 9 * DAY),
    ]
    assert sorted(remove_temporary_files(root)) == sorted(gone)
    assert not any(path.exists() for path in gone)
    assert all(path.exists() for path in kept)


def test_what_a_killed_process_left_goes_at_once_and_what_is_being_written_stays(root: DataRoot):
    gone = killed_while_writing(root.checkpoints / "epoch=0-step=5_lora")
    with (
        replacing(root.registry_json) as file,
        commit_folder(root.checkpoint("epoch=0-step=10_lora")) as folder,
    ):
        file.write_bytes(b"whole")
        os.utime(file, (0, 0))  # however long it takes
        assert sorted(remove_temporary_files(root)) == gone
        assert file.exists() and folder.exists()
    assert root.registry_json.read_bytes() == b"whole"


def test_a_process_with_the_id_of_the_writer_is_not_the_writer(root: DataRoot):
    own = ProcessMark.own()
    later = left(root.metadata, named(own._replace(started=own.started - 1), "a.json"), 1)
    assert remove_temporary_files(root) == [later]


def test_in_another_container_or_on_another_machine_a_process_id_means_nothing(root: DataRoot):
    own = ProcessMark.own()
    elsewhere = own._replace(place="0" * 8, pid=2**22 + 1)
    young = left(root.metadata, named(elsewhere, "a.json"), DAY - 60)
    old = left(root.metadata, named(elsewhere, "b.json"), DAY + 60)
    assert remove_temporary_files(root) == [old]
    assert young.exists()


@pytest.mark.parametrize("fact", ["_BOOT_ID", "_NAMESPACE"])
def test_another_boot_and_another_container_are_another_place(
    fact: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    here = processes._place()
    other = tmp_path / "other"
    other.symlink_to("pid:[1]") if fact == "_NAMESPACE" else other.write_text("another boot")
    monkeypatch.setattr(processes, fact, other)
    assert processes._place.__wrapped__() != here


@pytest.mark.parametrize("name", ["n" * 255, "ö" * 127, "x" + "ö" * 127, "short"])
def test_the_longest_names_can_be_written(name: str, tmp_path: Path):
    with replacing(tmp_path / name) as temporary:
        temporary.write_bytes(b"whole")
        assert len(os.fsencode(temporary.name)) <= 255
        assert writer_of(temporary.name) == ProcessMark.own()
        temporary.name.encode()  # no half letter
    assert [path.name for path in tmp_path.iterdir()] == [name]
