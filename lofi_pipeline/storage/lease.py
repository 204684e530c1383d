"""Who works on something for hours: a lock, and a record beside it that says who holds it and shows that they live.

A lock alone is not enough between machines. Some servers never take back the lock of a machine that died, and on some file systems nobody sees
the locks of another machine. The record's time is renewed every few seconds; who finds it silent for long enough takes over. No clocks of two
machines are compared: the time of the record is held against that of a folder that is made beside it, and both are the file server's.
"""

from __future__ import annotations

import getpass
import os
import platform
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from threading import Event, Thread

from filelock import FileLock, Timeout
from pydantic import AwareDatetime

from lofi_pipeline.entities import Entity, RecordError, now, visible
from lofi_pipeline.errors import LofiError
from lofi_pipeline.installation import code_version
from lofi_pipeline.processes import ProcessMark
from lofi_pipeline.storage.atomic import (
    is_locked,
    lock_file,
    read_record,
    temporary_folder,
    write_json_atomic,
)

BEAT_SECONDS = 10.0
SILENT_SECONDS = 120.0
"""Without a sign of life: longer than a file server takes to restart, and still minutes."""
_LOOK_SECONDS = 0.5
_RECORD = ".holder.json"


class Holder(Entity):
    """Who holds a lease. That they live is told by the time of the record's file."""

    host: str
    user: str
    place: str
    pid: int
    started: int
    since: AwareDatetime
    what: str
    code: str
    token: str

    @property
    def mark(self) -> ProcessMark:
        """Their process."""
        return ProcessMark(self.place, self.pid, self.started)

    def __str__(self) -> str:
        version = (
            "" if self.code == code_version() else f", with another version of lofi-pipeline ({self.code})"
        )
        return visible(
            f"{self.what}: {self.user} on {self.host} (process {self.pid}) since {self.since:%Y-%m-%d %H:%M} UTC{version}"
        )


class Held(LofiError):
    """Somebody else holds it, and has for as long as was to be waited; `holder` is None where a process of an older version does."""

    def __init__(self, holder: Holder | None) -> None:
        super().__init__(str(holder or "a process of another version of lofi-pipeline"))
        self.holder = holder


def holder_of(path: Path) -> Holder | None:
    """Who holds the lease of `path`, as far as its record says."""
    with suppress(OSError, RecordError):
        return read_record(Holder, holder_file(path))
    return None


def holder_file(path: Path) -> Path:
    """The record of the lease that belongs to `path`."""
    return path.parent / f".{path.name}{_RECORD}"


def live_holders(folder: Path, start: str) -> list[Holder]:
    """Who holds a lease of this folder now whose path begins so."""
    paths = [
        folder / file.name[1:].removesuffix(_RECORD) for file in sorted(folder.glob(f".{start}*{_RECORD}"))
    ]
    return [holder for path in paths if (holder := holder_of(path)) and is_held(path)]


def is_held(path: Path, *, silent_seconds: float = SILENT_SECONDS) -> bool:
    """Whether somebody who lives holds the lease, by one look at it."""
    holder = holder_of(path)
    if holder is None:
        return is_locked(path)
    return not _watch(path).says_gone(holder, silent_seconds)


@cache
def _watch(path: Path) -> _Watch:
    return _Watch(path)


@dataclass
class _Watch:
    """Tells by looking again and again whether a holder lives."""

    path: Path
    _seen: tuple[str, int] | None = None
    _since: float = 0.0

    def says_gone(self, holder: Holder, silent_seconds: float) -> bool:
        if holder.mark.is_of_here:
            return holder.mark.is_gone()
        try:
            beat = holder_file(self.path).stat().st_mtime_ns
        except FileNotFoundError:
            return True
        if (seen := (holder.token, beat)) != self._seen:
            self._seen, self._since = seen, time.monotonic()
        # Or as long as we have watched: the server's clock may have been set back
        silent = max((_time_there(self.path) - beat) / 1e9, time.monotonic() - self._since)
        return silent >= silent_seconds


