"""The command line: `lofi` and its commands. Those with a table of their own are in modules of their names."""

from __future__ import annotations

import os
import sys
import time
from importlib.metadata import version as version_of
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from lofi_pipeline import progress as progress
from lofi_pipeline.cli.audit import audit_app
from lofi_pipeline.cli.backup import backup, restore
from lofi_pipeline.cli.bench import bench_app
from lofi_pipeline.cli.check import check
from lofi_pipeline.cli.compare import compare
from lofi_pipeline.cli.console import (
    Base,
    Config,
    DagsterConfig,
    Data,
    Json,
    bars,
    console,
    errors,
    write_json,
)
from lofi_pipeline.cli.dev import dev_app
from lofi_pipeline.cli.export import export, one_of
from lofi_pipeline.cli.export_training import export_training
from lofi_pipeline.cli.gc import gc
from lofi_pipeline.cli.generate import generate
from lofi_pipeline.cli.import_lora import import_lora
from lofi_pipeline.cli.listen import listen_app
from lofi_pipeline.cli.open_door import AllowHost, Host, Port, ReadOnly, WithToken, door_for
from lofi_pipeline.cli.report import report
from lofi_pipeline.cli.review import review_app
from lofi_pipeline.cli.root import data_root
from lofi_pipeline.cli.scores import scores
from lofi_pipeline.cli.signals import interruptible
from lofi_pipeline.cli.source import source_app
from lofi_pipeline.cli.status import status
from lofi_pipeline.cli.store import pull_from, push_to, store_app, store_of_run
from lofi_pipeline.cli.studio import studio
from lofi_pipeline.cli.styles import styles
from lofi_pipeline.cli.tracks import tracks
from lofi_pipeline.cli.train import train_app
from lofi_pipeline.environment import BASE_VARIABLE
from lofi_pipeline.errors import LofiError
from lofi_pipeline.installation import working_folder
from lofi_pipeline.storage import DataRoot, in_words

if TYPE_CHECKING:
    from lofi_pipeline.cli.run_summary import Summary

app = typer.Typer(
    invoke_without_command=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Licensed lofi music in, scored ACE-Step LoRAs out, with the licence trail in between.\n\n"
    "[bold]lofi[/] alone shows where the data root stands, and the next step.",
)
app.add_typer(audit_app, name="audit")
app.add_typer(dev_app, name="dev")
app.add_typer(source_app, name="source")
app.add_typer(bench_app, name="bench")
app.add_typer(train_app, name="train")
app.add_typer(review_app, name="review")
app.add_typer(listen_app, name="listen")
app.add_typer(store_app, name="store")
for command in (
    status,
    tracks,
    styles,
    check,
    gc,
    import_lora,
    export,
    export_training,
    scores,
    generate,
    compare,
    report,
    studio,
    backup,
    restore,
):
    app.command()(command)


def _show_version(asked: bool) -> None:
    if asked:
        console.print(f"lofi {version_of('lofi-pipeline')}", highlight=False)
        raise typer.Exit


Version = Annotated[
    bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Show the version and exit.")
]


@app.callback()
def common(
    context: typer.Context, data: Data = None, config: Config = None, version: Version = False
) -> None:
    """Options before the subcommand; without one, where the data root stands."""
    context.obj = data
    console.stderr = False
    if context.invoked_subcommand is None:
        status(context)


def _run(root: DataRoot, last: str, json_file: Path | None) -> tuple[Summary, bool]:
    """Run up to `last`, show and write the summary; and whether all went well."""
    from lofi_pipeline.cli.run import STAGES, headless
    from lofi_pipeline.cli.run_summary import show, summarize
    from lofi_pipeline.ingest import left_since, load_registry, load_scan

    before = load_registry(root)
    with headless(root) as runner:
        with bars():
            outcome = interruptible(lambda: runner.run(last))
        reached: set[str] = set(STAGES[: STAGES.index(last) + 1])
        summary = summarize(
            root,
            runner.config,
            seconds=outcome.seconds,
            runs=outcome.dagster_runs,
            reached=reached,
            left=left_since(root, before, load_registry(root), load_scan(root)),
        )
    show(summary, root, console)
    write_json(json_file, summary.model_dump(mode="json", exclude_unset=True))
    # One cause may fail the scores of every checkpoint
    for failure in dict.fromkeys(map(str, outcome.failures)):
        errors.print(f"[bold red]failed[/] {escape(failure)}", highlight=False, soft_wrap=True)
    return summary, not outcome.failures


@app.command()
def run(
    context: typer.Context,
    to: Annotated[str, typer.Option("--to", help="Stop after this stage.")] = "quality_metrics",
    base: Base = None,
    json_file: Json = None,
    data: Data = None,
    config: Config = None,
    dagster_config: DagsterConfig = None,
) -> None:
    """Do everything that is new, headless: scan drops, work on tracks, build the data set, train, score.

    The same jobs on the same Dagster instance as the UI's. What is unchanged is not done again.
    With storage.object_store it begins with what is new or evicted there, and ends with putting what was made.
    Exit code 0: all well (refused tracks included), 1: something failed, 2: wrong usage.
    """
    from lofi_pipeline.cli.run import STAGES

    if to not in STAGES:
        raise typer.BadParameter(f"{to!r} is no stage; there are: {', '.join(STAGES)}", param_hint="--to")
    if base:
        os.environ[BASE_VARIABLE] = base
    root, store = data_root(context, data, may_be_new=True), store_of_run()
    if store is not None:
        pull_from(root, store, ("music", "latents"))
    _, well = _run(root, to, json_file)
    if store is not None:
        push_to(root, store)
    if not well:
        raise typer.Exit(1)


