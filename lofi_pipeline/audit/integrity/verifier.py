"""Hashing files under a data root: each once, counted, with a finding for what is missing, changed or unreadable.

Which files, and with which hashes, the other modules of audit/integrity/ know.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lofi_pipeline.entities import Finding, FindingCode, Severity
from lofi_pipeline.storage import DataRoot, file_sha256, is_json_file_of, load_evicted

MISSING = ""
"""In place of the hash of a file that is not there."""


def is_as_written(data: bytes, value: Any) -> bool:
    """Whether a JSON file's bytes are those that this project writes for the value that was read from it."""
    return is_json_file_of(data, value)


class Verifier:
    """Hashes files under a data root, two links to the same bytes once, and collects findings."""

    def __init__(
        self, root: DataRoot, *, quick: bool, progress: Callable[[int, int, str], None], total: int
    ) -> None:
        self.root, self.quick = root, quick
        self.findings: list[Finding] = []
        self.files = self.bytes = self.absent_originals = 0
        self._progress, self._total, self._done = progress, total, 0
        self._folders: dict[str, str] = {}
        self._known: dict[tuple[int, int, int, int], str] = {}
        self._evicted = load_evicted(root)
        self._elsewhere: set[str] = set()

    def step(self, what: str, count: int = 1) -> None:
        """Report progress: `count` more of the expected files were looked at."""
        self._done += count
        self._progress(min(self._done, self._total), self._total, what)

    def count(self, size: int) -> None:
        """Count a file of that size that was read by somebody else."""
        self.files += 1
        self.bytes += size

    def finish(self) -> None:
        """Report progress: all was looked at. What lies in the object store only is named once."""
        if self._evicted and self._elsewhere:
            size = sum(self._evicted.files[path].size for path in self._elsewhere)
            sentence = (
                f"{len(self._elsewhere)} files ({size / 1e6:.1f} MB) lie only in {self._evicted.store}, the first is {min(self._elsewhere)}: "
                "their hashes are those that they had when they went there; they were not read."
            )
            self.log(Severity.WARNING, FindingCode.FILE_ELSEWHERE, self._evicted.store, sentence)
        self._progress(self._total, self._total, "")

    def error(self, code: FindingCode, where: str, sentence: str) -> None:
        """Add a finding that makes the audit fail."""
        self.log(Severity.ERROR, code, where, sentence)

    @property
    def errors(self) -> int:
        """How many errors there are so far."""
        return sum(finding.severity is Severity.ERROR for finding in self.findings)

    def log(self, severity: Severity, code: FindingCode, where: str, sentence: str) -> None:
        """Add a finding."""
        self.findings.append(Finding(severity=severity, code=code, where=where, sentence=sentence))

    def inside(self, relative: str) -> Path | None:
        """The path of a recorded relative one; None, with a finding, when it leads out of the data root."""
        path = self._inside(relative)
        return None if path is None else Path(path)

    def _inside(self, relative: str) -> str | None:
        folder, _, name = relative.rpartition("/")
        try:
            if (
                folder not in self._folders
            ):  # resolving each path of 50,000 tracks takes longer than hashing them
                self._folders[folder] = str(self.root.inside(folder))
            path = f"{self._folders[folder]}/{name}"
            return str(self.root.inside(relative)) if name in ("", "..") or os.path.islink(path) else path
        except ValueError:
            self.error(
                FindingCode.PATH_OUTSIDE, relative, f"{relative} leads out of the data root, through a link."
            )
            return None

    def sha256(self, relative: str) -> str | None:
        """SHA-256 of a file; MISSING when it is not there; None, with a finding, when it can't be read."""
        path = self._inside(relative)
        if path is None:
            return None
        try:
            facts = os.stat(path)
            if not stat.S_ISREG(facts.st_mode):
                return MISSING
            return self._hash(path, facts)
        except (FileNotFoundError, NotADirectoryError):
            return self._away(relative) or MISSING
        except OSError as error:
            sentence = f"{relative} can't be read ({error.strerror}): check permissions and the disk."
            self.error(FindingCode.FILE_UNREADABLE, relative, sentence)
            return None

    def _hash(self, path: str, facts: os.stat_result) -> str:
        """Hash a file; of two links to the same bytes only the first, whose hash is kept until the second is asked for."""
        key = (facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns)
        if (known := self._known.pop(key, None)) is not None:
            return known
        found = file_sha256(path)
        self.count(facts.st_size)
        if facts.st_nlink > 1:
            self._known[key] = found
        return found

    def exists(self, relative: str) -> bool:
        """Whether a regular file lies there, or in the object store."""
        path = self._inside(relative)
        return path is not None and (os.path.isfile(path) or self._away(relative) is not None)

    def _away(self, relative: str) -> str | None:
        """The hash that a file had when it went to the object store."""
        file = self._evicted.files.get(relative) if self._evicted else None
        if file is None:
            return None
        self._elsewhere.add(relative)
        return file.sha256

    def expect(self, relative: str, sha256: str, what: str, *, advice: str) -> None:
        """Demand a file with a hash; what is missing or changed is an error that says what it is and what to do."""
        found = self.sha256(relative)
        if found == MISSING:
            self.error(FindingCode.FILE_MISSING, relative, f"{relative} ({what}) is missing: {advice}.")
        elif found is not None and found != sha256:
            self.error(
                FindingCode.FILE_CHANGED,
                relative,
                f"{relative} ({what}) was changed: its hash is {found[:12]}, on record is {sha256[:12]}; {advice}.",
            )
