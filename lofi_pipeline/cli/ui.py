"""`lofi ui`: the Dagster webserver and daemon of one data root as children; when this ends, nothing of them is left."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType

import psutil
from rich.console import Console

from lofi_pipeline.automation.instance import open_instance
from lofi_pipeline.automation.orphans import end_orphans
from lofi_pipeline.installation import shipped, working_folder
from lofi_pipeline.storage import DataRoot

WORKSPACE_FILE = shipped("workspace.yaml")
GRACE_SECONDS = 25
_SET_CHILD_SUBREAPER = 36
_STOPPING = (signal.SIGINT, signal.SIGTERM)


def _adopt_orphans() -> None:
    """On Linux, make what outlives its parent ours (run workers of a stopped code server), so that it can be ended."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _fresh_signals() -> None:
    """In the child: its own session, and default reactions (a shell that starts us with & has SIGINT ignored)."""
    os.setsid()
    for number in _STOPPING:
        signal.signal(number, signal.SIG_DFL)


def serve(root: DataRoot, *, host: str, port: int, console: Console) -> int:
    """Run webserver and daemon until a signal or until one of them ends. Returns the exit code."""
    with open_instance(root) as instance:
        end_orphans(instance)
    _adopt_orphans()
    stopping = False

    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal stopping
        stopping = True

    for number in _STOPPING:
        signal.signal(number, stop)
    children = [
        _start(sys.executable, "-m", "dagster_webserver", "-h", host, "-p", str(port)),
        _start(str(Path(sys.executable).with_name("dagster-daemon")), "run"),
    ]
    console.print(
        f"Dagster UI: http://{host}:{port}   data root: {root.path}   stop with Ctrl-C", highlight=False
    )
    try:
        while not stopping and all(child.poll() is None for child in children):
            time.sleep(0.3)
    finally:
        _end_all(children)
    if stopping:
        return 0
    console.print("The webserver or the daemon ended by itself; see its last words above.", style="bold red")
    return 1


def _start(*command: str) -> subprocess.Popen[bytes]:
    command += ("-w", str(WORKSPACE_FILE))
    return subprocess.Popen(command, preexec_fn=_fresh_signals, cwd=working_folder())


def _descendants() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


def _end_all(children: list[subprocess.Popen[bytes]]) -> None:
    """Ask everything below us to end, runs first kept whole by their own handlers; kill what does not in time."""
    for process in _descendants():
        with suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + GRACE_SECONDS
    while (left := _alive()) and time.monotonic() < deadline:
        psutil.wait_procs(left, timeout=0.5)
    for process in _alive():
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(_alive(), timeout=5)
    for child in children:
        with suppress(subprocess.TimeoutExpired):
            child.wait(timeout=1)


def _alive() -> list[psutil.Process]:
    found = []
    for process in _descendants():
        with suppress(psutil.NoSuchProcess):
            if process.status() == psutil.STATUS_ZOMBIE:
                with suppress(ChildProcessError, OSError):
                    os.waitpid(process.pid, os.WNOHANG)
            else:
                found.append(process)
    return found
