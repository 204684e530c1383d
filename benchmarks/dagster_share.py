"""What Dagster costs for each track of a run: commits, events, CPU and wall time: `python -m benchmarks.dagster_share [TRACKS]`.

The tracks are done already, and their records are read in this very process: what is measured is the run around the work, from its
creation to its end, as `lofi run` makes it. `--against CHECKOUT` measures another checkout of this project as well.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory
from unittest import mock

from benchmarks.memory import peak_bytes

CHECKOUT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Share:
    """Of one run."""

    tracks: int
    failed: int
    commits: int
    events: int
    cpu: float
    wall: float
    memory: int

    def row(self, name: str) -> str:
        """A line of the table."""
        each = [self.commits / self.tracks, self.events / self.tracks, self.cpu / self.tracks]
        commits, events, cpu = each
        return (
            f"| {name} | {self.tracks} | {self.failed} | {commits:.2f} | {events:.2f} | {1000 * cpu:.1f} |"
            f" {1000 * self.wall / self.tracks:.1f} | {self.memory >> 20} |"
        )


def measure(folder: Path, failing: int) -> Share:
    """One run over all tracks; each of so many is told to have failed."""
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    from lofi_pipeline.assets.partitions import TRACKS, add_partitions
    from lofi_pipeline.automation.instance import open_instance
    from lofi_pipeline.automation.jobs import JobName
    from lofi_pipeline.automation.ranges import RANGE_END, RANGE_START
    from lofi_pipeline.cli.job_process import run_job
    from lofi_pipeline.entities import TrackStatus
    from lofi_pipeline.ingest import load_record, load_registry
    from lofi_pipeline.storage import DataRoot

    root, commits = DataRoot(folder), 0
    rmtree(root.dagster_home, ignore_errors=True)

    def work(_root: object, _config: object, keys: list[str], **_: object):
        for number, key in enumerate(keys):
            record = load_record(root, key)
            assert record
            broken = {"status": TrackStatus.FAILED, "failed_stage": "processed_audio", "reason": "to measure"}
            yield record.model_copy(update=broken) if number < failing else record

    def count(_connection: object) -> None:
        nonlocal commits
        commits += 1

    keys = [track.track_id for track in load_registry(root).tracks]
    with open_instance(root) as instance, mock.patch("lofi_pipeline.ingest.work_batch", work):
        add_partitions(instance, TRACKS.name, keys)
        event.listen(Engine, "commit", count)
        cpu, wall = time.process_time(), time.perf_counter()
        run_id = run_job(instance, JobName.INGEST, tags={RANGE_START: keys[0], RANGE_END: keys[-1]})
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        shard = root.dagster_home / "history" / "runs" / f"{run_id}.db"
        failed = _failed(instance, keys)
    with closing(sqlite3.connect(shard)) as database:
        (events,) = database.execute("SELECT count(*) FROM event_logs").fetchone()
    peak = peak_bytes()
    return Share(len(keys), failed, commits, events, cpu, wall, peak)


def _failed(instance, keys: list[str]) -> int:
    """How many keys of processed_audio Dagster shows as failed."""
    import dagster as dg

    found = instance.get_status_by_partition(
        dg.AssetKey("processed_audio"), keys, dg.DynamicPartitionsDefinition(name="tracks")
    )
    return sum(str(status) == "AssetPartitionStatus.FAILED" for status in (found or {}).values())


def measured_apart(checkout: Path, folder: Path, failing: int) -> Share:
    """The same with the code of a checkout, in a process of its own."""
    command = [sys.executable, str(Path(__file__)), "--measure", str(folder), "--failing", str(failing)]
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    done = subprocess.run(
        command, env=environment, cwd=folder, check=True, stdout=subprocess.PIPE, encoding="utf-8"
    )
    return Share(**json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tracks", type=int, nargs="*", default=[200], help="in one run")
    parser.add_argument("--failing", type=int, default=3, help="tracks that fail")
    parser.add_argument("--against", type=Path, help="another checkout of this project to measure as well")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        print(json.dumps(asdict(measure(given.measure, given.failing))))
        return
    from benchmarks.scale_library import scale_library

    checkouts = {"that one": given.against, "this one": CHECKOUT} if given.against else {"this one": CHECKOUT}
    print(
        "| checkout | tracks | shown as failed | commits a track | events a track | CPU ms | wall ms | peak MB |"
    )
    print("|---" * 8 + "|")
    for tracks in given.tracks:
        with TemporaryDirectory(prefix="lofi-share-") as folder:
            scale_library(Path(folder), tracks)
            for name, checkout in checkouts.items():
                print(measured_apart(checkout, Path(folder), given.failing).row(name), flush=True)


if __name__ == "__main__":
    main()
