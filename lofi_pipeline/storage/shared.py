"""Whether locks work where a data root lies: on a network disk without them, two commands at once would spoil its records."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from lofi_pipeline.processes import own_environment
from lofi_pipeline.storage.atomic import lock_file, temporary_folder

MOUNTS = Path("/proc/self/mounts")
NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "fuse.glusterfs", "ceph", "lustre", "afs"}
)
_OWN_LOCKS = frozenset({"nolock", "nobrl", "local_lock=all", "local_lock=flock"})
"""Mount options with which each machine has its own locks, which no other sees."""
_TAKE = """
import fcntl, sys
with open(sys.argv[1]) as file:
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
"""


@dataclass(frozen=True)
class Mount:
    """A file system that is mounted."""

    place: str
    kind: str
    options: frozenset[str]

    @property
    def is_shared(self) -> bool:
        """Whether other machines may have it mounted, too."""
        return self.kind in NETWORK


def mount_of(folder: Path, mounts: Path = MOUNTS) -> Mount | None:
    """The file system in which a folder lies; None where the system has no table of them."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return None
    return _innermost(folder.resolve(), lines)


def _innermost(folder: Path, lines: Iterable[str]) -> Mount | None:
    found = None
    for line in lines:
        _, place, kind, options, *_ = line.split(" ")
        # Spaces and tabs in a name are written in octal
        place = place.encode("latin-1", "replace").decode("unicode_escape")
        if folder.is_relative_to(place) and (found is None or len(place) >= len(found.place)):
            found = Mount(place, kind, frozenset(options.split(",")))
    return found


def locks_fault(folder: Path, mounts: Path = MOUNTS) -> str | None:
    """Why locks in this folder keep nobody away; None where they do. Takes a real one, and has another process try to take it, too."""
    mount = mount_of(folder, mounts)
    if mount and mount.is_shared and (own := sorted(mount.options & _OWN_LOCKS)):
        return (
            f"{folder}: is on {mount.kind} at {mount.place}, mounted with {own[0]}: other machines do not see the locks of this one, and two "
            f"commands at once would spoil its records; mount it without {own[0]} (NFS 4 needs no lock daemon), or work on it from one "
            "machine alone"
        )
    kind = f" ({mount.kind} at {mount.place})" if mount else ""
    with temporary_folder(folder, "locks") as made:
        path = made / "probe"
        try:
            with FileLock(lock_file(path), timeout=0):
                if _another_takes(lock_file(path)):
                    return (
                        f"{folder}: locks do not work on its file system{kind}: two processes held the same one; two commands at once would "
                        "spoil the records; keep the data root on another disk"
                    )
        except (OSError, Timeout) as error:
            return f"{folder}: its file system{kind} gives no locks ({error}); keep the data root on another disk, or mount this one with them"
    return None


def _another_takes(path: Path) -> bool:
    command = [sys.executable, "-I", "-S", "-c", _TAKE, str(path)]
    return subprocess.run(command, env=own_environment(), capture_output=True, check=False).returncode == 0
