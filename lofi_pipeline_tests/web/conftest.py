"""Dagster's real app behind the guard, with nothing loaded: what it answers is what counts here."""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg
import pytest
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import EmptyWorkspaceTarget

from lofi_pipeline.web.server import dagster_context


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkspaceProcessContext]:
    folder = str(tmp_path_factory.mktemp("instance"))
    with (
        dg.DagsterInstance.local_temp(folder) as instance,
        dagster_context(instance, EmptyWorkspaceTarget(), read_only=False) as found,
    ):
        yield found
