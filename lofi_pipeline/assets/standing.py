"""A result that stands on disk, as the history tells of it: in the run that makes it, or later where that run was killed before.

Each asset says here once what is told of its result. Which results the history lacks is found in automation/unreported.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import dagster as dg

from lofi_pipeline.assets.metadata import DATA_VERSION_TAG, Fact, shown


def _none() -> Sequence[dg.AssetCheckResult]:
    return ()


@dataclass(frozen=True)
class Standing:
    """A result of an asset, or of one of its partitions. What is told of it is looked up when it is told.

    `facts`, `checks` and `tags` raise LofiError or OSError where it turns out that the result is not whole.
    """

    asset: str
    data_version: str
    facts: Callable[[], Mapping[str, Fact]]
    checks: Callable[[], Sequence[dg.AssetCheckResult]] = _none
    partition: str | None = None
    made: datetime | None = None
    """Where the history may tell of one that was made after it and left nothing on disk."""
    tags: Callable[[], Mapping[str, str]] = dict
    """Of its event. Dagster shows them, and searches in none but the data version."""

    def result(self) -> dg.MaterializeResult:
        """As the asset itself gives it."""
        return dg.MaterializeResult(
            metadata=shown(self.facts()),
            data_version=dg.DataVersion(self.data_version),
            check_results=list(self.checks()),
            tags=self.tags() or None,
        )

    def materialization(self) -> dg.AssetMaterialization:
        """As an event of its own."""
        return dg.AssetMaterialization(
            self.asset,
            partition=self.partition,
            metadata=shown(self.facts()),
            tags={**self.tags(), DATA_VERSION_TAG: self.data_version},
        )

    def evaluations(self) -> list[dg.AssetCheckEvaluation]:
        """Its checks as events of their own."""
        return [
            dg.AssetCheckEvaluation(
                asset_key=dg.AssetKey(self.asset),
                check_name=check.check_name or "",
                passed=check.passed,
                metadata=check.metadata,
                severity=check.severity,
            )
            for check in self.checks()
        ]
