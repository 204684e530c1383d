"""What Dagster loads: assets, checks, jobs, sensors, schedules and the workspace resource. It assembles, nothing else."""

import dagster as dg

from lofi_pipeline.assets import all_assets, all_checks
from lofi_pipeline.automation import all_jobs, all_schedules, all_sensors
from lofi_pipeline.resources import Workspace

defs = dg.Definitions(
    assets=all_assets,
    asset_checks=all_checks,
    jobs=all_jobs,
    sensors=all_sensors,
    schedules=all_schedules,
    resources={"workspace": Workspace()},
    # A process for each step would cost its imports anew; what is heavy starts processes of its own anyway.
    executor=dg.in_process_executor,
)