def _time_there(path: Path) -> int:
    """What time it is by the clock that gives files there their times."""
    with temporary_folder(path.parent, "clock") as made:
        return made.stat().st_mtime_ns


@contextmanager
def leased(
    path: Path,
    what: str,
    *,
    wait_seconds: float = 0.0,
    silent_seconds: float = SILENT_SECONDS,
    on_wait: Callable[[Holder | None], None] = lambda holder: None,
    on_lost: Callable[[Holder | None], None] | None = None,
) -> Iterator[None]:
    """Hold the lease that belongs to `path` while the block goes on. `what` is being done, for whoever asks meanwhile.

    `on_wait` is called once, with who holds it, when there is something to wait for. `on_lost` is called when another has taken over, because
    we were silent for too long; where it is None this process ends at once, for the other one writes by now.

    Raises:
        Held: somebody else holds it for longer than `wait_seconds`.
    """
    lease = _Lease(path, what, silent_seconds, on_lost or _end)
    until, told = time.monotonic() + wait_seconds, False
    while not lease.take():
        if time.monotonic() >= until:
            raise Held(lease.other)
        if not told:
            told = True
            on_wait(lease.other)
        time.sleep(_LOOK_SECONDS)
    with lease.renewed():
        yield


def _end(holder: Holder | None) -> None:
    os.write(2, f"ended: this process was silent for too long, and another took over ({holder})\n".encode())
    os._exit(1)


@dataclass
class _Lease:
    path: Path
    what: str
    silent_seconds: float
    on_lost: Callable[[Holder | None], None]
    other: Holder | None = None
    """Who was found to hold it."""
    _lock: FileLock | None = None
    _token: str = field(default_factory=lambda: secrets.token_hex(8))

    def take(self) -> bool:
        """Take it, if nobody who lives has it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lock, self.other = FileLock(lock_file(self.path)), holder_of(self.path)
        gone = self.other is not None and _watch(self.path).says_gone(self.other, self.silent_seconds)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if gone and self.other and not self.other.mark.is_of_here:
                # The server keeps the lock of a machine that is no more: it is left to it, with the file
                lock_file(self.path).unlink(missing_ok=True)
            return False
        if (self.other and not gone) or not self._enter(gone):
            lock.release()
            return False
        self._lock = lock
        return True

    def _enter(self, replaces: bool) -> bool:
        """Write our record where there is none; a file that is there is never written over, locks or no locks."""
        record = holder_file(self.path)
        if replaces:
            record.unlink(missing_ok=True)
        with temporary_folder(self.path.parent, "holder") as folder:
            write_json_atomic(folder / record.name, self._ours())
            try:
                os.link(folder / record.name, record)
            except FileExistsError:
                if holder_of(self.path) is None:  # nobody's: cut off by a loss of power
                    record.unlink(missing_ok=True)
                return False
            except OSError:  # a file system without links
                write_json_atomic(record, self._ours())
        return True

    def _ours(self) -> Holder:
        place, pid, started = ProcessMark.own()
        return Holder(
            host=platform.node(),
            user=_user(),
            place=place,
            pid=pid,
            started=started,
            since=now(),
            what=self.what,
            code=code_version(),
            token=self._token,
        )

    @contextmanager
    def renewed(self) -> Iterator[None]:
        over = Event()
        beat = Thread(target=self._beat, args=(over,), daemon=True)
        beat.start()
        try:
            yield
        finally:
            over.set()
            beat.join()
            if self._is_ours():
                holder_file(self.path).unlink(missing_ok=True)
            if self._lock:
                self._lock.release()

    def _beat(self, over: Event) -> None:
        while not over.wait(BEAT_SECONDS):
            if not self._is_ours():
                self.on_lost(holder_of(self.path))
                return
            with suppress(OSError):  # the disk may come back
                os.utime(holder_file(self.path))

    def _is_ours(self) -> bool:
        try:
            holder = read_record(Holder, holder_file(self.path))
        except FileNotFoundError:
            return False
        except (OSError, RecordError):
            return True  # it can't be read now
        return holder.token == self._token


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.geteuid())
