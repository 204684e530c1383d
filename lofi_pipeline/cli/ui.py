"""`lofi ui`: the guarded Dagster webserver and the daemon of one data root as children; when this ends, nothing of them is left."""

from __future__ import annotations

import ctypes
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Collection
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from threading import Thread
from types import FrameType
from typing import IO

import psutil
from rich.console import Console

from lofi_pipeline.automation.instance import open_instance, require_own_environment, workspace_file
from lofi_pipeline.automation.orphans import end_orphans
from lofi_pipeline.cli.console import errors, sanitize
from lofi_pipeline.cli.open_door import announce
from lofi_pipeline.cli.root import say_what_threatens
from lofi_pipeline.installation import working_folder
from lofi_pipeline.processes import own_environment
from lofi_pipeline.storage import DataRoot, remove_temporary_files
from lofi_pipeline.web.door import Door

GRACE_SECONDS = 25
LAST_WORDS_SECONDS = 5
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
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


class Part(StrEnum):
    """What `lofi ui` starts."""

    WEBSERVER = "webserver"
    DAEMON = "daemon"


def serve(root: DataRoot, door: Door, console: Console, parts: Collection[Part] = tuple(Part)) -> int:
    """Run webserver and daemon, or one of them, until a signal or until one ends by itself. Returns the exit code."""
    require_own_environment(root, working_folder())
    say_what_threatens(root)
    with open_instance(root) as instance:
        end_orphans(instance)
    remove_temporary_files(root)
    _adopt_orphans()
    stopping = False

    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal stopping
        stopping = True

    for number in _STOPPING:
        signal.signal(number, stop)
    children = []
    if Part.WEBSERVER in parts:
        told = door.model_dump_json()
        children.append(_start(sys.executable, "-m", "lofi_pipeline.web.server", told=told))
    if Part.DAEMON in parts and not door.read_only:
        daemon = str(Path(sys.executable).with_name("dagster-daemon"))
        children.append(_start(daemon, "run", "-w", str(workspace_file(root))))
    relays = [relayed(child.stdout, errors) for child in children if child.stdout]
    if Part.WEBSERVER in parts:
        announce(root, door, console, with_dagster=True)
    else:
        console.print(f"Dagster's daemon on {sanitize(root.path)}   stop with Ctrl-C", highlight=False)
    try:
        while not stopping and all(child.poll() is None for child in children):
            time.sleep(0.3)
    finally:
        _end_all(children)
        for relay in relays:
            relay.join(timeout=LAST_WORDS_SECONDS)
    if stopping:
        return 0
    console.print("The webserver or the daemon ended by itself; see its last words above.", style="bold red")
    return 1


def _start(*command: str, told: str | None = None) -> subprocess.Popen[bytes]:
    """Start a child, and tell it something on its standard input that no list of processes shows."""
    process = subprocess.Popen(
        command,
        preexec_fn=_fresh_signals,
        cwd=working_folder(),
        env=own_environment(),
        stdin=subprocess.DEVNULL if told is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    if process.stdin and told is not None:
        with process.stdin as stream:
            stream.write(told.encode())
    return process


def relayed(output: IO[bytes], console: Console) -> Thread:
    """Print what a child, and all that it starts, writes: in its logs stand names of files, which may hold anything.

    The colours that Dagster gives its lines, also where no terminal is, are left out.
    """

    def relay() -> None:
        for line in output:
            plain = _COLOUR.sub("", line.decode(errors="replace")).rstrip("\r\n")
            with suppress(OSError, SystemExit):  # nobody reads any more; the child must not wait for that
                console.out(plain, highlight=False)

    thread = Thread(target=relay, daemon=True)
    thread.start()
    return thread


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
