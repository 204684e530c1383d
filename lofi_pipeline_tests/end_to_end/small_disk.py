"""Real small disks: tmpfs in a mount namespace of its own, where a user may make one. No right of root is needed.

`python -m lofi_pipeline_tests.end_to_end.small_disk` reads a Scenario in JSON from standard input, in such a namespace, and
prints what came of it: commands on a disk that is full, read-only or without inodes, and once more after it was mended.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from lofi_pipeline.storage import TEMPORARY_PREFIX, DataRoot
from lofi_pipeline_tests.end_to_end.lofi import Finished, Lofi

Fault = Literal["full", "inodes", "read-only"]
NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount")
INODES = 4000
SIZE = 256 << 20


@cache
def is_permitted() -> bool:
    """Whether this user may mount a disk in a namespace of its own; also where the program for it is missing."""
    mount = ("mount", "-t", "tmpfs", "none", "/mnt")
    return (
        shutil.which("unshare") is not None
        and not subprocess.run([*NAMESPACE, *mount], capture_output=True, check=False).returncode
    )


@dataclass(frozen=True)
class Scenario:
    """What is to be tried. The data root is changed."""

    root: str
    config: str
    base: str
    command: tuple[str, ...]
    fault: Fault
    disk: str
    """The folder of the data root that is a disk of its own; `.` for the whole data root."""
    left: int = 0
    """Bytes or inodes that are free."""
    then: tuple[str, ...] = ()
    """What is given after the disk was mended, if not the same command."""


@dataclass(frozen=True)
class Outcome:
    """What the commands said, and what is on disk at the end."""

    first: Finished
    temporary: list[str]
    """Temporary files that the first command left."""
    second: Finished
    left: dict[str, str]
    """The text of each small JSON file of metadata/, final/, checkpoints/ and audit/ at the end."""


def tried(
    lofi: Lofi, *command: str, fault: Fault, disk: str = ".", left: int = 0, then: tuple[str, ...] = ()
) -> Outcome:
    """Give a command with the fault, mend it, and give it again, or the one that is to be given then."""
    given = Scenario(str(lofi.root.path), str(lofi.config), str(lofi.base), command, fault, disk, left, then)
    done = subprocess.run(
        [*NAMESPACE, sys.executable, "-m", __name__],
        input=json.dumps(asdict(given)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    return Outcome(Finished(**said["first"]), said["temporary"], Finished(**said["second"]), said["left"])


def _mount(folder: Path, fault: Fault) -> None:
    """Make a folder a disk of its own that holds what it held."""
    kept = folder.with_name(f"{folder.name}-before")
    folder.rename(kept) if folder.exists() else kept.mkdir()
    folder.mkdir()
    options = f"size={SIZE},nr_inodes={INODES if fault == 'inodes' else 0}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", folder], check=True)
    shutil.copytree(kept, folder, dirs_exist_ok=True)
    shutil.rmtree(kept)


def _break(folder: Path, fault: Fault, left: int) -> None:
    found = os.statvfs(folder)
    assert folder.is_mount() and found.f_blocks * found.f_frsize <= SIZE, "would fill a disk of this machine"
    if fault == "read-only":
        subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
    elif fault == "full":
        with (folder / "ballast").open("wb") as ballast:
            os.posix_fallocate(ballast.fileno(), 0, found.f_bavail * found.f_frsize - left)
    else:
        (folder / "ballast").mkdir()
        for number in range(found.f_favail - 1 - left):
            (folder / "ballast" / str(number)).touch()


def _mend(folder: Path, fault: Fault) -> None:
    if fault == "read-only":
        subprocess.run(["mount", "-o", "remount,rw", folder], check=True)
    elif fault == "full":
        (folder / "ballast").unlink()
    else:
        shutil.rmtree(folder / "ballast")


def _try(given: Scenario) -> dict[str, object]:
    root = Path(given.root)
    lofi = Lofi(DataRoot(root), Path(given.config), Path(given.base))
    disk = root / given.disk
    _mount(disk, given.fault)
    _break(disk, given.fault, given.left)
    first = lofi(*given.command)
    temporary = [str(path) for path in root.rglob(f"{TEMPORARY_PREFIX}*")]
    _mend(disk, given.fault)
    second = lofi(*(given.then or given.command))
    folders = ("metadata", "final", "checkpoints", "audit")
    files = [path for name in folders for path in (root / name).rglob("*.json")]
    left = {path.relative_to(root).as_posix(): path.read_text() for path in files}
    return {"first": asdict(first), "temporary": temporary, "second": asdict(second), "left": left}


if __name__ == "__main__":
    print(json.dumps(_try(Scenario(**json.load(sys.stdin)))))
