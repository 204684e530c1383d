"""`lofi listen`: listening tests made, given to listeners, read back and scored."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lofi_pipeline.cli.console import (
    Base,
    Config,
    Data,
    Json,
    console,
    folding,
    sanitize,
    write_json,
)
from lofi_pipeline.cli.root import data_root
from lofi_pipeline.environment import BASE_VARIABLE

if TYPE_CHECKING:
    from lofi_pipeline.checkpoints.folder import CheckpointFolder
    from lofi_pipeline.listening import ListeningTest, RateResult, TellResult, Wanted
    from lofi_pipeline.storage import DataRoot

listen_app = typer.Typer(
    no_args_is_help=True, rich_markup_mode="rich", help="Have people listen: blind tests of checkpoints."
)
FEW_PIECES = 5
Test = Annotated[str, typer.Argument(metavar="TEST", help="The test's id, or the first digits of it.")]


@listen_app.callback()
def listen() -> None:
    """Have people listen: blind tests of checkpoints."""


@listen_app.command()
def new(
    context: typer.Context,
    checkpoints: Annotated[
        list[str],
        typer.Argument(
            metavar="CHECKPOINT...", help="Checkpoint id, its partition key, or `best`; with --rate, 3 to 5."
        ),
    ],
    rate: Annotated[
        bool,
        typer.Option(
            "--rate", help="Have several checkpoints rated from 0 to 100, beside a hidden recording."
        ),
    ] = False,
    trials: Annotated[
        int | None, typer.Option(min=1, help="How many count. Else as many as fit, at most 20.")
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(help="Length of each clip, 3 to 15. Else that of the samples, at most 10.")
    ] = None,
    margin: Annotated[
        float,
        typer.Option(help="Nearer than this to one half, an accuracy is called indistinguishable."),
    ] = 0.1,
    listeners: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="How many you plan to ask. Else as many as can show that nobody can tell.",
            show_default=False,
        ),
    ] = None,
    speakers: Annotated[
        bool, typer.Option("--speakers", help="Leave the headphone check out: for listeners without any.")
    ] = False,
    generate: Annotated[
        bool,
        typer.Option("--generate", help="Have the checkpoint make new clips, and use none of its samples."),
    ] = False,
    seed: Annotated[
        int | None, typer.Option(help="Decides excerpts, pairs, sides and order. Else drawn.")
    ] = None,
    base: Base = None,
    json_file: Json = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Make a blind test: pairs of a held-out recording and a clip of a checkpoint, and which of the two a machine made.

    The clips are of one length and loudness, under random names. Which is which lies in key.json, which is neither served nor
    exported. What counts is fixed now and sealed: headphone check, attention trials, margin, listeners. It takes 15 minutes at
    most. Where a checkpoint's samples are too few, it makes new ones.
    """
    from lofi_pipeline.listening import Wanted, find_test

    if base:
        os.environ[BASE_VARIABLE] = base
    if rate is not (len(checkpoints) > 1):
        hint = "takes 3 to 5 checkpoints" if rate else "several checkpoints are rated: give --rate"
        raise typer.BadParameter(hint, param_hint="--rate" if rate else "CHECKPOINT")
    if rate and generate:
        raise typer.BadParameter(
            "a rating is made of samples that were kept of equal prompts; leave it out",
            param_hint="--generate",
        )
    root = data_root(context, data)
    found = [_checkpoint(root, name) for name in checkpoints]
    wanted = Wanted(trials, seconds, margin, listeners, not speakers)
    if seed is not None:
        wanted = replace(wanted, seed=seed)
    with console.status("making the test"):
        test = _made(root, found, wanted, generate)
    files = find_test(root, test.test)
    rules = test.rules
    lines = [
        f"Made the test [bold]{test.test}[/]: {test.trials} trials that count, clips of {test.seconds:g} s at {test.lufs:g} LUFS, "
        f"from {test.pieces} held-out tracks",
        f"Fixed now: {rules.planned_listeners} listeners planned; who has fewer than {rules.headphones_right} of the headphone "
        f"check or {rules.attention_right} attention trials right does not count; margin {rules.margin:g}",
        f"Its files: {sanitize(files.folder)}",
        f"Next: `lofi listen invite {test.test} --count 10` makes links for `lofi studio`; `lofi listen export {test.test} DIR` a folder",
    ]
    if test.pieces < FEW_PIECES:
        lines.append(
            f"[yellow]weak[/] all recordings are excerpts of {test.pieces} held-out tracks: what listeners say is of those, not of "
            "music; add music, a tenth of it is held out"
        )
    for line in lines:
        console.print(line, highlight=False, soft_wrap=True)
    write_json(json_file, test)


