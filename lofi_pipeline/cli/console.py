"""What the commands share: the two consoles, options, bars for long work, and texts of strangers made safe to show."""

from __future__ import annotations

import getpass
import io
import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.segment import Segment
from rich.table import Column, Table
from rich.text import Text

from lofi_pipeline import progress as progress
from lofi_pipeline.entities import visible
from lofi_pipeline.environment import CONFIG_VARIABLE, DAGSTER_CONFIG_VARIABLE
from lofi_pipeline.storage import json_file as json_text
from lofi_pipeline.storage import write_blocks_atomic, write_json_atomic

SECONDS_BETWEEN_LINES = 60.0
"""Of the progress of one stage in a log; its first and its last line always come."""


class SafeConsole(Console):
    """A console on which rich alone acts on the terminal: whatever is printed, its control characters are made visible.

    Names of files and words of manifests come from anywhere, and may be printed anywhere. A table fits a terminal; piped or
    in a file, it is plain lines, their cells parted by tabs.
    """

    def print(self, *objects: Any, **options: Any) -> None:
        """As rich does, but for a table that nobody sees in a terminal."""
        if len(objects) == 1 and isinstance(objects[0], Table) and not self.is_terminal:
            self.file.writelines(f"{line}\n" for line in _plain_lines(objects[0]))
        else:
            super().print(*objects, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Here, too, so that a table knows how wide the text is."""
        return super().render_str(visible(text), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """Everything that is printed comes through here; the control segments are rich's own."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=visible(segment.text))


def _plain_lines(table: Table) -> Iterator[str]:
    """The title, the headers and the rows of a table, of any width."""
    if table.title:
        yield _plain_cell(table.title)
    headers = [_plain_cell(column.header) for column in table.columns]
    if table.show_header and any(headers):
        yield "\t".join(headers)
    for cells in zip(*(column.cells for column in table.columns), strict=True):
        yield "\t".join(map(_plain_cell, cells))


def _plain_cell(cell: RenderableType) -> str:
    text = cell if isinstance(cell, Text) else Text.from_markup(str(cell))
    return visible(" ".join(text.plain.split()))


console = SafeConsole()
errors = SafeConsole(stderr=True)

Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        help="The data root. Without it: LOFI_DATA_ROOT, else data/ of the checkout, or of the working directory where the "
        "package is installed.",
        show_default=False,
    ),
]


def _use_config(file: Path | None) -> Path | None:
    """The environment, so that the processes we start read the same file."""
    if file:
        os.environ[CONFIG_VARIABLE] = str(file)
    return file


Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        envvar=CONFIG_VARIABLE,
        exists=True,
        dir_okay=False,
        resolve_path=True,
        callback=_use_config,
        help="The file to read in place of config/pipeline.yaml; the presets, the vocabulary and the licence policy beside it "
        "are read, too.",
        show_default=False,
    ),
]
"""It takes effect as it is read: commands have nothing to do with it."""


def _use_dagster_config(file: Path | None) -> None:
    if file:
        os.environ[DAGSTER_CONFIG_VARIABLE] = str(file)


DagsterConfig = Annotated[
    Path | None,
    typer.Option(
        "--dagster-config",
        envvar=DAGSTER_CONFIG_VARIABLE,
        exists=True,
        dir_okay=False,
        resolve_path=True,
        callback=_use_dagster_config,
        help="A dagster.yaml of your own in place of the shipped one: it can run programs, and must lie outside the data root.",
        show_default=False,
    ),
]
"""As with Config: processes that we start read the same file."""


STANDARD_OUTPUT = Path("-")


def use_stderr_for(file: Path | None) -> Path | None:
    """What people read goes to the standard error where what a program reads goes to the standard output."""
    console.stderr = console.stderr or file == STANDARD_OUTPUT
    return file


Json = Annotated[
    Path | None,
    typer.Option(
        "--json",
        callback=use_stderr_for,
        help="Write what is shown to this file, as JSON; - is the standard output.",
        show_default=False,
    ),
]


def write_json(file: Path | None, value: Any) -> None:
    """Write what a command shows where --json asked for it: a file, whole or not at all, or the standard output."""
    if file == STANDARD_OUTPUT:
        sys.stdout.write(json_text(value).decode())
    elif file is not None:
        write_json_atomic(file, value)


Base = Annotated[
    str | None,
    typer.Option(
        "--base",
        help="Base model: nano, a hub id, or a folder in diffusers layout. Else the configuration's.",
    ),
]
Csv = Annotated[
    Path | None,
    typer.Option(
        "--csv",
        callback=use_stderr_for,
        help="Write them to this file, for a spreadsheet; - is the standard output.",
        show_default=False,
    ),
]


def write_csv(file: Path | None, header: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """Write a table where --csv asked for it, with a byte order mark and formulas made plain, as the audit's tracks.csv."""
    if file is None:
        return
    from lofi_pipeline.audit.export.spreadsheet import spreadsheet

    blocks = spreadsheet(header, rows)
    if file == STANDARD_OUTPUT:
        sys.stdout.write(b"".join(blocks).decode("utf-8-sig"))
    else:
        write_blocks_atomic(file, blocks)


def login_name() -> str:
    """The name of whoever gave the command, as the system has it."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user that the system has no name of
        return "unknown"


def sanitize(text: object) -> str:
    """Text that anybody may have written, for a terminal: one line, no control characters, no markup."""
    return escape(visible(" ".join(str(text).split())))


def folding(*headers: str, title: str | None = None) -> Table:
    """A table that breaks long paths and ids over lines instead of hiding their ends."""
    columns = [Column(header, overflow="fold") for header in headers]
    return Table(*columns, title=title, title_justify="left")


@contextmanager
def consoles_apart() -> Iterator[None]:
    """Have both consoles write to copies of the standard streams: Dagster turns the originals into a step's compute log."""
    with ExitStack() as opened:
        for each in (console, errors):
            with suppress(
                io.UnsupportedOperation
            ):  # no file, but what a test reads: Dagster leaves that alone, too
                copy = os.fdopen(os.dup(each.file.fileno()), "w", encoding="utf-8")
                each.file = opened.enter_context(copy)
                opened.callback(setattr, each, "file", None)
        yield


@contextmanager
def bars() -> Iterator[None]:
    """A bar with the time left for each stage that reports progress, in a terminal; in a log, a line now and then."""
    columns = [
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    ]
    if not console.is_terminal:
        with progress.listening(_LogLines()):
            yield
        return
    with Progress(*columns, console=console) as bars:
        tasks: dict[str, TaskID] = {}

        def show(said: progress.Progress) -> None:
            if said.stage not in tasks:
                tasks[said.stage] = bars.add_task(said.stage, total=said.total or None)
            bars.update(
                tasks[said.stage],
                description=f"{said.stage}: {sanitize(said.message[:60])}",
                completed=said.done,
                total=said.total or None,
            )

        with progress.listening(show):
            yield


class _LogLines:
    """Progress in a log: the first line of a stage, one a minute, and the last; the others would hide what matters."""

    def __init__(self) -> None:
        self._last: dict[str, float] = {}

    def __call__(self, said: progress.Progress) -> None:
        now = time.monotonic()
        is_last = said.done == said.total > 0
        if not is_last and now - self._last.get(said.stage, -SECONDS_BETWEEN_LINES) < SECONDS_BETWEEN_LINES:
            return
        self._last[said.stage] = now
        counted = f" {said.done}/{said.total}" if said.total else ""
        console.print(f"{said.stage}{counted}: {sanitize(said.message)}", highlight=False, soft_wrap=True)
