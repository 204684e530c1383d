"""Which records of tracks a module reads."""

from __future__ import annotations

from types import ModuleType

import pytest

from lofi_pipeline.entities import TrackRecord
from lofi_pipeline.ingest import load_record
from lofi_pipeline.storage import DataRoot


def records_read_by(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tracks whose records `module` reads from now on, one after the other."""
    found: list[str] = []

    def noted(root: DataRoot, track_id: str) -> TrackRecord | None:
        found.append(track_id)
        return load_record(root, track_id)

    monkeypatch.setattr(module, "load_record", noted)
    return found
