"""A data root on a network disk without locks is known for it before anything is spoilt."""

from __future__ import annotations

from pathlib import Path

import pytest

from lofi_pipeline.storage import shared
from lofi_pipeline.storage.shared import locks_fault, mount_of

TABLE = """\
overlay / overlay rw,relatime 0 0
nas:/music {place} {kind} rw,relatime,vers=3,{options} 0 0
proc /proc proc rw 0 0
"""


def table(tmp_path: Path, place: Path, kind: str, options: str) -> Path:
    file = tmp_path / "mounts"
    written = str(place).replace(" ", "\\040")
    file.write_text(TABLE.format(place=written, kind=kind, options=options))
    return file


def test_locks_on_a_local_disk_are_really_tried_and_work(tmp_path: Path) -> None:
    assert locks_fault(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("option", ["nolock", "local_lock=all", "local_lock=flock"])
def test_a_mount_whose_locks_other_machines_do_not_see_is_named(tmp_path: Path, option: str) -> None:
    place = tmp_path / "net disk"
    (place / "data").mkdir(parents=True)
    found = locks_fault(place / "data", table(tmp_path, place, "nfs", f"{option},hard"))
    assert found and found.startswith(f"{place / 'data'}: is on nfs at {place}, mounted with {option}: ")
    # The same words of a local disk mean nothing, and NFS with locks is tried
    assert locks_fault(place / "data", table(tmp_path, place, "ext4", option)) is None
    assert locks_fault(place / "data", table(tmp_path, place, "nfs4", "local_lock=none")) is None


def test_a_file_system_on_which_two_hold_the_same_lock_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "_TAKE", "")  # as where the other one gets it
    found = locks_fault(tmp_path, table(tmp_path, tmp_path, "nfs4", "hard"))
    assert found and f"locks do not work on its file system (nfs4 at {tmp_path})" in found


def test_a_file_system_without_locks_is_named_with_its_own_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*arguments: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fcntl.flock", none)
    assert "gives no locks ([Errno 37] No locks available)" in (locks_fault(tmp_path) or "")


def test_the_innermost_mount_counts(tmp_path: Path) -> None:
    found = mount_of(tmp_path / "a", table(tmp_path, tmp_path, "nfs4", "hard"))
    assert found and found.is_shared and found.place == str(tmp_path)
    other = mount_of(tmp_path.parent, table(tmp_path, tmp_path, "nfs4", "hard"))
    assert other and not other.is_shared
    assert mount_of(tmp_path, tmp_path / "no-table") is None
