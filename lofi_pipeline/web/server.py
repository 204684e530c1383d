"""Dagster's webserver and the studio behind the guard: `python -m lofi_pipeline.web.server`, which reads a Door in JSON from standard input.

Its own command line would open a port without a guard. The token comes by standard input, which nobody else sees.
"""

from __future__ import annotations

import sys

import dagster as dg
import uvicorn
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget, WorkspaceLoadTarget
from dagster_webserver.app import create_app_from_workspace_process_context
from dagster_webserver.version import __version__ as version

from lofi_pipeline.automation.instance import workspace_file
from lofi_pipeline.storage import DataRoot
from lofi_pipeline.web.door import Door
from lofi_pipeline.web.guard import Guard
from lofi_pipeline.web.studio import WithStudio, studio_app
from lofi_pipeline.web.well_formed import WellFormed

STATEMENT_TIMEOUT_MS, POOL_RECYCLE_SECONDS, POOL_MAX_OVERFLOW = 15_000, 3_600, 20
POLL_MS = 2_000
"""What Dagster's own command line sets."""


def dagster_context(
    instance: dg.DagsterInstance, target: WorkspaceLoadTarget, *, read_only: bool
) -> WorkspaceProcessContext:
    """What Dagster's app works on. With `read_only` Dagster refuses every mutation itself."""
    return WorkspaceProcessContext(instance, target, version=version, read_only=read_only)


def guarded_app(context: WorkspaceProcessContext, door: Door, root: DataRoot) -> Guard:
    """Dagster's app and the studio behind the guard."""
    studio = studio_app(root, beside_dagster=True, read_only=door.read_only)
    studio.state.track_list.begin()
    dagster = create_app_from_workspace_process_context(context, live_data_poll_rate=POLL_MS)
    return Guard(WithStudio(studio, WellFormed(dagster)), door)


def serve(door: Door) -> None:
    """Serve the instance that DAGSTER_HOME names, and the data root of the environment, until a signal comes."""
    root = DataRoot.find()
    target = WorkspaceFileTarget([str(workspace_file(root))])
    with dg.DagsterInstance.get() as instance:
        instance.optimize_for_webserver(STATEMENT_TIMEOUT_MS, POOL_RECYCLE_SECONDS, POOL_MAX_OVERFLOW)
        with dagster_context(instance, target, read_only=door.read_only) as context:
            uvicorn.run(
                guarded_app(context, door, root),
                host=door.host,
                port=door.port,
                log_level="warning",
            )


if __name__ == "__main__":
    serve(Door.model_validate_json(sys.stdin.read()))
