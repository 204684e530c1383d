"""A real Dagster instance on an empty data root."""

from collections.abc import Iterator

import dagster as dg
import pytest

from lofi_pipeline.instance import open_instance
from lofi_pipeline.storage import DataRoot


@pytest.fixture
def instance(root: DataRoot, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """The instance that lies in the data root."""
    for name in ("DAGSTER_HOME", "LOFI_DATA_ROOT"):
        monkeypatch.setenv(name, str(root.path))  # open_instance changes both: this has them put back
    with open_instance(root) as opened:
        yield opened
