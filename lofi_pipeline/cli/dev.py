"""`lofi dev`: what helps to work on the project itself."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from lofi_pipeline.cli.console import console

dev_app = typer.Typer(no_args_is_help=True, help="What helps to work on the project itself.")


class BaseSize(StrEnum):
    """The shapes that a random base can have."""

    TOY = "toy"
    TWO = "2b"
    XL = "xl"


@dev_app.callback()
def common() -> None:
    """There will be more than one."""


@dev_app.command("random-base")
def random_base(
    folder: Annotated[Path, typer.Argument(help="Where to write it: a folder that is not there yet.")],
    size: Annotated[
        BaseSize,
        typer.Option(help="2b and xl: as ACE-Step 1.5 is published. toy: the 2b at a tenth of its width."),
    ] = BaseSize.TOY,
    seed: Annotated[int, typer.Option(help="The same seed gives the same weights.")] = 0,
) -> None:
    """Write a base model with random weights, to measure and to try with: it makes noise.

    In diffusers layout, bfloat16: toy 55 MB, 2b 6 GB, xl 11 GB on disk. It is made part by part: of 2b 3 GB are in memory at
    a time, of xl 8 GB.
    """
    from lofi_pipeline.pretraining.random_base import write_random_base

    with console.status(f"making a random base, {size}"):
        write_random_base(size.value, folder, seed=seed)
    console.print(f"Wrote {folder}", highlight=False)
