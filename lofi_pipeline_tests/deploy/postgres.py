"""A real PostgreSQL server on loopback, in a folder of its own, as a user that PostgreSQL accepts: it refuses root."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

SERVER_USERS = ("postgres", "nobody")
PASSWORD = "p@ss/word"
"""With letters that a URL has to escape."""
_NEEDED = ("initdb", "pg_ctl", "psql")


def programs() -> Path | None:
    """The folder with PostgreSQL's programs; None where it is not installed."""
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    if found := shutil.which("initdb"):
        places.insert(0, Path(found).resolve().parent)
    return next((place for place in places if all((place / name).is_file() for name in _NEEDED)), None)


def why_not() -> str | None:
    """Why no server can be started here; None when one can."""
    if programs() is None:
        return "PostgreSQL is not installed: initdb, pg_ctl and psql are not found"
    if os.geteuid() == 0 and _server_user() is None:
        return f"root starts no PostgreSQL, and there is no user {' or '.join(SERVER_USERS)}"
    return None


def _server_user() -> str | None:
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next((name for name in SERVER_USERS if name in known), None)


@dataclass(frozen=True)
class Server:
    """A server that runs; or does not, between `stop` and `start`."""

    bin: Path
    folder: Path
    port: int
    user: str | None
    """Whose process it is; None: ours."""

    def environment(self, database: str) -> dict[str, str]:
        """The variables that tell a client of a database."""
        return {
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.port),
            "PGUSER": "lofi",
            "PGPASSWORD": PASSWORD,
            "PGDATABASE": database,
        }

    def run(self, program: str, *arguments: str, database: str = "postgres") -> str:
        """Run one of PostgreSQL's programs; what it prints."""
        done = subprocess.run(
            [str(self.bin / program), *arguments],
            user=self.user,
            cwd="/",
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env={"PATH": os.environ["PATH"], **self.environment(database)},
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start(self) -> None:
        """Start it, and wait until it lets somebody in."""
        options = f"-c listen_addresses=127.0.0.1 -p {self.port} -k {self.folder} -c fsync=off"
        self.run(
            "pg_ctl",
            "-D",
            str(self.folder / "db"),
            "-l",
            str(self.folder / "log"),
            "-w",
            "-o",
            options,
            "start",
        )

    def stop(self, how: str = "fast") -> None:
        """Stop it: fast ends all connections, immediate is as if it crashed."""
        self.run("pg_ctl", "-D", str(self.folder / "db"), "-w", "-m", how, "stop")

    def sql(self, statement: str, database: str = "postgres") -> str:
        """Carry out a statement; the values of its rows, a line each."""
        return self.run("psql", "-At", "-c", statement, database=database)

    def database(self, name: str) -> dict[str, str]:
        """Make a database. Returns the variables that tell a client of it."""
        self.sql(f"CREATE DATABASE {name}")
        return self.environment(name)


@contextmanager
def server() -> Iterator[Server]:
    """A new server, which ends with the block."""
    place = programs()
    assert place is not None
    with TemporaryDirectory(prefix="lofi-pg-", ignore_cleanup_errors=True) as made:
        folder, user = Path(made), _server_user() if os.geteuid() == 0 else None
        (folder / "password").write_text(PASSWORD)
        folder.chmod(0o700)
        if user:
            shutil.chown(folder, user)
            shutil.chown(folder / "password", user)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        running = Server(place, folder, port, user)
        settings = (
            "-U",
            "lofi",
            "-A",
            "scram-sha-256",
            "--pwfile",
            str(folder / "password"),
            "-E",
            "UTF8",
            "-N",
        )
        running.run("initdb", "-D", str(folder / "db"), *settings)
        running.start()
        try:
            yield running
        finally:
            subprocess.run(
                [str(place / "pg_ctl"), "-D", str(folder / "db"), "-w", "-m", "immediate", "stop"],
                user=user, cwd="/", check=False, capture_output=True,
            )  # fmt: skip
