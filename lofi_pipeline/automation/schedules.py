"""What runs by the clock."""

import dagster as dg

from lofi_pipeline.automation.jobs import build_dataset

nightly_dataset = dg.ScheduleDefinition(
    name="nightly_dataset",
    job=build_dataset,
    cron_schedule="0 3 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every night: scan all drops again and rebuild the data set; an unchanged one keeps its hash.",
)
