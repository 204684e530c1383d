"""docs/audit-findings.md: every code that a finding of an audit may have, what it means and what to do."""

from __future__ import annotations

from typing import Any

from lofi_pipeline import entities
from lofi_pipeline_tests.docs.markdown import code, page, sentence, table

ORIGIN = "lofi_pipeline/entities"


def findings() -> dict[str, tuple[str, ...]]:
    """Code to its sentences; nothing while the codes have no enum."""
    codes: Any = getattr(entities, "FindingCode", ())
    return {str(item.value): (item.description, item.advice) for item in codes}


def findings_page() -> str:
    """The whole page."""
    return page(
        "What an audit may find",
        ORIGIN,
        "`lofi audit`, `lofi fsck` and the asset `license_audit` name each finding by a code. With a finding that is an error the "
        "audit is not clean, and the command exits with 1. The finding's own sentence names the file, track or source.",
        table(
            ["code", "what it means", "what to do"],
            [(code(name), *map(sentence, texts)) for name, texts in findings().items()],
        ),
    )
