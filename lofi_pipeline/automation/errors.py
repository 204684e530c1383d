"""What can be wrong with how work is started."""

from __future__ import annotations

from lofi_pipeline.errors import LofiError


class ForeignConfiguration(LofiError):
    """The Dagster configuration asked for lies in the data root: whoever made that could run programs with it."""


class HistoryFault(LofiError):
    """Dagster's history in the data root cannot be read or written."""
