"""A folder in which nothing can be written, for real: the way a mounted backup, or somebody else's data root, is."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_MOUNT = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'


@contextmanager
def read_only(folder: Path) -> Iterator[list[str]]:
    """The words to put before a command, for which nothing under `folder` can be written.

    Root writes wherever permissions forbid it: it gets a read-only mount that only the command sees. Everybody else gets
    folders and files without the right to write.
    """
    if os.geteuid() == 0:
        prefix = ["unshare", "--mount", "sh", "-c", _MOUNT, str(folder)]
        can = (
            shutil.which("unshare") and subprocess.run([*prefix, "true"], capture_output=True).returncode == 0
        )
        if not can:
            pytest.skip("root writes everywhere, and may not make a read-only mount here (unshare --mount)")
        yield prefix
        return
    paths = [folder, *folder.rglob("*")]
    modes = {path: path.stat().st_mode for path in paths if not path.is_symlink()}
    for path, mode in modes.items():
        path.chmod(mode & ~0o222)
    try:
        yield []
    finally:
        for path, mode in modes.items():
            path.chmod(mode)
