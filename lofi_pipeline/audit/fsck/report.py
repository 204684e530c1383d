"""What a check of a whole data root found, and what was done about it."""

from __future__ import annotations

from pydantic import Field

from lofi_pipeline.entities import Entity, Finding, Severity


class FsckReport(Entity):
    """All findings, the files that were hashed, and what `--repair` did."""

    files: int = Field(ge=0, description="Files whose bytes were hashed; two links to the same bytes once")
    bytes: int = Field(ge=0)
    findings: list[Finding]
    repaired: list[str] = Field(
        default_factory=list, description="What was done about findings, a sentence each"
    )
    not_repaired: list[str] = Field(
        default_factory=list, description="What could not be done about findings, and why"
    )

    @property
    def clean(self) -> bool:
        """Whether nothing was found that is an error."""
        return not any(finding.severity is Severity.ERROR for finding in self.findings)
