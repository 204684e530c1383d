"""`lofi bench`: how well this project does on music of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lofi_pipeline import progress
from lofi_pipeline.cli.console import Config, Json, bars, console, folding, sanitize, write_json

if TYPE_CHECKING:
    from lofi_pipeline.ingest.hearing_bench import HearingBench

bench_app = typer.Typer(no_args_is_help=True, help="How well this project does on music of your own.")

_QUESTIONS = {
    "tempo_acc1": "tempo within 4 % (Acc1)",
    "tempo_acc2": "tempo, octaves and triples too (Acc2)",
    "key_weighted": "key, weighted as by MIREX",
    "key_exact": "key: tonic and mode",
    "metre": "metre",
    "voice": "voice or none",
}


@bench_app.callback()
def common() -> None:
    """There will be more than one."""


@bench_app.command("hearing")
def hearing(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Your recordings.", exists=True, file_okay=False)
    ],
    truth: Annotated[
        Path,
        typer.Option(
            help="A CSV file with the columns file, tempo, key, metre, voice. An empty cell is not known.",
            exists=True,
            dir_okay=False,
        ),
    ],
    json_file: Json = None,
    config: Config = None,
) -> None:
    """Compare what is measured in recordings with what you know of them: tempo, key, metre, voice; librosa beside it.

    `said` counts those alone of which a prompt would say it: see docs/captions.md.
    Exit code 0: all were heard, 1: some could not be read, or the truth file cannot be used, 2: wrong usage.
    """
    from lofi_pipeline.config import load_config
    from lofi_pipeline.ingest.hearing_bench import bench_hearing
    from lofi_pipeline.ingest.hearing_truth import read_truth

    truths = read_truth(truth, folder)
    with bars():
        found = bench_hearing(
            folder,
            truths,
            load_config(),
            lambda done, total: progress.report("hearing", done, total, "recordings"),
        )
    write_json(json_file, found)
    _show(found)
    if found.unreadable:
        raise typer.Exit(1)


def _show(found: HearingBench) -> None:
    table = folding("", "lofi", "said", "librosa", title=f"{found.recordings} recordings")
    for field, words in _QUESTIONS.items():
        answers = getattr(found, field)
        cells = [answers.get(who) for who in ("lofi", "said", "librosa")]
        table.add_row(
            words,
            *(
                "" if cell is None or not cell.of else f"{cell.right:g} of {cell.of} ({cell.share:.0%})"
                for cell in cells
            ),
        )
    console.print(table)
    for file, reason in found.unreadable.items():
        console.print(f"{sanitize(file)}: {sanitize(reason)}", highlight=False, soft_wrap=True)
