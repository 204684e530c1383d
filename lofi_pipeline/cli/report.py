"""`lofi report`: a lineage's page of the studio as files, to be opened from the disk or sent."""

from __future__ import annotations

from typing import Annotated

import typer

from lofi_pipeline.cli.console import Config, Data, console
from lofi_pipeline.cli.root import data_root

LineageDigits = Annotated[
    str | None,
    typer.Argument(
        metavar="[LINEAGE]",
        help="First digits of a lineage, as `lofi train status` shows them. Without it: the one trained last.",
        show_default=False,
    ),
]


def report(
    context: typer.Context,
    lineage: LineageDigits = None,
    clips: Annotated[
        int,
        typer.Option(
            "--clips",
            min=0,
            help="Prompts whose clips are in it, of the base and of each checkpoint; beside them, those in which training music was heard.",
        ),
    ] = 12,
    data: Data = None,
    config: Config = None,
) -> None:
    """Write data/reports/<lineage>/index.html: curves, scores, votes, clips to hear, warnings first. It opens without a server."""
    from lofi_pipeline.checkpoints.lineages import find_lineage
    from lofi_pipeline.config import load_config
    from lofi_pipeline.web.report import write_report

    root = data_root(context, data)
    page = write_report(root, find_lineage(root, lineage), load_config().retention, clips)
    files = [path for path in page.parent.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    console.print(f"{page}: {len(files)} files, {size / 1e6:.1f} MB", highlight=False, soft_wrap=True)
