"""`lofi import-lora`: take in a LoRA that another program trained, so that it can be scored beside those trained here."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from lofi_pipeline.cli.console import Config, Data, Json, console, sanitize, write_json
from lofi_pipeline.cli.root import data_root
from lofi_pipeline.environment import BASE_VARIABLE


def _claim(text: str | None) -> str | None:
    if text is not None and not (text.strip() and text.isprintable() and len(text) <= 500):
        raise typer.BadParameter("give one line of text, of at most 500 characters")
    return text


def import_lora(
    context: typer.Context,
    lora: Annotated[
        Path,
        typer.Argument(metavar="FILE_OR_FOLDER", help="A .safetensors file, or a folder with one in it."),
    ],
    alpha: Annotated[
        float | None,
        typer.Option(
            help="The alpha that it was trained with, where its file does not say.", show_default=False
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(callback=_claim, help="What it is called. Kept as a claim.", show_default=False),
    ] = None,
    licence: Annotated[
        str | None,
        typer.Option(
            callback=_claim,
            help="The licence that it is said to be under. Kept as a claim.",
            show_default=False,
        ),
    ] = None,
    url: Annotated[
        str | None,
        typer.Option(
            "--from", callback=_claim, help="Where it is from. Kept as a claim.", show_default=False
        ),
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(
            "--base", help="The base model that it is for. Else the configuration's.", show_default=False
        ),
    ] = None,
    json_file: Json = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Take in a LoRA that another program trained, as a lineage of its own, to be scored beside those trained here.

    Names of PEFT, diffusers and kohya's trainers are read, with the base's modules as diffusers or as ACE-Step call them.
    Its origin stays unknown: an audit of it is never clean, and what is claimed of it is shown as a claim. It is never the best,
    and retention leaves it alone. The same LoRA again changes nothing.
    """
    from lofi_pipeline.config import load_config
    from lofi_pipeline.resources import base_licence, base_name
    from lofi_pipeline.training.importing.commit import Claims, import_lora

    if base:
        os.environ[BASE_VARIABLE] = base
    root, settings = data_root(context, data, may_be_new=True), load_config()
    with console.status("importing"):
        found = import_lora(
            root,
            lora,
            base=base_name(settings),
            base_licence=base_licence(settings),
            alpha=alpha,
            claims=Claims(name, licence, url),
        )
    key, said = found.record.partition_key, found.record.lineage.imported
    where = root.relative(found.folder)
    done = "Took in" if found.fresh else "Nothing to do, this LoRA was taken in before:"
    named = sanitize(said.name or said.file if said else lora.name)
    lines = [
        f"{done} {named} as [bold]{key}[/] ({where})",
        "Its origin is unknown: what it was trained on, and who allowed that, cannot be proved.",
        f"`lofi run` scores it beside the training of the same base; `lofi generate --checkpoint {key}` makes music with it; "
        f"`lofi audit {key}` says what can't be proved.",
    ]
    for line in lines:
        console.print(line, highlight=False, soft_wrap=True)
    write_json(
        json_file,
        {"partition_key": key, "path": where, "fresh": found.fresh, "lineage": found.record.lineage},
    )
