"""Pools: what needs a GPU, and the work on tracks, wait for each other where the instance says so, across runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import dagster as dg

from lofi_pipeline.assets.partitions import CPU_POOL, GPU_POOL
from lofi_pipeline.definitions import defs

RUN = """
import sys, time
from pathlib import Path
import dagster as dg

log = Path(sys.argv[1])

def write(word):
    with log.open("a") as file:
        file.write(word + "\\n")

@dg.asset(pool="gpu")
def work():
    write("begins")
    time.sleep(1.5)
    write("ends")

with dg.DagsterInstance.get() as instance:
    assert dg.materialize([work], instance=instance).success
"""


def together(instance: dg.DagsterInstance, log: Path) -> list[str]:
    """What two runs at once write that each hold a slot of the pool for a while."""
    command = [sys.executable, "-c", RUN, str(log)]
    both = [subprocess.Popen(command, stderr=subprocess.DEVNULL) for _ in range(2)]
    assert [run.wait(110) for run in both] == [0, 0]
    return log.read_text().split()


def test_with_one_slot_the_second_run_waits_for_the_first(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    assert (
        instance.get_concurrency_config().pool_config.default_pool_limit == 2
    )  # as the shipped dagster.yaml says
    instance.event_log_storage.set_concurrency_slots(GPU_POOL, 1)
    assert together(instance, tmp_path / "log") == ["begins", "ends"] * 2


def test_what_needs_a_gpu_and_what_needs_all_cores_is_in_its_pool() -> None:
    pools = {
        key.to_user_string(): asset.op.pool
        for asset in defs.assets or ()
        if isinstance(asset, dg.AssetsDefinition)
        for key in asset.keys
        if asset.is_executable
    }
    assert {name for name, pool in pools.items() if pool == GPU_POOL} == {
        "encoded_dataset",
        "lora_training",
        "quality_metrics",
    }
    assert {name for name, pool in pools.items() if pool == CPU_POOL} == {
        "raw_tracks",
        "processed_audio",
        "tagged_prompts",
    }
