"""`lofi review`: what waits for a person who looks at it; accept, reject, edit and undo; the same as a table for a spreadsheet."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lofi_pipeline.cli.console import (
    STANDARD_OUTPUT,
    Config,
    Data,
    Json,
    console,
    folding,
    login_name,
    sanitize,
    use_stderr_for,
    write_json,
)
from lofi_pipeline.cli.root import data_root
from lofi_pipeline.entities import Change, Edit, EditField, TrackEdit
from lofi_pipeline.storage import DataRoot, write_bytes_atomic

if TYPE_CHECKING:
    from lofi_pipeline.dataset import TrackOverview

MOST_ROWS = 200
"""That people read; --json has every one."""
review_app = typer.Typer(invoke_without_command=True, rich_markup_mode="rich", help="Look at tracks.")

Tracks = Annotated[
    list[str] | None, typer.Argument(metavar="[TRACK]...", help="Ids, such as track_001.", show_default=False)
]
Who = Annotated[str | None, typer.Option("--who", help="Who says so. Else your login name.")]
Source = Annotated[
    list[str] | None,
    typer.Option("--source", metavar="SRC", help="All tracks of this source_id, too.", show_default=False),
]
OfStyle = Annotated[
    list[str] | None,
    typer.Option("--of-style", metavar="ID", help="All tracks of this style, too.", show_default=False),
]
Unsure = Annotated[bool, typer.Option("--unsure", help="All that wait for a person who looks at them, too.")]


@review_app.callback()
def review(context: typer.Context, json_file: Json = None, data: Data = None, config: Config = None) -> None:
    """Show the tracks that a person should look at, why, and the next sensible step.

    What people say is kept for ever in metadata/edits/, outlives every re-processing, and is taken up by the next `lofi run`. The
    studio of `lofi ui` plays the tracks and makes the same edits.
    """
    context.obj = data or context.obj
    if context.invoked_subcommand is not None:
        return
    rows = [row for row in _overview(data_root(context, data)) if row.unsure]
    step = _next(rows)
    write_json(json_file, {"waiting": rows, "next_step": step})
    _show_waiting(rows)
    console.print(f"[bold green]next[/] {sanitize(step)}", highlight=False, soft_wrap=True)


@review_app.command()
def accept(
    context: typer.Context,
    tracks: Tracks = None,
    above: Annotated[
        float | None,
        typer.Option(
            "--above",
            min=0,
            max=1,
            help="All that nobody looked at yet, whose suggested style has at least this confidence, and of which nothing is "
            "disputed.",
            show_default=False,
        ),
    ] = None,
    source: Source = None,
    of_style: OfStyle = None,
    unsure: Unsure = False,
    who: Who = None,
    json_file: Json = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Say that styles and prompt of tracks are right as they are: they stay so, and the tracks count as verified."""
    from lofi_pipeline import review

    root = data_root(context, data)
    rows = _overview(root) if above is not None else []
    sure = [row.track_id for row in rows if row.track_id and above is not None and row.is_as_sure_as(above)]
    chosen = _chosen(root, tracks, source, of_style, unsure, may_be_none=above is not None)
    _each(
        root, [*chosen, *sure], lambda track_id: review.accept(root, track_id, who or login_name()), json_file
    )


