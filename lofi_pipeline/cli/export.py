"""`lofi export`: a data set version, written as another trainer reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lofi_pipeline.cli.console import Config, Data, Json, bars, console, sanitize, write_json
from lofi_pipeline.cli.root import data_root

NAMES = (
    "ace-step-v1",
    "ace-step-1.5",
    "side-step",
    "hot-step",
    "simpletuner",
    "ai-toolkit",
    "audiocraft",
    "audiofolder",
)
"""As in exporting.FORMATS, which is not loaded to show a help text."""


def one_of(names: tuple[str, ...], given: str, hint: str) -> str:
    """What was given, if it is one of these.

    Raises:
        BadParameter: it is none.
    """
    if given not in names:
        raise typer.BadParameter(f"{given!r:.80} is none of: {', '.join(names)}", param_hint=hint)
    return given


def export(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new folder outside the data root.")],
    form: Annotated[str, typer.Option("--format", metavar="FORMAT", help=f"One of: {', '.join(NAMES)}.")],
    version: Annotated[
        str | None,
        typer.Option(
            "--version",
            metavar="HASH",
            help="A data set version by its hash, or the first 8 digits of it. Else the current one.",
            show_default=False,
        ),
    ] = None,
    split: Annotated[
        str, typer.Option("--split", metavar="SIDE", help="The side of the split: train, or validation.")
    ] = "train",
    copy: Annotated[
        bool,
        typer.Option(
            "--copy",
            help="Copy the audio. Else it is a hard link where the disk allows: a program that changes it there changes the data root.",
        ),
    ] = False,
    json_file: Json = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Write the data set as another trainer reads it: audio, captions, lyrics, tempo, key, metre, language, and the credits.

    Only what may be used today leaves: tracks of sources that were withdrawn, refused, have expired or have terms that nobody
    accepted stay behind, and are named. A version that is not what was sealed is refused. The folder appears whole or not at all;
    the same command again replaces it, unless something in it was changed.
    """
    from lofi_pipeline.audit import UnknownSubject
    from lofi_pipeline.config import load_config
    from lofi_pipeline.entities import Split
    from lofi_pipeline.exporting import export_dataset

    one_of(NAMES, form, "--format")
    side = Split(one_of(tuple(Split), split, "--split"))
    root = data_root(context, data)
    try:
        with bars():
            done = export_dataset(root, load_config(), form, folder, version=version, split=side, copy=copy)
    except UnknownSubject as error:
        raise typer.BadParameter(sanitize(error), param_hint="--version") from error
    lines = [
        f"Wrote {done.tracks} tracks of {done.dataset} ({side}) to {sanitize(done.folder)}",
        *(f"[yellow]left behind[/] {it.track_id}: {sanitize(it.reason)}" for it in done.left_behind),
        f"To begin: {sanitize(done.start)}",
        "ATTRIBUTION.md names whose music it is, and what the licences ask for.",
    ]
    for line in lines:
        console.print(line, highlight=False, soft_wrap=True)
    write_json(
        json_file,
        vars(done) | {"folder": str(done.folder), "left_behind": [vars(it) for it in done.left_behind]},
    )