def _checkpoint(root: DataRoot, name: str) -> CheckpointFolder:
    from lofi_pipeline.checkpoints.folder import read_checkpoint_folder
    from lofi_pipeline.cli.generate_clips import BASE, find_folder
    from lofi_pipeline.entities import RecordError

    try:
        folder = find_folder(root, name) if name != BASE else None
    except RecordError as error:
        raise typer.BadParameter(
            sanitize(str(error).removeprefix("--checkpoint: ")), param_hint="CHECKPOINT"
        ) from error
    if folder is None:
        raise typer.BadParameter(
            "the base has no QualityMetrics of its own; name a checkpoint", param_hint="CHECKPOINT"
        )
    return read_checkpoint_folder(root, folder)


def _made(root: DataRoot, found: list[CheckpointFolder], wanted: Wanted, generate: bool) -> ListeningTest:
    """The test, of kept samples where they are enough and nothing else is asked for."""
    from lofi_pipeline.config import load_config
    from lofi_pipeline.listening.generate import generated_takes
    from lofi_pipeline.listening.make import clips_wanted, lacks_takes, make_test
    from lofi_pipeline.resources import base_name

    with ExitStack() as opened:
        takes = None
        if len(found) == 1 and (generate or lacks_takes(root, found[0], wanted)):
            config = load_config()
            count, seconds = clips_wanted(wanted)
            making = generated_takes(
                root,
                found[0],
                base_name(config),
                config.evaluation,
                count=count,
                seconds=seconds,
                offload=config.training.offload,
            )
            takes = opened.enter_context(making)
        return make_test(root, found, wanted, takes)


@listen_app.command(name="list")
def list_tests(
    context: typer.Context, json_file: Json = None, data: Data = None, config: Config = None
) -> None:
    """The tests of this data root: who was asked, who has finished, and what was found last."""
    from lofi_pipeline.listening import (
        find_test,
        known_tests,
        progress_of,
        read_result,
        read_sheet,
        read_test,
    )

    root, rows = data_root(context, data), []
    table = folding("test", "checkpoints", "trials", "listeners", "finished", "result")
    for name in known_tests(root):
        files = find_test(root, name)
        test = read_test(root, files)
        progress = progress_of(files, read_sheet(files, test))
        result, finished = read_result(files), sum(done for _, _, done in progress)
        found = in_short(result) if result else "not scored yet"
        table.add_row(
            name, " ".join(test.checkpoints), str(test.trials), str(len(progress)), str(finished), found
        )
        rows.append({"test": test, "listeners": len(progress), "finished": finished, "result": result})
    write_json(json_file, rows)
    if rows:
        console.print(table)
    else:
        console.print("No listening test yet: lofi listen new CHECKPOINT makes one.")