@review_app.command()
def reject(
    context: typer.Context,
    tracks: Tracks = None,
    reason: Annotated[str, typer.Option("--reason", help="Why; kept on record.", show_default=False)] = "",
    source: Source = None,
    of_style: OfStyle = None,
    unsure: Unsure = False,
    who: Who = None,
    json_file: Json = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Keep tracks out of the data sets that are built from now on. Versions that exist stay as they are."""
    from lofi_pipeline import review

    if not reason.strip():
        raise typer.BadParameter("say why; it is kept on record", param_hint="--reason")
    root = data_root(context, data)
    _each(
        root,
        _chosen(root, tracks, source, of_style, unsure),
        lambda track_id: review.reject(root, track_id, who or login_name(), reason),
        json_file,
    )


@review_app.command()
def edit(
    context: typer.Context,
    tracks: Tracks = None,
    style: Annotated[
        list[str] | None,
        typer.Option(
            "--style", metavar="ID", help="Most important first; see lofi styles.", show_default=False
        ),
    ] = None,
    bpm: Annotated[float | None, typer.Option(help="Beats per minute.", show_default=False)] = None,
    key: Annotated[str | None, typer.Option(help='Such as "A minor".', show_default=False)] = None,
    metre: Annotated[str | None, typer.Option(help="Such as 3/4.", show_default=False)] = None,
    caption: Annotated[
        str | None,
        typer.Option(help="A sentence on the track, trained on beside the prompt.", show_default=False),
    ] = None,
    add_tag: Annotated[
        list[str] | None,
        typer.Option("--add-tag", metavar="TAG", help="Of config/tag_categories.yaml.", show_default=False),
    ] = None,
    remove_tag: Annotated[
        list[str] | None,
        typer.Option("--remove-tag", metavar="TAG", help="That the prompt has.", show_default=False),
    ] = None,
    lyrics: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="A text file, with section marks.", show_default=False
        ),
    ] = None,
    clear: Annotated[
        list[EditField] | None,
        typer.Option("--clear", help="Give a field back to what the pipeline finds.", show_default=False),
    ] = None,
    reason: Annotated[str | None, typer.Option(help="Why; kept on record.", show_default=False)] = None,
    source: Source = None,
    of_style: OfStyle = None,
    unsure: Unsure = False,
    who: Who = None,
    json_file: Json = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Correct what is said of tracks: they are tagged anew as far as it touches them, and count as verified."""
    from lofi_pipeline import review
    from lofi_pipeline.styles import read_lyrics

    fields = {
        "style_ids": style or None,
        "bpm": bpm,
        "key": key,
        "time_signature": metre,
        "caption": caption,
        "add_tags": add_tag or [],
        "remove_tags": remove_tag or [],
        "lyrics": read_lyrics(lyrics) if lyrics else None,
        "clear": clear or [],
        "reason": reason,
    }
    if not any(value for name, value in fields.items() if name != "reason") and bpm is None:
        raise typer.BadParameter("say what is to be changed; see lofi review edit --help")
    changes = TrackEdit.parse(fields, where="lofi review edit")
    root = data_root(context, data)
    _each(
        root,
        _chosen(root, tracks, source, of_style, unsure),
        lambda track_id: review.edit(root, track_id, who or login_name(), changes),
        json_file,
    )


@review_app.command()
def undo(
    context: typer.Context,
    tracks: Tracks = None,
    who: Who = None,
    json_file: Json = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Take back the last edit of tracks that holds; it stays on record."""
    from lofi_pipeline import review

    root = data_root(context, data)
    _each(
        root,
        _chosen(root, tracks, None, None, False),
        lambda track_id: review.undo(root, track_id, who or login_name()),
        json_file,
    )


@review_app.command()
def history(
    context: typer.Context,
    track: Annotated[str, typer.Argument(metavar="TRACK", help="Its id.")],
    json_file: Json = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """List every edit of a track: who, when, what it said before and after, and why."""
    from lofi_pipeline import review

    root = data_root(context, data)
    review.record_of(root, track)
    edits = review.history(root, track)
    write_json(json_file, edits)
    table = folding("edit", "when", "who", "what", title=f"{len(edits)} edits of {sanitize(track)}")
    for each in edits:
        table.add_row(str(each.number), each.when.isoformat(), sanitize(each.who), sanitize(in_words(each)))
    console.print(table)


@review_app.command(name="export")
def export_table(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(metavar="FILE.csv", callback=use_stderr_for, help="- is the standard output.")
    ],
    source: Source = None,
    of_style: OfStyle = None,
    unsure: Unsure = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """Write the tracks as a table for a spreadsheet; `lofi review import` reads what was changed in it."""
    from lofi_pipeline import review

    root = data_root(context, data)
    wanted = None
    if source or of_style or unsure:
        wanted = set(_chosen(root, None, source, of_style, unsure))
    records = [
        review.record_of(root, row.track_id)
        for row in _overview(root)
        if row.track_id and row.state is not None and (wanted is None or row.track_id in wanted)
        if root.track_record(row.track_id).is_file()
    ]
    table = review.export_csv(root, records)
    if file == STANDARD_OUTPUT:
        sys.stdout.buffer.write(table)
    else:
        write_bytes_atomic(file, table)
    console.print(
        f"{len(records)} tracks. Change style_ids, tags, caption, bpm, key, time_signature, verdict (accepted or rejected, with a "
        "reason), save it as CSV, and read it with lofi review import",
        highlight=False,
        soft_wrap=True,
    )


@review_app.command(name="import")
def import_table(
    context: typer.Context,
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE.csv",
            exists=True,
            dir_okay=False,
            help="A table that `lofi review export` wrote, with changed cells.",
        ),
    ],
    who: Who = None,
    json_file: Json = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Make edits of the cells that were changed in a table of `lofi review export`: of all, or, where one cannot be used, of none."""
    from lofi_pipeline import review

    root = data_root(context, data)
    changes = review.import_csv(root, file.read_bytes(), who or login_name(), name=file.name)
    write_json(json_file, [change.track_id for change in changes])
    _show_count(len(changes))


def _show_count(count: int) -> None:
    taken_up = "; the next `lofi run` takes that up" if count else ""
    console.print(f"tracks changed: {count}{taken_up}", highlight=False)


def _overview(root: DataRoot) -> list[TrackOverview]:
    from lofi_pipeline.config import load_config
    from lofi_pipeline.dataset import track_overview

    return track_overview(root, load_config())


def _chosen(
    root: DataRoot,
    tracks: Sequence[str] | None,
    source: Sequence[str] | None,
    of_style: Sequence[str] | None,
    unsure: bool,
    *,
    may_be_none: bool = False,
) -> list[str]:
    """The tracks that were named, and those that are selected, once each.

    Raises:
        typer.BadParameter: none was asked for.
        ReviewError: there is none of that id.
    """
    from lofi_pipeline import review

    if not (tracks or source or of_style or unsure or may_be_none):
        raise typer.BadParameter("name tracks, such as track_001, or select them", param_hint="TRACK")
    for track_id in tracks or []:
        review.record_of(root, track_id)
    rows = _overview(root) if source or of_style or unsure else []
    found = [
        row.track_id
        for row in rows
        if row.track_id is not None
        and row.prompt is not None
        and (
            row.source_id in (source or [])
            or bool(set(of_style or []) & set(row.style_ids))
            or (unsure and row.unsure)
        )
    ]
    return list(dict.fromkeys([*(tracks or []), *found]))


def _each(
    root: DataRoot, track_ids: Sequence[str], make: Callable[[str], Edit | None], json_file: Path | None
) -> None:
    """Make an edit of each, of all or of none, and say what was made."""
    from lofi_pipeline import review

    track_ids = list(dict.fromkeys(track_ids))
    with review.together(root):
        made = {track_id: make(track_id) for track_id in track_ids}
    edits = [each for each in made.values() if each is not None]
    unchanged = [track_id for track_id, each in made.items() if each is None]
    write_json(json_file, {"edits": edits, "unchanged": unchanged})
    for each in edits[:MOST_ROWS]:
        console.print(f"{each.track_id}: {sanitize(in_words(each))}", highlight=False, soft_wrap=True)
    if len(edits) > MOST_ROWS:
        console.print(f"and {len(edits) - MOST_ROWS} more")
    for track_id in unchanged[:MOST_ROWS]:
        console.print(f"{track_id}: is so already", highlight=False)
    _show_count(len(edits))


def in_words(edit: Edit) -> str:
    """What an edit says, on one line."""
    if edit.undoes is not None:
        return f"takes back edit {edit.undoes}"
    said = [_change(change) for change in edit.changes if change.before != change.after]
    why = [edit.reason] if edit.reason else []
    return f"{edit.action}" + "".join(f"; {part}" for part in [*said, *why])


def _change(change: Change) -> str:
    before, after = change.before, change.after
    if change.field is EditField.TAGS and isinstance(before, list) and isinstance(after, list):
        new = [f"+{tag}" for tag in after if tag not in before]
        return ", ".join(["tags:", *new, *(f"-{tag}" for tag in before if tag not in after)]).replace(
            ":,", ":"
        )
    return f"{change.field}: {_value(before)} -> {_value(after)}"


def _value(value: object) -> str:
    if value is None:
        return "as found"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _show_waiting(rows: Sequence[TrackOverview]) -> None:
    table = folding(
        "track",
        "file",
        "styles",
        "prompt",
        "may be true as well",
        "why",
        title=f"{len(rows)} tracks that a person should look at",
    )
    table.columns[0].no_wrap = True
    for row in rows[:MOST_ROWS]:
        confidence = "" if row.style_confidence is None else f" ({row.style_confidence:.2f})"
        why = "; ".join(row.disputed) or "the style is unsure"
        place = "waits" if row.waits else "in the data set" if row.split is not None else ""
        table.add_row(
            row.track_id or "",
            sanitize(row.file),
            ", ".join(row.style_ids) + confidence,
            sanitize(row.prompt or ""),
            sanitize(", ".join(row.offered)),
            sanitize("; ".join(filter(None, (why, place)))),
        )
    if len(rows) > MOST_ROWS:
        table.add_row("", f"and {len(rows) - MOST_ROWS} more: --json has them all")
    if rows:
        console.print(table)


def _next(rows: Sequence[TrackOverview]) -> str:
    """The one thing that brings the review on."""
    if not rows:
        return "nothing waits: lofi run builds the data set of what is there"
    best = max(rows, key=lambda row: (not row.disputed, row.style_confidence or 0.0))
    return (
        f"listen to {best.track_id} (lofi ui plays it), then lofi review accept {best.track_id}, or "
        f"lofi review edit {best.track_id} --style ID; then lofi run"
    )
