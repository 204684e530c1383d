"""`lofi export-training`: a training packed into a folder, for a machine without the pipeline."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from lofi_pipeline.cli.console import Config, Data, Json, bars, console, sanitize, write_json
from lofi_pipeline.cli.root import data_root
from lofi_pipeline.environment import BASE_VARIABLE


def export_training(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new folder outside the data root.")],
    base: Annotated[
        str | None,
        typer.Option("--base", help="The base model to train. Else the configuration's.", show_default=False),
    ] = None,
    json_file: Json = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Pack the training that the configuration asks for, to carry it out on a rented GPU without this package.

    DIR holds latents and conditions, configuration, the modules that train, train.py with one line to start it, and the credits of the
    tracks; no music, and no weights of the base model. Checkpoints that are copied back are verified, scored and audited by the next
    `lofi run`; an audit tells whether they are from a bundle that was exported here, for this very training.
    The data set must be encoded: `lofi run --to encoded_dataset`.
    """
    from lofi_pipeline.config import load_config
    from lofi_pipeline.exporting.training import export_training as export
    from lofi_pipeline.resources import base_licence

    if base:
        os.environ[BASE_VARIABLE] = base
    root, settings = data_root(context, data), load_config()
    with bars():
        done = export(root, settings, folder, base_licence=base_licence(settings))
    lines = [
        f"Wrote a training of {done.tracks} tracks, {done.steps} steps, {done.bytes / 1e6:.1f} MB to {sanitize(done.folder)}",
        "Copy it to the other machine; README.md there says how to train, and how to bring the checkpoints back.",
        "The latents are made from licensed music: put them only where its licences allow it.",
    ]
    for line in lines:
        console.print(line, highlight=False, soft_wrap=True)
    write_json(json_file, vars(done) | {"folder": str(done.folder)})
