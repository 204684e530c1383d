"""What becomes of files on real disks, done on purpose; and data roots to do it to."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from lofi_pipeline.storage import DataRoot

Damage = Callable[[Path], None]


def empty(path: Path) -> None:
    """As a full disk or a careless `>` leaves it: there, with nothing in it. In place, so that hard links lose it, too."""
    path.open("wb").close()


def truncate(path: Path) -> None:
    """Cut off the second half."""
    with path.open("rb+") as file:
        file.truncate(path.stat().st_size // 2)


def change_a_byte(path: Path) -> None:
    """Another byte in the middle; the size stays."""
    with path.open("rb+") as file:
        file.seek(path.stat().st_size // 2)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 1]))


def remove(path: Path) -> None:
    """Gone."""
    path.unlink()


def flip_unseen(path: Path) -> None:
    """A byte that a disk gives back otherwise than it was written: neither size nor time tell."""
    facts = path.stat()
    change_a_byte(path)
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))


DAMAGES: tuple[Damage, ...] = (empty, truncate, change_a_byte, remove)


def copied(root: DataRoot, path: Path, copy: Callable[[str, str], object]) -> DataRoot:
    """A copy whose files are published by `copy` again: os.link, or shutil.copyfile where links are not to be had."""
    shutil.copytree(root.path, path)
    for kind in (root.final.name, root.validation.name):
        for published in (path / kind).iterdir():
            (source,) = (path / "processed").glob(f"*/{published.name}")
            published.unlink()
            copy(str(source), str(published))
            if copy is not os.link:
                shutil.copystat(source, published)
    return DataRoot(path)
