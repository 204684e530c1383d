"""`lofi tracks`: what became of each track and file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from lofi_pipeline.cli.console import (
    Config,
    Csv,
    Data,
    Json,
    console,
    folding,
    sanitize,
    write_csv,
    write_json,
)
from lofi_pipeline.cli.root import data_root

if TYPE_CHECKING:
    from lofi_pipeline.dataset import TrackOverview

MOST_ROWS = 500
"""That people read; --json and --csv have every one."""


def tracks(
    context: typer.Context,
    refused: Annotated[
        bool, typer.Option("--refused", help="Only what is left out, with the reason.")
    ] = False,
    unsure: Annotated[
        bool, typer.Option("--unsure", help="Only those whose suggested style a person should look at.")
    ] = False,
    source: Annotated[
        list[str] | None,
        typer.Option("--source", metavar="SRC", help="Only of this source_id.", show_default=False),
    ] = None,
    style: Annotated[
        list[str] | None,
        typer.Option("--style", metavar="ID", help="Only of this style.", show_default=False),
    ] = None,
    state: Annotated[
        str | None,
        typer.Option(
            "--state",
            metavar="STATE",
            help="Only in this state, such as TRAINING_READY, or rejected.",
            show_default=False,
        ),
    ] = None,
    json_file: Json = None,
    csv_file: Csv = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """List all tracks, and the files that give none: state, source, quality, styles, tempo; and why one is left out.

    What it says is as of the last `lofi run`; nothing is scanned or changed. Several options must all hold.
    """
    from lofi_pipeline.config import load_config
    from lofi_pipeline.dataset import TrackOverview, track_overview
    from lofi_pipeline.entities import TrackState, TrackStatus

    states = [*map(str, TrackState), *map(str, TrackStatus)]
    if state is not None and state.casefold() not in {each.casefold() for each in states}:
        raise typer.BadParameter(
            f"{state!r} is no state; there are: {', '.join(states)}", param_hint="--state"
        )
    rows = [
        row
        for row in track_overview(data_root(context, data), load_config())
        if (row.refused or not refused)
        and (row.unsure or not unsure)
        and (not source or row.source_id in source)
        and (not style or set(style) & set(row.style_ids))
        and (state is None or state.casefold() in {str(row.state).casefold(), str(row.status).casefold()})
    ]
    write_json(json_file, rows)
    write_csv(csv_file, TrackOverview.model_fields, map(_csv_row, rows))
    _show(rows)


def _show(rows: Sequence[TrackOverview]) -> None:
    table = folding(
        "track",
        "file",
        "source",
        "state",
        "quality",
        "bpm",
        "styles",
        "left out because, or disputed",
        title=f"{len(rows)} tracks",
    )
    table.columns[0].no_wrap = True
    for row in rows[:MOST_ROWS]:
        table.add_row(
            row.track_id or "",
            sanitize(row.file),
            sanitize(row.source_id or ""),
            _state(row),
            "" if row.quality_score is None else str(row.quality_score),
            "" if row.bpm is None else str(row.bpm),
            ", ".join(row.style_ids) + ("?" if row.unsure else ""),
            sanitize(row.reason or "; ".join(row.disputed)),
        )
    if len(rows) > MOST_ROWS:
        table.add_row("", f"and {len(rows) - MOST_ROWS} more: --json or --csv has them all")
    console.print(table)


def _state(row: TrackOverview) -> str:
    """In the data set, left out, or how far it has come."""
    if row.refused:
        return "[yellow]left out[/]"
    if row.split is not None:
        return f"[green]{row.split}[/]"
    return str(row.state or "")


def _csv_row(row: TrackOverview) -> list[str | None]:
    fields = row.model_dump(mode="json")
    fields |= {name: " | ".join(fields[name]) for name in ("style_ids", "disputed", "offered")}
    return [None if value is None else str(value) for value in fields.values()]
