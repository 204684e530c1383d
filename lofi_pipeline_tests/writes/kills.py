"""Kill -9 before each change of the file system: every state that a killed process can leave behind, one after the other.

Python itself reports the changes (sys.addaudithook), whoever makes them: no write can be forgotten, also none that goes past
storage/atomic.py.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import FunctionType

import pytest

from lofi_pipeline.entities import now
from lofi_pipeline.installation import PROJECT_ROOT
from lofi_pipeline.storage import TEMPORARY_PREFIX, DataRoot

Work = Callable[[DataRoot], None]
SOME = 4
"""About so many kills of each piece of work are tried where not all are."""
_OPENED_TO_WRITE = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate"}


def stop_the_clock(patch: pytest.MonkeyPatch) -> None:
    """Have records of this process and its forks say the same moment: what is then equal is equal to the byte."""
    assert isinstance(now, FunctionType)
    patch.setattr(now, "__code__", _one_moment.__code__)  # wherever the function was imported to


def _one_moment() -> datetime:
    return datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def changes_of(work: Work, root: DataRoot) -> list[str]:
    """Do the work in a fork of this process; what it changed below the data root, in order."""
    log = root.path.with_name(f"{root.path.name}.changes")
    with log.open("w", buffering=1) as file:
        failed = _forked(work, root, lambda change: file.write(f"{change}\n"))
    assert not failed, failed
    return log.read_text().splitlines()


def kill_before(change: int, work: Work, root: DataRoot) -> None:
    """Do the work in a fork of this process, killed before change number `change`, counted from 0."""
    left = iter(range(change))

    def count(_said: object) -> None:
        if next(left, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)

    assert _forked(work, root, count) == "killed"


def _forked(work: Work, root: DataRoot, on_change: Callable[[str], object]) -> str:
    """Empty when the work was done; else what ended it."""
    said = root.path.with_name(f"{root.path.name}.traceback")
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            _report_changes(root.path, on_change)
            work(root)
            code = 0
        except BaseException:
            said.write_text(traceback.format_exc())
        finally:
            os._exit(code)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status == -signal.SIGKILL:
        return "killed"
    return said.read_text() if status else ""


def _report_changes(folder: Path, on_change: Callable[[str], object]) -> None:
    """Call `on_change` before each change below `folder`, for as long as this process lives. Locks are not counted."""

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open":
            path, _mode, flags = arguments
            if not isinstance(flags, int) or not flags & _OPENED_TO_WRITE:
                return
        elif event in _CHANGES:
            path = arguments[0]
        else:
            return
        if event in ("os.rename", "os.link"):
            path = arguments[1]
        if not isinstance(path, str | os.PathLike):
            return
        name = os.fspath(path)
        # Where a folder is removed with all in it, names are relative to an open folder.
        if (name.startswith(f"{folder}/") or not os.path.isabs(name)) and not name.endswith(".lock"):
            on_change(f"{event} {os.path.relpath(name, folder) if os.path.isabs(name) else name}")

    sys.addaudithook(hook)


MEASURED = ("cache/pace/", "cache/trackers/")
"""How long things took, and TensorBoard's files, which bear the time in their names: no two runs have the same."""


def contents(root: DataRoot) -> dict[str, bytes]:
    """Every file of a data root but locks, what was measured, and what killed writers left, by its path; without the times that
    records remember.
    """
    return {
        root.relative(path): re.sub(rb'"mtime_ns": ?\d+', b"", path.read_bytes())
        for path in sorted(root.path.rglob("*"))
        if path.is_file()
        and not path.name.endswith(".lock")
        and not root.relative(path).startswith(MEASURED)
        and not any(part.startswith(TEMPORARY_PREFIX) for part in path.relative_to(root.path).parts)
    }


def differences(root: DataRoot, other: DataRoot) -> list[str]:
    """The files that two data roots do not have in common, byte for byte."""
    ours, theirs = contents(root), contents(other)
    return [
        f"{name}: {'missing' if name not in ours else 'not expected' if name not in theirs else 'differs'}"
        for name in sorted({*ours, *theirs})
        if ours.get(name) != theirs.get(name)
    ]


class Trial:
    """One piece of work on one data root, killed at each of its changes and done again."""

    def __init__(self, before: DataRoot, work: Work, scratch: Path) -> None:
        self.before, self.work, self.scratch = before, work, scratch
        self.undisturbed = self._copy("undisturbed")
        self.changes = changes_of(work, self.undisturbed)

    def _copy(self, name: str) -> DataRoot:
        root = DataRoot(self.scratch / name)
        shutil.copytree(self.before.path, root.path, ignore=shutil.ignore_patterns("*.wav"))
        for path in self.before.raw.rglob("*.wav"):  # never written to: links save their bytes
            os.link(path, root.raw / path.relative_to(self.before.raw))
        return root

    def unequal(self, which: str) -> list[str]:
        """What differs from the undisturbed result after a kill and one more run, by the change it was killed before."""
        return [
            f"{where}: {'; '.join(wrong)}"
            for where, root in self.killed(which)
            if (wrong := self._after_one_more_run(root))
        ]

    def _after_one_more_run(self, root: DataRoot) -> list[str]:
        failed = _forked(self.work, root, lambda _: None)
        return [failed] if failed else differences(root, self.undisturbed)

    def killed(self, which: str) -> Iterator[tuple[str, DataRoot]]:
        """What each kill leaves, with a sentence on where it was; gone when the next one is asked for.

        `which`: "all" changes, or "some" of those that become visible.
        """
        numbers = [n for n, change in enumerate(self.changes) if which == "all" or is_visible(change)]
        tried = numbers if which == "all" else numbers[:: max(1, len(numbers) // SOME)]
        assert tried
        for number in tried:
            root = self._copy(f"killed-{number}")
            kill_before(number, self.work, root)
            yield f"killed before change {number}, {self.changes[number]}", root
            shutil.rmtree(root.path)


def order_of(work: str) -> list[str]:
    """The files of a piece of work in the order that docs/architecture.md draws, as patterns of paths."""
    text = (PROJECT_ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    drawn = text.split("## Order of writes")[1].split("```")[1]
    [line] = re.findall(rf"^{work} +(.*(?:\n +→.*)*)", drawn, re.MULTILINE)
    files = [step.split(",")[0].split(";")[0].strip() for step in line.split("→")]
    meant = {"HASH": "[0-9a-f]{64}", "NAME": "[^/]+", "_N": r"_\d+", "=N": r"=\d+"}
    patterns = [re.escape(file) for file in files if re.fullmatch(r"\S+[._]\S+", file)]
    for word, pattern in meant.items():
        patterns = [found.replace(word, pattern) for found in patterns]
    assert patterns
    return patterns


def in_order(changes: list[str], patterns: list[str]) -> list[str]:
    """The patterns that no change answers after the one that answered the pattern before."""
    left, missing = iter(changes), []
    for pattern in patterns:
        if not any(is_visible(change) and re.search(rf"[/ ]{pattern}$", change) for change in left):
            missing.append(pattern)
            left = iter(changes)
    return missing


def is_visible(change: str) -> bool:
    """Whether others see the change: all but folders, and files under a temporary name."""
    event, path = change.split(" ", 1)
    return event == "os.rename" or not (event == "os.mkdir" or TEMPORARY_PREFIX in path)
