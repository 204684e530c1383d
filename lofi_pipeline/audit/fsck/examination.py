"""What the parts of a check share: the records, the hashing, the findings, and how each can be mended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from lofi_pipeline.audit.fsck.errors import CannotMend
from lofi_pipeline.audit.inputs import AuditInputs
from lofi_pipeline.audit.integrity.verifier import MISSING, Verifier
from lofi_pipeline.entities import FindingCode
from lofi_pipeline.storage import DataRoot, stranger_at

Mend = Callable[[], str]
"""Makes way for what the next run makes again, and says so in a sentence; raises CannotMend."""


@dataclass(frozen=True)
class Examination:
    """One check of one data root."""

    inputs: AuditInputs
    verifier: Verifier
    mends: dict[str, Mend] = field(default_factory=dict)
    """What can be done about the findings on a file, by its path in the data root."""

    @property
    def root(self) -> DataRoot:
        return self.inputs.root

    def holds(self, path: str, sha256: str) -> bool:
        """Whether a file has the hash; one that can't be read is named."""
        return self.verifier.sha256(path) in (None, sha256)

    def is_file_with(self, path: str, sha256: str) -> bool:
        """The same of what this project makes: a link or a folder in its place is none, whatever it holds or leads to."""
        return stranger_at(self.root.path / path) is None and self.holds(path, sha256)

    def damaged(self, path: str, what: str, advice: str, mend: Mend | None = None) -> None:
        """Add an error on a file that is missing or changed."""
        stranger = stranger_at(self.root.path / path)
        is_missing = stranger is None and self.verifier.sha256(path) == MISSING
        code = FindingCode.FILE_MISSING if is_missing else FindingCode.FILE_CHANGED
        fate = "is missing" if is_missing else "was changed: it does not have the hash on record"
        if stranger is not None:
            fate = f"is {stranger}, and not the file on record"
        self.verifier.error(code, path, f"{path} ({what}) {fate}; {advice}.")
        if mend is not None:
            self.mends[path] = mend


def make_way(path: Path) -> None:
    """Remove what stands where a file belongs: a link, not what it leads to; or an empty folder.

    Raises:
        CannotMend: a folder that holds something.
    """
    if path.is_dir() and not path.is_symlink():
        try:
            path.rmdir()
        except OSError as error:
            raise CannotMend(
                f"{path} is a folder that can't be removed ({error.strerror}): move it away first"
            ) from error
    else:
        path.unlink(missing_ok=True)
