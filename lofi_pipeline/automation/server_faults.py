"""What PostgreSQL says of a history that lies on a server, in a sentence: it is not reached, lets nobody in, or went away."""

from __future__ import annotations

import os
from collections.abc import Iterator

_CLIENT = "psycopg2"
_PACKAGE = "dagster_postgres"


def server_in_words(error: BaseException) -> str | None:
    """The sentence on an error with PostgreSQL, or with its client, among its causes; None for any other."""
    for cause in _causes(error):
        if isinstance(cause, ModuleNotFoundError) and cause.name in (_CLIENT, _PACKAGE):
            return (
                f"{cause.name}: is not installed, and the Dagster configuration has its history in PostgreSQL; install the extra: "
                'pip install "lofi-pipeline[postgres]"'
            )
        if type(cause).__module__.split(".")[0] == _CLIENT:
            return (
                f"the database of Dagster's history, {_shown_server()}, fails ({_first_line(cause)}); see that the server runs and "
                "that PGHOST, PGPORT, PGUSER, PGDATABASE and PGPASSWORD or PGPASSFILE are right, then give the same command again: "
                "what was done is kept"
            )
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _first_line(error: BaseException) -> str:
    return " ".join(str(error).split("\n")[0].split()) or type(error).__name__


def _shown_server() -> str:
    names = ("PGDATABASE", "PGHOST", "PGPORT")
    database, host, port = (os.environ.get(name) for name in names)
    return (
        f"{database or 'of the default name'} on {host or 'this machine'}{f', port {port}' if port else ''}"
    )
