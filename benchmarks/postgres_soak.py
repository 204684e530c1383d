"""Sensors, drops and commands on one history in a real PostgreSQL, for as long as asked: `python -m benchmarks.postgres_soak --minutes 30`.

A server on loopback, Dagster's daemon with the shipped sensors, and a music folder each few minutes; between them `lofi run` beside the daemon, as a
second person would. Half way through, the server is ended as if it crashed, and started again. What is printed at the end: ticks and runs by how they
ended, rows and size of the database, memory of the daemon with all that is below it, and whether every track has its record.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from lofi_pipeline.ingest import load_registry
from lofi_pipeline.installation import PROJECT_ROOT
from lofi_pipeline.storage import DataRoot
from lofi_pipeline_tests.deploy import postgres
from lofi_pipeline_tests.drops import facts, make_drop, song
from lofi_pipeline_tests.end_to_end.lofi import Finished, Lofi, Running, write_config

DATABASE = "soak"
DOWN_SECONDS = 10
LOOK_SECONDS = 5
TO = ("--to", "dataset_manifest")
_COUNTS = {
    "ticks": "SELECT status, count(*) FROM job_ticks GROUP BY status ORDER BY status",
    "runs": "SELECT status, count(*) FROM runs GROUP BY status ORDER BY status",
    "rows of events": "SELECT 'all', count(*) FROM event_logs",
    "bytes": f"SELECT 'database', pg_database_size('{DATABASE}')",
}


@dataclass
class Soak:
    """What was started, and what was seen."""

    lofi: Lofi
    server: postgres.Server
    daemon: Running
    drops: int = 0
    restarts_of_daemon: int = 0
    memory: list[int] = field(default_factory=list)
    commands: list[Running] = field(default_factory=list)
    ended: list[Finished] = field(default_factory=list)

    def look(self) -> None:
        """Note the memory; start a daemon that ended, as systemd or Docker would; and note the commands that are over."""
        if self.daemon.process.poll() is not None:
            self.restarts_of_daemon += 1
            print(f"the daemon ended:\n{self.daemon.said[-2000:]}", flush=True)
            self.daemon = start_daemon(self.lofi)
        held = 0
        with suppress(psutil.Error):
            for process in self.daemon.family():
                held += process.memory_info().rss
        self.memory.append(held)
        for command in [each for each in self.commands if each.process.poll() is not None]:
            self.commands.remove(command)
            self.ended.append(command.finish())

    def drop(self) -> None:
        """A folder of one track, as somebody copies it in."""
        self.drops += 1
        make_drop(
            self.lofi.root,
            f"drop-{self.drops}",
            {"a.wav": song(self.drops)},
            facts(source_id=f"s{self.drops}"),
        )

    def counts(self) -> dict[str, dict[str, int]]:
        """What stands in the database."""
        found: dict[str, dict[str, int]] = {}
        for name, statement in _COUNTS.items():
            rows = [line.split("|") for line in self.server.sql(statement, DATABASE).splitlines()]
            found[name] = {status: int(count) for status, count in rows}
        return found


def start_daemon(lofi: Lofi) -> Running:
    return lofi.start("ui", "--only", "daemon")


def soak(folder: Path, server: postgres.Server, minutes: float, between: float) -> dict[str, Any]:
    """Run it. `between`: minutes from one drop to the next."""
    os.environ.update(server.database(DATABASE))
    os.environ["LOFI_DAGSTER_CONFIG"] = str(PROJECT_ROOT / "deploy" / "postgres" / "dagster.yaml")
    lofi = Lofi(DataRoot(folder / "data").create(), write_config(folder / "config"), Path("nano"))
    running = Soak(lofi, server, start_daemon(lofi))
    begin, restarted = time.monotonic(), False
    try:
        while (passed := (time.monotonic() - begin) / 60) < minutes:
            running.look()
            if running.drops < passed / between and passed < minutes - between:
                running.drop()
                if running.drops % 2 == 0:  # a second person, at the moment the sensor sees it, too
                    running.commands.append(lofi.start("run", *TO))
            if not restarted and passed > minutes / 2:
                restarted = True
                server.stop("immediate")
                time.sleep(DOWN_SECONDS)
                server.start()
                print(f"the server was down for {DOWN_SECONDS} s after {passed:.1f} minutes", flush=True)
            if len(running.memory) % 24 == 1:
                with suppress(AssertionError):
                    print(
                        f"{passed:5.1f} min {running.memory[-1] / 1e6:.0f} MB {json.dumps(running.counts())}",
                        flush=True,
                    )
            time.sleep(LOOK_SECONDS)
        return report(running)
    finally:
        for each in (running.daemon, *running.commands):
            each.process.terminate()
            each.process.wait(60)


def report(running: Soak) -> dict[str, Any]:
    """Once the daemon has ended and a last command has done what was left: figures, and what is missing."""
    for command in running.commands:
        running.ended.append(command.finish())
    running.commands.clear()
    counts, root = running.counts(), running.lofi.root
    running.daemon.process.terminate()
    running.daemon.process.wait(60)
    last, idle = running.lofi.run(*TO), running.lofi.run(*TO)
    tracks = load_registry(root).tracks
    return counts | {
        "drops": running.drops,
        "tracks": len(tracks),
        "without a record": [it.track_id for it in tracks if not root.track_record(it.track_id).is_file()],
        "commands beside": [end.code for end in running.ended],
        "said by those that failed": [end.said[-500:] for end in running.ended if end.code],
        "daemon started again": running.restarts_of_daemon,
        "memory, MB (first, median, most, last)": [
            round(value / 1e6)
            for value in (
                running.memory[min(12, len(running.memory) - 1)],
                sorted(running.memory)[len(running.memory) // 2],
                max(running.memory),
                running.memory[-1],
            )
        ],
        "runs of the command after it": last["dagster_runs"],
        "runs of the one after that": idle["dagster_runs"],
        "runs left open": running.server.sql(
            "SELECT count(*) FROM runs WHERE status NOT IN ('SUCCESS', 'FAILURE', 'CANCELED')", DATABASE
        ).strip(),
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--between", type=float, default=3, help="minutes from one drop to the next")
    arguments = parser.parse_args()
    if reason := postgres.why_not():
        print(reason, file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="lofi-soak-") as folder, postgres.server() as server:
        print(json.dumps(soak(Path(folder), server, arguments.minutes, arguments.between), indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