@listen_app.command()
def invite(
    context: typer.Context,
    test: Test,
    count: Annotated[int, typer.Option(min=1, max=1000, help="How many links.")] = 1,
    names: Annotated[
        list[str] | None,
        typer.Option("--name", help="Your note of who gets a link, in place of --count; again for another."),
    ] = None,
    address: Annotated[
        str,
        typer.Option(help="Where listeners reach the studio: what `lofi studio` prints, without its token."),
    ] = "http://127.0.0.1:3000",
    json_file: Json = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Make links for listeners. Each lets its bearer into this test alone, and can be opened again to go on."""
    from lofi_pipeline.listening import find_test, read_test
    from lofi_pipeline.listening import invite as invited

    root = data_root(context, data)
    files = find_test(root, test)
    known = read_test(root, files)
    found = invited(files, list(names) if names else [None] * count)
    links = [f"{address.rstrip('/')}/studio/listen/{known.test}/{it.listener}/" for it in found]
    for listener, link in zip(found, links):
        name = f"{sanitize(listener.name)}: " if listener.name else ""
        console.print(f"{name}{sanitize(link)}", highlight=False, soft_wrap=True)
    write_json(
        json_file, [{"listener": it.listener, "name": it.name, "link": to} for it, to in zip(found, links)]
    )


@listen_app.command()
def export(
    context: typer.Context,
    test: Test,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new folder outside the data root.")],
    data: Data = None,
    config: Config = None,
) -> None:
    """Write the test as a folder that works from disk: its index.html lets a listener save the answers as a file.

    The key is not in it. Send the folder, for example as a zip, to each listener; `lofi listen import` reads the files that come back.
    """
    from lofi_pipeline.listening import find_test
    from lofi_pipeline.listening.page import export_page

    root = data_root(context, data)
    files = find_test(root, test)
    place = export_page(root, files, folder)
    console.print(f"Wrote {sanitize(place)}: have listeners open index.html", highlight=False, soft_wrap=True)
    console.print(
        f"What they send back: lofi listen import {files.folder.name} FILE", highlight=False, soft_wrap=True
    )


@listen_app.command(name="import")
def import_answers(
    context: typer.Context,
    test: Test,
    answers: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...", exists=True, dir_okay=False, help="Files that listeners sent back."
        ),
    ],
    json_file: Json = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Read answers that listeners saved from an exported folder. The same file again adds nothing.

    A file that is not what our page writes for this test is refused whole.
    """
    from lofi_pipeline.listening import find_test, read_sheet, read_test, take_file
    from lofi_pipeline.listening.files import read_answers_file

    root = data_root(context, data)
    files = find_test(root, test)
    sheet, taken = read_sheet(files, read_test(root, files)), []
    for path in answers:
        listener, new = take_file(files, sheet, read_answers_file(path))
        taken.append({"file": str(path), "listener": listener.listener, "answers": new})
        console.print(
            f"{sanitize(path)}: {new} new answers of {listener.listener}", highlight=False, soft_wrap=True
        )
    write_json(json_file, taken)


@listen_app.command()
def score(
    context: typer.Context, test: Test, json_file: Json = None, data: Data = None, config: Config = None
) -> None:
    """Score the answers so far by the rules that were fixed when the test was made.

    Of a test against recordings, evaluator_count, accuracy, p_value and date go into the checkpoint's QualityMetrics as
    human_evaluation. p_value is that of an exact two-sided binomial test. To claim that nobody can tell takes an equivalence
    test: a p_value above 0.05 does not show it.
    """
    from lofi_pipeline.listening import find_test, keep_result, score_test

    root = data_root(context, data)
    files = find_test(root, test)
    result = score_test(root, files)
    show(result)
    write_json(json_file, result)
    keep_result(root, files, result)


def in_short(result: TellResult | RateResult) -> str:
    """A result on a line."""
    from lofi_pipeline.listening import TellResult

    if isinstance(result, TellResult):
        return f"accuracy {result.accuracy:.3f}, p {result.p_value:.3g}, {result.evaluator_count} listeners"
    return ", ".join(f"{item.what} {item.mean:.0f}" for item in result.rated)


def show(result: TellResult | RateResult) -> None:
    """A result in full."""
    from lofi_pipeline.listening import TellResult, verdict_of

    table = folding("listener", "answered", "right", "p", "headphones", "attention", "counts")
    for row in result.listeners:
        right = "" if row.right is None else str(row.right)
        p_value = "" if row.p_value is None else f"{row.p_value:.3g}"
        table.add_row(
            sanitize(row.name or row.listener),
            str(row.answered),
            right,
            p_value,
            str(row.headphones),
            str(row.attention),
            row.why_not or "yes",
        )
    console.print(table)
    lines = _told(result) if isinstance(result, TellResult) else _rated(result)
    if isinstance(result, TellResult):
        lines.append(f"[bold]{verdict_of(result)}[/]")
    for line in lines:
        console.print(line, highlight=False, soft_wrap=True)


def _told(result: TellResult) -> list[str]:
    equal, (low, high) = result.equivalence, result.interval
    by_listener = result.interval_by_listener
    lines = [
        f"evaluator_count {result.evaluator_count}, accuracy {result.accuracy:.3f} ({result.right} of {result.trials}), p_value "
        f"{result.p_value:.4g}",
        f"95 % interval {low:.3f} to {high:.3f} over trials"
        + (f", {by_listener[0]:.3f} to {by_listener[1]:.3f} over listeners" if by_listener else ""),
    ]
    if result.p_value_by_listener is not None:
        lines.append(f"p over listeners {result.p_value_by_listener:.4g}")
    over = "" if equal.p_value_by_listener is None else f", {equal.p_value_by_listener:.4g} over listeners"
    lines.append(f"Equivalence within {equal.margin:g}: p {equal.p_value:.4g} over trials{over}")
    return lines


def _rated(result: RateResult) -> list[str]:
    def spread(interval: tuple[float, float] | None) -> str:
        return f" ({interval[0]:.1f} to {interval[1]:.1f})" if interval else " (no interval: one listener)"

    lines = [f"{item.what}: {item.mean:.1f}{spread(item.interval)}" for item in result.rated]
    lines += [f"{it.one} above {it.other} by {it.difference:.1f}{spread(it.interval)}" for it in result.pairs]
    planned, count = result.planned_listeners, result.evaluator_count
    if count < planned:
        lines.append(f"{count} of {planned} planned listeners have finished: the result is not final.")
    return lines
