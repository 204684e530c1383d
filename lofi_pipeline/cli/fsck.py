"""`lofi fsck`: every file of a data root against its record. The check itself is in audit/fsck/."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lofi_pipeline import progress
from lofi_pipeline.cli.audit import show_findings
from lofi_pipeline.cli.console import bars, console, sanitize
from lofi_pipeline.storage import DataRoot

if TYPE_CHECKING:
    from lofi_pipeline.audit.fsck import FsckReport


def check(root: DataRoot, *, repair: bool) -> FsckReport:
    """Check a data root, with a bar, and show what was found and done."""
    from lofi_pipeline.audit.fsck import check_data_root

    with bars():
        report = check_data_root(
            root,
            repair=repair,
            progress=lambda done, total, what: progress.report("fsck", done, total, what),
        )
    console.print(f"{report.files} files, {report.bytes / 1e6:.1f} MB hashed", highlight=False)
    show_findings(report.findings)
    for sentence in report.repaired:
        console.print(f"[green]repaired[/] {sanitize(sentence)}", highlight=False, soft_wrap=True)
    for sentence in report.not_repaired:
        console.print(f"[bold red]not repaired[/] {sanitize(sentence)}", highlight=False, soft_wrap=True)
    return report
