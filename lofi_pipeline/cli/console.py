"""What the commands share: the two consoles, options, bars for long work, and texts of strangers made safe to show."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
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
)
from rich.segment import Segment
from rich.table import Column, Table
from rich.text import Text

from lofi_pipeline import progress as progress
from lofi_pipeline.entities import visible
from lofi_pipeline.environment import CONFIG_VARIABLE, DAGSTER_CONFIG_VARIABLE


class SafeConsole(Console):
    """A console on which rich alone acts on the terminal: whatever is printed, its control characters are made visible.

    Names of files and words of manifests come from anywhere, and may be printed anywhere.
    """

    def render_str(self, text: str, **options: Any) -> Text:
        """Here, too, so that a table knows how wide the text is."""
        return super().render_str(visible(text), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """Everything that is printed comes through here; the control segments are rich's own."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=visible(segment.text))


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
Json = Annotated[Path | None, typer.Option("--json", help="Write what the closing table shows to this file.")]


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
    """A bar for each stage that reports progress, in a terminal; else a line now and then."""
    columns = [
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    ]
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        tasks: dict[str, TaskID] = {}
        shown: dict[str, int] = {}

        def show(said: progress.Progress) -> None:
            if not console.is_terminal:
                tenth = 10 * said.done // said.total if said.total else -1
                if said.total == 0 or shown.get(said.stage) != tenth:
                    shown[said.stage] = tenth
                    counted = f" {said.done}/{said.total}" if said.total else ""
                    console.print(f"{said.stage}{counted}: {sanitize(said.message)}", highlight=False)
                return
            if said.stage not in tasks:
                tasks[said.stage] = bars.add_task(said.stage, total=said.total or None)
            text = f"{said.stage}: {sanitize(said.message[:60])}"
            bars.update(
                tasks[said.stage],
                description=text,
                completed=said.done,
                total=said.total or None,
            )

        with progress.listening(show):
            yield
