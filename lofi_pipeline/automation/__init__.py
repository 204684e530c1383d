"""What starts work: jobs, sensors and schedules."""

from lofi_pipeline.automation.checkpoint_sensor import checkpoint_sensor
from lofi_pipeline.automation.drop_sensor import source_drop_sensor
from lofi_pipeline.automation.failure_alert import failure_alert
from lofi_pipeline.automation.history_sensor import history_sensor
from lofi_pipeline.automation.jobs import build_dataset, evaluate, ingest, register, train
from lofi_pipeline.automation.schedules import nightly_dataset
from lofi_pipeline.automation.training_sensor import training_sensor

all_jobs = [register, ingest, build_dataset, train, evaluate]
all_sensors = [source_drop_sensor, checkpoint_sensor, history_sensor, training_sensor, failure_alert]
all_schedules = [nightly_dataset]

__all__ = ["all_jobs", "all_schedules", "all_sensors"]
