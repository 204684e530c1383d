"""What Dagster loads: complete, described, on by default, and light."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import dagster as dg
import pytest

from lofi_pipeline.automation.jobs import JobName
from lofi_pipeline.definitions import defs
from lofi_pipeline.installation import PROJECT_ROOT

HEAVY = ("torch", "librosa", "diffusers", "laion_clap", "transformers", "matplotlib", "peft", "accelerate")
ASSETS = {
    "style_presets",
    "tag_categories",
    "source_records",
    "raw_tracks",
    "processed_audio",
    "tagged_prompts",
    "dataset_manifest",
    "base_model",
    "encoded_dataset",
    "lora_training",
    "lora_checkpoints",
    "quality_metrics",
    "license_audit",
}


def test_definitions_load_with_everything_in_them() -> None:
    dg.Definitions.validate_loadable(defs)
    repository = defs.get_repository_def()
    jobs = {job.name for job in repository.get_all_jobs()}
    assert {"register", "ingest", "build_dataset", "train", "evaluate"} == set(JobName)
    assert set(JobName) <= jobs
    sensors = {sensor.name: sensor for sensor in repository.sensor_defs}
    assert set(sensors) == {
        "source_drop_sensor",
        "checkpoint_sensor",
        "history_sensor",
        "training_sensor",
        "failure_alert",
    }
    assert all(sensor.default_status is dg.DefaultSensorStatus.RUNNING for sensor in sensors.values())
    schedules = {schedule.name: schedule for schedule in repository.schedule_defs}
    assert set(schedules) == {"nightly_dataset"}
    assert schedules["nightly_dataset"].default_status is dg.DefaultScheduleStatus.RUNNING


def test_every_asset_says_what_it_is() -> None:
    specs = {spec.key.to_user_string(): spec for spec in defs.resolve_all_asset_specs()}
    assert set(specs) == ASSETS
    for name, spec in specs.items():
        for fact in ("description", "group_name", "kinds", "owners", "code_version"):
            assert getattr(spec, fact), f"{name} has no {fact}"
    assert all(spec.group_name != "default" for spec in specs.values())
    upstream = {name: {dep.asset_key.to_user_string() for dep in spec.deps} for name, spec in specs.items()}
    assert upstream["quality_metrics"] == {"lora_checkpoints", "dataset_manifest"}
    assert upstream["license_audit"] == {"lora_checkpoints", "quality_metrics"}
    assert upstream["tagged_prompts"] == {"processed_audio", "style_presets", "tag_categories"}


def dg_command(home: Path, *arguments: str) -> str:
    """What `dg` prints on the project."""
    quiet = {"DAGSTER_HOME": str(home), "DAGSTER_DISABLE_TELEMETRY": "1", "VIRTUAL_ENV": sys.prefix}
    command = [sys.executable, "-c", "from dagster_dg_cli.cli import main; main()", *arguments]
    done = subprocess.run(command, cwd=PROJECT_ROOT, env=os.environ | quiet, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.skipif(
    find_spec("dagster_dg_cli") is None, reason="dagster-dg-cli, of the dev extra, is not installed"
)
def test_dg_checks_and_lists_the_project(tmp_path: Path) -> None:
    dg_command(tmp_path, "check", "defs")
    listed = json.loads(dg_command(tmp_path, "list", "defs", "--json"))
    assert {asset["asset_key"] for asset in listed["assets"]} == ASSETS


def test_loading_the_definitions_loads_nothing_heavy() -> None:
    program = f"import sys, lofi_pipeline.definitions; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
