"""`lofi backup` and `lofi restore`: what cannot be made again of a data root, copied with hashes and taken back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lofi_pipeline import progress
from lofi_pipeline.cli.console import Data, Json, bars, console, sanitize, write_json
from lofi_pipeline.cli.root import data_root
from lofi_pipeline.storage import DataRoot

_MOST_SHOWN = 20


def backup(
    context: typer.Context,
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="A folder that is not there yet, outside the data root.")
    ],
    without_raw: Annotated[
        bool,
        typer.Option("--without-raw", help="Leave out the music: you have a copy of data/raw elsewhere."),
    ] = False,
    without_checkpoints: Annotated[
        bool,
        typer.Option(
            "--without-checkpoints", help="Leave out what was trained: the next run trains it again."
        ),
    ] = False,
    json_file: Json = None,
    data: Data = None,
) -> None:
    """Copy what can't be made again: raw music, all records with the ledger, edits, votes, listening tests, checkpoints, audits.

    What the next `lofi run` makes again from those is left out: processed audio, the published data set, latents, Dagster's
    history. The folder appears whole or not at all, with the hash of each file in backup.json. It may run beside a running
    pipeline. `lofi restore` takes it back.
    """
    from lofi_pipeline.backup import write_backup

    root = data_root(context, data)
    with bars():
        made = write_backup(
            root,
            folder,
            with_raw=not without_raw,
            with_checkpoints=not without_checkpoints,
            progress=lambda done, total, what: progress.report("backup", done, total, what),
        )
    for name, why in list(made.skipped.items())[:_MOST_SHOWN]:
        console.print(
            f"[yellow]not copied[/] {sanitize(name)}: {sanitize(why)}", highlight=False, soft_wrap=True
        )
    if (more := len(made.skipped) - _MOST_SHOWN) > 0:
        console.print(f"[yellow]not copied[/] {more} more: see backup.json", highlight=False)
    console.print(
        f"Copied {len(made.files)} files, {made.bytes / 1e6:.1f} MB, to {sanitize(folder)}\n"
        f"Not in it: {', '.join(f'{name}/' for name in made.without)}\n"
        f"To take it back: lofi restore {sanitize(folder)} --data NEW_FOLDER",
        highlight=False,
        soft_wrap=True,
    )
    write_json(
        json_file, made.model_dump(mode="json", exclude={"files"}) | _size(len(made.files), made.bytes)
    )


def restore(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="What `lofi backup` wrote.")],
    check: Annotated[
        bool, typer.Option("--check", help="Only hash every file of the backup; nothing is written.")
    ] = False,
    json_file: Json = None,
    data: Data = None,
) -> None:
    """Make a data root of a backup, in the folder of --data, which is not there yet, or empty. Every file is checked by its hash.

    Then `lofi run` makes the rest again: processed audio and data set come out with the same hashes.
    Exit code 0: restored, or as it was written; 1: a file is missing or changed, and nothing was restored; 2: wrong usage.
    """
    from lofi_pipeline.backup import check_backup, restore_backup

    root = DataRoot.find(data or context.obj)

    def shown(done: int, total: int, what: str) -> None:
        progress.report("restore", done, total, what)

    with bars():
        if check:
            found = check_backup(folder, progress=shown)
        else:
            found = restore_backup(folder, root, progress=shown)
    counted = f"{len(found.files)} files, {found.bytes / 1e6:.1f} MB, of {found.made:%Y-%m-%d %H:%M} UTC"
    if check:
        console.print(f"All as they were written: {counted}", highlight=False, soft_wrap=True)
    else:
        console.print(f"Restored {counted}, to {sanitize(root.path)}", highlight=False, soft_wrap=True)
        if "raw" in found.without:
            console.print(
                f"[yellow]The music is not in this backup[/]: copy it to {sanitize(root.raw)} before anything else; a run without "
                "it takes every track for one that was taken away.",
                highlight=False,
                soft_wrap=True,
            )
        console.print(
            f"Next: lofi run --data {sanitize(root.path)}, and then lofi fsck",
            highlight=False,
            soft_wrap=True,
        )
    write_json(
        json_file,
        found.model_dump(mode="json", exclude={"files"}) | _size(len(found.files), found.bytes),
    )


def _size(files: int, size: int) -> dict[str, int]:
    return {"files": files, "bytes": size}
