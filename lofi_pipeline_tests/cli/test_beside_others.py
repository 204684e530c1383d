"""What a command says before it works on a data root that others have, too."""

from __future__ import annotations

from pathlib import Path

import pytest

from lofi_pipeline.cli import root as module
from lofi_pipeline.cli.root import say_what_threatens
from lofi_pipeline.storage import DataRoot, holder_file, holder_of, leased, write_json_atomic
from lofi_pipeline.storage.shared import Mount


def test_another_version_of_the_code_at_work_is_named(
    root: DataRoot, capsys: pytest.CaptureFixture[str]
) -> None:
    mark = root.dagster_home / "running" / "a"
    with leased(mark, "a run"):
        say_what_threatens(root)
        assert capsys.readouterr().err == ""  # of our own version
        holder = holder_of(mark)
        assert holder
        other = holder.model_copy(update={"host": "node-7", "place": "f" * 8, "code": "0" * 12})
        write_json_atomic(holder_file(mark), other)
        say_what_threatens(root)
        said = " ".join(capsys.readouterr().err.split())
        write_json_atomic(holder_file(mark), holder)
    assert said.startswith("warning a run: ") and "on node-7 (process" in said
    assert "with another version of lofi-pipeline (000000000000) works on this data root, too" in said


def test_a_network_disk_without_locks_is_said(
    root: DataRoot, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "mount_of", lambda folder: Mount("/net", "nfs", frozenset({"nolock"})))
    monkeypatch.setattr(module, "locks_fault", lambda folder: f"{folder}: is mounted with nolock")
    say_what_threatens(root)
    assert f"warning {root.path}: is mounted with nolock" in " ".join(capsys.readouterr().err.split())


def test_on_a_disk_of_its_own_nothing_is_tried(root: DataRoot, monkeypatch: pytest.MonkeyPatch) -> None:
    def tried(folder: Path) -> None:
        raise AssertionError

    monkeypatch.setattr(module, "locks_fault", tried)
    monkeypatch.setattr(module, "mount_of", lambda folder: Mount("/", "ext4", frozenset({"rw"})))
    say_what_threatens(root)
