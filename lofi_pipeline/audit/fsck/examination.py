"""What the parts of a check share: the records, the hashing, the findings, and how each can be mended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from lofi_pipeline.audit.inputs import AuditInputs
from lofi_pipeline.audit.integrity.verifier import MISSING, Verifier
from lofi_pipeline.entities import FindingCode
from lofi_pipeline.storage import DataRoot

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

    def damaged(self, path: str, what: str, advice: str, mend: Mend | None = None) -> None:
        """Add an error on a file that is missing or changed."""
        is_missing = self.verifier.sha256(path) == MISSING
        code = FindingCode.FILE_MISSING if is_missing else FindingCode.FILE_CHANGED
        fate = "is missing" if is_missing else "was changed: it does not have the hash on record"
        self.verifier.error(code, path, f"{path} ({what}) {fate}; {advice}.")
        if mend is not None:
            self.mends[path] = mend
