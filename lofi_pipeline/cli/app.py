"""The command line: lofi demo, run, doctor, generate, audit, ui."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from lofi_pipeline import progress as progress
from lofi_pipeline.cli.audit import audit_app
from lofi_pipeline.cli.console import Data, Json, bars, console, errors
from lofi_pipeline.cli.signals import interruptible
from lofi_pipeline.config import BASE_VARIABLE
from lofi_pipeline.errors import LofiError
from lofi_pipeline.storage import PROJECT_ROOT, DataRoot, read_json, write_json_atomic

DEMO_ROOT = PROJECT_ROOT / "demo-data"

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Licensed lofi music in, scored ACE-Step LoRAs out, with the licence trail in between.",
)
app.add_typer(audit_app, name="audit")
Base = Annotated[
    str | None,
    typer.Option(
        "--base",
        help="Base model: nano, a hub id, or a folder in diffusers layout. Else the configuration's.",
    ),
]


@app.callback()
def common(context: typer.Context, data: Data = None) -> None:
    """Options before the subcommand."""
    context.obj = data


def _data(context: typer.Context, data: Path | None) -> Path | None:
    return data or context.obj


def _run(root: DataRoot, last: str, json_file: Path | None) -> bool:
    """Run up to `last`, show and write the summary; whether all went well."""
    from lofi_pipeline.cli.run import STAGES, headless
    from lofi_pipeline.cli.run_summary import show, summarize

    with headless(root) as runner:
        with bars():
            outcome = interruptible(lambda: runner.run(last))
        reached: set[str] = set(STAGES[: STAGES.index(last) + 1])
        summary = summarize(
            root, runner.config, seconds=outcome.seconds, runs=outcome.dagster_runs, reached=reached
        )
    show(summary, root, console)
    if json_file:
        write_json_atomic(json_file, summary.model_dump(mode="json", exclude_unset=True))
    for failure in outcome.failures:
        errors.print(f"[bold red]failed[/] {escape(str(failure))}", highlight=False, soft_wrap=True)
    return not outcome.failures


@app.command()
def run(
    context: typer.Context,
    to: Annotated[str, typer.Option("--to", help="Stop after this stage.")] = "quality_metrics",
    base: Base = None,
    json_file: Json = None,
    data: Data = None,
) -> None:
    """Do everything that is new, headless: scan drops, work on tracks, build the data set, train, score.

    The same jobs on the same Dagster instance as the UI's. What is unchanged is not done again.
    Exit code 0: all well (refused tracks included), 1: something failed, 2: wrong usage.
    """
    from lofi_pipeline.cli.run import STAGES

    if to not in STAGES:
        raise typer.BadParameter(f"{to!r} is no stage; there are: {', '.join(STAGES)}", param_hint="--to")
    if base:
        os.environ[BASE_VARIABLE] = base
    if not _run(DataRoot.find(_data(context, data)), to, json_file):
        raise typer.Exit(1)


@app.command()
def demo(
    context: typer.Context,
    drop_only: Annotated[bool, typer.Option("--drop-only", help="Only write the synthetic drop.")] = False,
    json_file: Json = None,
    data: Data = None,
) -> None:
    """See the whole thing work in minutes: a synthetic drop, the embedded base model, a LoRA that is scored as it lands.

    It works in a data root of its own (demo-data/ of the project). It fails when the LoRA does not do what it should:
    FAD of the best checkpoint at most half of the base's, and CLAP above it.
    """
    import time

    from lofi_pipeline.demo.drop import make_demo_drop

    root = DataRoot.find(_data(context, data) or DEMO_ROOT).create()
    start = time.monotonic()
    truth = root.path / "demo_truth.json"
    if truth.is_file():
        console.print(f"The synthetic drop is there already: {root.raw}")
    else:
        with bars():
            made = make_demo_drop(
                root.raw,
                progress=lambda done, total, name: progress.report("demo drop", done, total, name),
            )
        made.write(truth)
        console.print(f"Rendered the synthetic drop into {root.raw} in {time.monotonic() - start:.1f} s")
    if drop_only:
        return
    from lofi_pipeline.cli.run_summary import Summary

    target = json_file or root.path / "demo.json"
    well = _run(root, "quality_metrics", target)
    summary = Summary.parse(read_json(target), where=str(target))
    console.print(
        f"Look at it: [bold]make ui[/] with LOFI_DATA_ROOT={root.path}; {time.monotonic() - start:.0f} s in all"
    )
    best = summary.best()
    if not well:
        raise typer.Exit(1)
    if best is None or best.fad is None or best.clap is None or summary.base is None:
        errors.print("[bold red]The demo failed:[/] no checkpoint was scored")
        raise typer.Exit(1)
    halved, clearer = best.fad <= summary.base.fad / 2, best.clap > summary.base.clap
    console.print(
        f"Best FAD {best.fad:.4f}, {best.fad / summary.base.fad:.2f} of the base's {summary.base.fad:.4f} "
        f"(at most 0.50 is asked for); its CLAP {best.clap:.4f} against {summary.base.clap:.4f}"
    )
    if not (halved and clearer):
        errors.print("[bold red]The demo failed:[/] the LoRA did not improve on the base as it should")
        raise typer.Exit(1)


@app.command()
def generate(
    context: typer.Context,
    prompt: Annotated[str, typer.Option("--prompt", help="Tags, joined by commas.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="A .wav or .flac file.")],
    checkpoint: Annotated[
        str,
        typer.Option("--checkpoint", help="Checkpoint id, its partition key, `best`, or `base` for no LoRA."),
    ] = "best",
    seconds: Annotated[float, typer.Option(min=1, max=240, help="How long.")] = 10.0,
    bpm: Annotated[
        int | None, typer.Option(min=30, max=300, help="Tempo; else the one the prompt names.")
    ] = None,
    lyrics: Annotated[str, typer.Option(help="Lyrics.")] = "[instrumental]",
    seed: Annotated[int, typer.Option(help="The same seed gives the same music.")] = 0,
    base: Base = None,
    data: Data = None,
) -> None:
    """Make music with a checkpoint."""
    from lofi_pipeline.cli.generate import Request, generate_to_file

    if base:
        os.environ[BASE_VARIABLE] = base
    wanted = Request(
        prompt=prompt,
        seconds=seconds,
        bpm=bpm,
        lyrics=lyrics,
        seed=seed,
        checkpoint=checkpoint,
        output=output,
    )
    with console.status("generating"):
        written = generate_to_file(DataRoot.find(_data(context, data)), wanted)
    console.print(f"Wrote {written}", highlight=False)


@app.command()
def doctor(context: typer.Context, json_file: Json = None, data: Data = None) -> None:
    """What is installed, which weights are there, GPU and disk; and what to do about each."""
    from lofi_pipeline.cli.doctor import examine, show_findings

    findings = examine(DataRoot.find(_data(context, data)))
    show_findings(findings, console)
    if json_file:
        write_json_atomic(json_file, findings)
    if any(finding.level == "broken" for finding in findings):
        raise typer.Exit(1)


@app.command()
def ui(
    context: typer.Context,
    host: Annotated[
        str, typer.Option(help="Where to listen; loopback unless you know what you do.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the webserver.")] = 3000,
    data: Data = None,
) -> None:
    """Start the Dagster webserver and daemon on this data root. Ends with Ctrl-C or SIGTERM, leaving nothing behind."""
    from lofi_pipeline.cli.ui import serve

    raise typer.Exit(serve(DataRoot.find(_data(context, data)), host=host, port=port, console=console))


def main() -> None:
    """Entry point: the project's own errors, and those of files and disks, are shown as sentences, not as tracebacks."""
    try:
        app()
    except (LofiError, OSError) as error:
        errors.print(f"[bold red]error[/] {escape(str(error))}", highlight=False, soft_wrap=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