@app.command()
def demo(
    context: typer.Context,
    drop_only: Annotated[bool, typer.Option("--drop-only", help="Only write the synthetic drop.")] = False,
    json_file: Json = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """See the whole thing work in minutes: a synthetic drop, the embedded base model, a LoRA that is scored as it lands.

    It works in a data root of its own: demo-data/ of the checkout, or of the working directory where the package is installed.
    It fails when the LoRA does not do what it should: FAD of the best checkpoint at most half of the base's, and CLAP above it.
    """
    from lofi_pipeline.cli.demo import render_drop, show_outcome

    root = DataRoot.find(data or context.obj or working_folder() / "demo-data").create()
    start = time.monotonic()
    render_drop(root)
    if drop_only:
        return
    summary, well = _run(root, "quality_metrics", json_file or root.path / "demo.json")
    console.print(f"Look at it: [bold]lofi ui --data {escape(str(root.path))}[/]", soft_wrap=True)
    if not (well and show_outcome(summary, seconds=time.monotonic() - start)):
        raise typer.Exit(1)


@app.command()
def doctor(context: typer.Context, json_file: Json = None, data: Data = None) -> None:
    """What is installed, which weights are there, GPU and disk; and what to do about each."""
    from lofi_pipeline.cli.doctor import examine, show_findings

    findings = examine(DataRoot.find(data or context.obj))
    show_findings(findings, console)
    write_json(json_file, findings)
    if any(finding.level == "broken" for finding in findings):
        raise typer.Exit(1)


@app.command()
def judging_day(
    context: typer.Context,
    day: Annotated[
        str | None,
        typer.Option("--set", metavar="DAY", help="The right day, as the clock has it: 2026-11-26."),
    ] = None,
    reason: Annotated[str, typer.Option("--reason", help="Why; kept on record.")] = "",
    by: Annotated[str | None, typer.Option("--by", help="Who says so. Else your login name.")] = None,
    json_file: Json = None,
    data: Data = None,
) -> None:
    """Show the day that licences are judged for; with --set, say that the clock's is the right one.

    No day is judged for that lies before one that was judged for, so that setting the clock back revives no grant. After a clock
    that was wrong, set it right and take the wrong day back with this; or confirm a leap of the clock that `lofi run` asks about.
    Who did so, when and why is kept in metadata/judging_days.json and shown by every audit. What was withdrawn stays withdrawn.
    """
    from lofi_pipeline.cli.judging_day import require_clock, set_day, show_days

    if bool(reason.strip()) is not (day is not None):
        hint = "say why; it is kept on record" if day else "goes with --set"
        raise typer.BadParameter(hint, param_hint="--reason")
    root = data_root(context, data)
    if day is not None:
        require_clock(day)
        set_day(root, console, reason=reason, by=by)
    if day is None or json_file:
        write_json(json_file, show_days(root, console))


@app.command()
def fsck(
    context: typer.Context,
    repair: Annotated[
        bool,
        typer.Option(
            "--repair",
            help="Remove what can be made again, so that the next `lofi run` makes it; mark damaged weights as not valid.",
        ),
    ] = False,
    json_file: Json = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Hash every file of the data root and compare it with its record: music, latents, checkpoints, versions, the ledger.

    `lofi run` notices by size and time what was emptied or changed; this also finds what a bad disk gives back otherwise. Raw
    music, the ledger and data set versions are never touched. It may run beside a running pipeline.
    Exit code 0: clean, 1: findings that are errors, also when they were repaired, 2: wrong usage.
    """
    from lofi_pipeline.cli.fsck import check

    report = check(data_root(context, data), repair=repair)
    write_json(json_file, {"clean": report.clean, **report.model_dump(mode="json")})
    if not report.clean:
        raise typer.Exit(1)


@app.command()
def ui(
    context: typer.Context,
    host: Host = "127.0.0.1",
    port: Port = None,
    with_token: WithToken = True,
    read_only: ReadOnly = False,
    allow_host: AllowHost = None,
    only: Annotated[
        str | None,
        typer.Option(
            "--only",
            metavar="PART",
            help="Start one of the two alone, for a machine or container of its own: webserver (with the studio), or daemon.",
            show_default=False,
        ),
    ] = None,
    data: Data = None,
    config: Config = None,
    dagster_config: DagsterConfig = None,
) -> None:
    """Start the Dagster webserver, its daemon and the studio on this data root, and print the links to open.

    Ends with Ctrl-C or SIGTERM, leaving nothing behind. Other websites' pages can do nothing here, also while it is open.
    """
    from lofi_pipeline.cli.ui import Part, serve

    parts = [Part(one_of(tuple(Part), only, "--only"))] if only else list(Part)
    door = door_for(host, port, with_token=with_token, read_only=read_only, allow_host=allow_host)
    root = data_root(context, data, may_be_new=True)
    raise typer.Exit(serve(root, door, console, parts))


def main() -> None:
    """Entry point: the project's own errors, and those of files and disks, are shown as sentences, not as tracebacks."""
    try:
        app()
    except (LofiError, OSError) as error:
        errors.print(f"[bold red]error[/] {escape(in_words(error))}", highlight=False, soft_wrap=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
