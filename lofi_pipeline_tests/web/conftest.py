"""Dagster's real app behind the guard, with nothing loaded: what it answers is what counts here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import EmptyWorkspaceTarget

from lofi_pipeline.storage import DataRoot
from lofi_pipeline.web.server import dagster_context
from lofi_pipeline_tests.web.browser import CHROMIUM
from lofi_pipeline_tests.web.serving import Studio, studio_in_browser


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkspaceProcessContext]:
    folder = str(tmp_path_factory.mktemp("instance"))
    with (
        dg.DagsterInstance.local_temp(folder) as instance,
        dagster_context(instance, EmptyWorkspaceTarget(), read_only=False) as found,
    ):
        yield found


@pytest.fixture
def studio(root: DataRoot, tmp_path: Path) -> Iterator[Studio]:
    """The studio of `root` in a real browser, whose user is its owner."""
    if CHROMIUM is None:
        pytest.skip("needs a browser: apt-get install chromium")
    with studio_in_browser(root, tmp_path / "profile") as found:
        yield found
