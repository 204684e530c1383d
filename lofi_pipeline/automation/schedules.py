"""What runs by the clock."""

import dagster as dg

from lofi_pipeline.automation.jobs import build_dataset
from lofi_pipeline.resources import Workspace


@dg.schedule(
    name="nightly_dataset",
    job=build_dataset,
    cron_schedule="0 3 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every night: scan all drops again and rebuild the data set; an unchanged one keeps its hash.",
)
def nightly_dataset(workspace: Workspace) -> dg.RunRequest | dg.SkipReason:
    """Nothing to do is no failure: an empty data root waits for its first drop."""
    from lofi_pipeline.ingest import drop_folders, load_registry

    if not drop_folders(workspace.root) and not load_registry(workspace.root).tracks:
        return dg.SkipReason("no drop in data/raw yet")
    return dg.RunRequest()
