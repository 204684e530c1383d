"""What a loss of power leaves: names reach the disk after what they name. Seen from the order of system calls."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from lofi_pipeline.config import load_config
from lofi_pipeline.dataset import build_dataset
from lofi_pipeline.storage import DataRoot, commit_folder, link_or_copy, write_json_atomic


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Path]]:
    """Each fsync with what is synced, and each rename with its new name, in their order."""
    seen: list[tuple[str, Path]] = []
    fsync = os.fsync

    def synced(handle: int) -> None:
        seen.append(("fsync", Path(os.readlink(f"/proc/self/fd/{handle}"))))
        fsync(handle)

    def noted(rename: Callable[..., None]) -> Callable[..., None]:
        def renamed(source: Path, target: Path) -> None:
            seen.append(("rename", Path(target)))
            rename(source, target)

        return renamed

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "rename", noted(os.rename))
    monkeypatch.setattr(os, "replace", noted(os.replace))
    return seen


def test_a_record_is_on_the_disk_before_its_name_and_the_name_before_the_next_step(
    tmp_path: Path, calls: list[tuple[str, Path]]
) -> None:
    write_json_atomic(tmp_path / "a.json", {})
    (first, written), *then = calls
    assert first == "fsync" and written.name.endswith("-a.json")
    assert then == [("rename", tmp_path / "a.json"), ("fsync", tmp_path)]


def test_a_folder_is_on_the_disk_with_all_that_lies_in_it_before_its_name(
    tmp_path: Path, calls: list[tuple[str, Path]]
) -> None:
    with commit_folder(tmp_path / "checkpoint") as folder:
        (folder / "resume").mkdir()
        for name in ("weights.bin", "resume/moments.bin"):
            (folder / name).write_bytes(b"x")
    at = calls.index(("rename", tmp_path / "checkpoint"))
    synced = {path.relative_to(folder).as_posix() for _, path in calls[:at]}
    assert synced == {"weights.bin", "resume/moments.bin", "resume", "."}
    assert calls[at + 1 :] == [("fsync", tmp_path)]


def test_a_copy_is_on_the_disk_before_its_name(
    tmp_path: Path, calls: list[tuple[str, Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(_source: Path, _target: Path) -> None:
        raise OSError

    monkeypatch.setattr(os, "link", no_links)
    source = tmp_path / "a.mp3"
    source.write_bytes(b"x")
    link_or_copy(source, tmp_path / "final" / "a.mp3")
    assert [kind for kind, _ in calls] == ["fsync", "rename"]


def test_published_files_are_on_the_disk_before_the_manifest_says_so(
    ready: DataRoot, calls: list[tuple[str, Path]]
) -> None:
    shutil.rmtree(ready.final, ignore_errors=True)
    ready.create()
    build_dataset(ready, load_config())
    manifest = calls.index(("rename", ready.dataset_manifest_json))
    for folder in (ready.final, ready.validation):
        last = max(
            (n for n, (kind, path) in enumerate(calls) if kind == "rename" and path.parent == folder),
            default=-1,
        )
        assert last < calls.index(("fsync", folder)) < manifest
