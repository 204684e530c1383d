"""Real clusters on loopback: Dask's scheduler and workers, Ray's nodes, each a process that can be killed."""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil

from lofi_pipeline.ingest import elsewhere
from lofi_pipeline.ingest.elsewhere import Asked, Unfit
from lofi_pipeline.installation import PROJECT_ROOT
from lofi_pipeline_tests.end_to_end.small_disk import NAMESPACE

DONE = elsewhere.work_here
HEAD, NODES = "127.0.0.2", "127.0.0.1{}"
"""Addresses on loopback: Ray takes 127.0.0.1 itself for the machine's own address in its network, where anybody could come in."""
PATIENCE = 300.0
"""Seconds until what never happens is called missing: no measure of speed."""


def noted(asked: Asked) -> Any:
    """What a worker does, with a line for each begin and end, and with the process."""
    for word in ("begins", "ends"):
        with (asked.root.path / "work.log").open("a") as log:
            log.write(f"{word} {asked.track.track_id} {os.getpid()}\n")
        if word == "begins":
            found: Any = DONE(asked)
    assert isinstance(found, Unfit) or found.track_id == asked.track.track_id
    return found


def hanging(asked: Asked) -> Any:
    """A worker that never comes to an end of the first track, and is ended by the clock."""
    from lofi_pipeline.ingest.in_time import ending_after

    if asked.track.track_id != "track_001":
        return DONE(asked)
    with ending_after(2.0):
        while True:
            time.sleep(60)


@dataclass(frozen=True)
class Node:
    """A machine of the cluster: what is different there."""

    environment: dict[str, str] = field(default_factory=dict)
    full_disks: tuple[Path, ...] = ()
    """Folders that are a full disk of their own there, and nowhere else."""

    def prefix(self) -> tuple[str, ...]:
        """What comes before a command that is to run on it."""
        if not self.full_disks:
            return ()
        full = "mount -t tmpfs -o size=16m none {0} && {{ cat /dev/zero >{0}/ballast 2>&-; true; }} && "
        disks = "".join(full.format(shlex.quote(str(disk))) for disk in self.full_disks)
        return (*NAMESPACE, "sh", "-c", disks + 'exec "$@"', "sh")


@dataclass
class Local:
    """A cluster: its address, and the process at the top of each node."""

    backend: str
    address: str
    nodes: list[psutil.Popen] = field(default_factory=list)

    def kill(self, pid: int) -> None:
        """Kill the node that this process belongs to, with all that is on it."""
        family = {pid, *(parent.pid for parent in psutil.Process(pid).parents())}
        node = next(node for node in self.nodes if node.pid in family)
        _kill(node)

    def make_room(self, number: int, disk: Path) -> None:
        """Empty a full disk of a node: what is there is seen through its process."""
        Path(f"/proc/{self.nodes[number].pid}/root{disk}/ballast").unlink()

    def left_on(self, number: int, disk: Path) -> set[str]:
        """The names of all files on a disk of a node."""
        seen = Path(f"/proc/{self.nodes[number].pid}/root{disk}")
        return {path.name for path in seen.rglob("*") if path.is_file()}


def _kill(process: psutil.Popen) -> None:
    with suppress(psutil.NoSuchProcess):
        for each in [*psutil.Process(process.pid).children(recursive=True), process]:
            with suppress(psutil.NoSuchProcess):
                each.kill()
    process.wait(10)


def _start(*command: str, log: Path, node: Node | None = None) -> psutil.Popen:
    node = node or Node()
    with log.open("ab") as output:
        return psutil.Popen(
            [*node.prefix(), sys.executable, "-m", *command],
            env=os.environ
            | {"PYTHONPATH": str(PROJECT_ROOT), "PYTHONSAFEPATH": "1", "OMP_NUM_THREADS": "1"}
            | node.environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def wait_for(condition: Any, what: str) -> Any:
    """Poll until `condition` gives something."""
    deadline = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < deadline, f"no {what}"
        time.sleep(0.1)
    return found


@contextmanager
def dask_cluster(folder: Path, *nodes: Node) -> Iterator[Local]:
    """A scheduler, and a worker of one thread on each of these nodes."""
    from distributed import Client  # pyright: ignore[reportMissingImports]

    told, log = folder / "scheduler.json", folder / "dask.log"
    scheduler = _start(
        "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard",
        "--scheduler-file", str(told), log=log,
    )  # fmt: skip
    local = Local("dask", "")
    try:
        wait_for(told.is_file, "scheduler")
        for number, node in enumerate(nodes):
            local.nodes.append(
                _start(
                    "distributed.cli.dask_worker", "--scheduler-file", str(told), "--nthreads", "1", "--no-dashboard",
                    "--host", NODES.format(number), "--name", f"node-{number}",
                    "--local-directory", str(folder / f"node-{number}"), log=log, node=node,
                )
            )  # fmt: skip
        with Client(scheduler_file=str(told), set_as_default=False) as client:
            local.address = str(client.scheduler_info()["address"])
            client.wait_for_workers(len(nodes), timeout=PATIENCE)
        yield local
    finally:
        for process in (*local.nodes, scheduler):
            _kill(process)


@contextmanager
def ray_cluster(folder: Path, *nodes: Node) -> Iterator[Local]:
    """A head without cores of its own, and nodes of one core."""
    with TemporaryDirectory(prefix="lofi-ray-", ignore_cleanup_errors=True) as short:  # sockets lie in it
        local = Local("ray", f"{HEAD}:{_free_port()}")
        head = None
        try:
            head = _ray_node(
                "--head", "--node-ip-address", HEAD, "--port", local.address.rpartition(":")[2], "--num-cpus", "0",
                "--include-dashboard", "false", "--temp-dir", short, log=folder / "ray-head.log",
            )  # fmt: skip
            for number, node in enumerate(nodes):
                local.nodes.append(
                    _ray_node(
                        "--address", local.address, "--node-ip-address", NODES.format(number), "--num-cpus", "1",
                        log=folder / f"ray-node-{number}.log", node=node,
                    )
                )  # fmt: skip
            yield local
        finally:
            for process in (*local.nodes, *filter(None, [head])):
                _kill(process)


def _ray_node(*options: str, log: Path, node: Node | None = None) -> psutil.Popen:
    """A node that is up. One after the other: on a busy machine a node does not come up within Ray's own 30 s, and is started again."""
    deadline = time.monotonic() + PATIENCE
    node = node or Node()
    patient = {"RAY_agent_register_timeout_ms": f"{PATIENCE * 1000:.0f}"}
    node = replace(node, environment=patient | node.environment)
    common = ("--block", "--disable-usage-stats", "--object-store-memory", str(80 << 20))
    while True:
        log.unlink(missing_ok=True)
        started = _start("ray.scripts.scripts", "start", *options, *common, log=log, node=node)
        while started.poll() is None and time.monotonic() < deadline:
            if "Ray runtime started" in log.read_text():
                return started
            time.sleep(0.2)
        _kill(started)
        assert time.monotonic() < deadline, f"no node of Ray:\n{log.read_text()}"


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]
