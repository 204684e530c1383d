"""`lofi scores`: the scores of a lineage with their errors, which is best and why; and the same table for other commands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from lofi_pipeline.cli.console import (
    Config,
    Csv,
    Data,
    Json,
    console,
    folding,
    sanitize,
    write_csv,
    write_json,
)
from lofi_pipeline.cli.root import data_root
from lofi_pipeline.cli.scores_options import ByHand, draw_styles, say_by_hand
from lofi_pipeline.config import load_config
from lofi_pipeline.storage import DataRoot

if TYPE_CHECKING:
    from lofi_pipeline.evaluation.scoreboard import CheckpointLine, Scoreboard, ScoreLine


def show_scores(board: Scoreboard, console: Console) -> None:
    """The table, why the best is the best, and what is weak in the scores."""
    console.print(score_table(board))
    if board.best:
        console.print(f"Best: [bold]{sanitize(board.best.why)}[/]", highlight=False, soft_wrap=True)
    for line in board.checkpoints:
        for name, mean in (line.clip_scores or {}).items():
            console.print(f"{sanitize(name)} of {line.step}: {mean:.4f}", highlight=False)
        if heard := line.human_evaluation:
            console.print(f"Listeners of {line.step}: {heard.sentence}", highlight=False, soft_wrap=True)
        if line.styles_by_chance is not None:
            console.print(
                f"Styles of {line.step}: {line.styles_recognizable} recognisable, {line.styles_by_chance:.1f} by chance",
                highlight=False,
            )
    for sentence in board.warnings:
        console.print(f"[yellow]weak[/] {sanitize(sentence)}", highlight=False, soft_wrap=True)


def score_table(board: Scoreboard) -> Table:
    """A line for the base and for each checkpoint, errors beside the numbers."""
    fad, clap = board.fad_name or "FAD", board.clap_name or "CLAP"
    title = f"Scores, embedder {board.embedder or 'none yet'}"
    if board.text_embedder and board.text_embedder != board.embedder:
        title += f", prompts judged by {board.text_embedder}"
    if board.floor:
        low, middle, high = board.floor
        title += f"; {fad} between halves of the validation tracks: {middle:.4f} ({low:.4f} to {high:.4f})"
    elif board.floor_fad is not None:
        title += f"; {fad} between two halves of validation: {board.floor_fad:.4f}"
    headers = (
        "checkpoint",
        f"{fad}, lower is better",
        "endless clips",
        "KAD",
        f"{clap}, higher is better",
        "clips / tracks",
        "valid",
        "weights",
    )
    table = folding(*headers, title=title)
    table.columns[0].no_wrap = True
    if board.base:
        table.add_row("base model, no LoRA", *_cells(board.base, ""), "", "")
    for line in board.checkpoints:
        table.add_row(
            f"{line.partition_key}: {sanitize(line.imported)}, trained elsewhere"
            if line.imported
            else line.checkpoint_id,
            *_cells(line, _note(line, board)),
            "yes" if line.is_valid else "no",
            "pruned" if not line.kept else "pinned" if line.never_pruned else "kept",
        )
    return table


def _note(line: CheckpointLine, board: Scoreboard) -> str:
    """What is to be said of a number beside it."""
    notes = []
    if line == board.best_line:
        notes.append("best")
    elif not line.comparable:
        notes.append("scored otherwise: not to be compared")
    elif line.fad is not None and not line.separable_from_best:
        notes.append("not separable from the best")
    if line.memorised:
        notes.append(f"repeats training tracks in {len(line.memorised)} samples")
    return " " + ", ".join(notes) if notes else ""


def _cells(line: ScoreLine, note: str) -> tuple[str, ...]:
    if line.fad is None or line.clap is None:
        return ("not scored", "", "", "", "")
    interval = f" ({line.clap_interval[0]:.4f} to {line.clap_interval[1]:.4f})" if line.clap_interval else ""
    return (
        f"{line.fad:.4f}{_error(line.fad_se)}{note}",
        "not measured" if line.fad_infinity is None else f"{line.fad_infinity:.4f}",
        "not measured" if line.kad is None else f"{line.kad:.4f}{_error(line.kad_se)}",
        f"{line.clap:.4f}{interval}",
        f"{line.clips} / {'not known' if line.reference_tracks is None else line.reference_tracks}",
    )


def _error(value: float | None) -> str:
    return "" if value is None else f" +- {value:.4f}"


def scores(
    context: typer.Context,
    lineage: Annotated[
        str | None,
        typer.Option(
            "--lineage",
            help="First digits of an archived lineage. Without it: the one trained last.",
            show_default=False,
        ),
    ] = None,
    pin_id: Annotated[
        str | None,
        typer.Option(
            "--pin",
            help="Step or id of the checkpoint that is the best whatever its scores say; it keeps its weights.",
            show_default=False,
        ),
    ] = None,
    why: Annotated[
        str | None,
        typer.Option("--why", help="Why it is: asked for with --pin and --keep.", show_default=False),
    ] = None,
    unpin_id: Annotated[
        str | None,
        typer.Option(
            "--unpin", help="Step or id of a checkpoint whose pin is taken back.", show_default=False
        ),
    ] = None,
    keep_id: Annotated[
        str | None,
        typer.Option(
            "--keep",
            help="Step or id of a checkpoint whose weights are never pruned, however it scores.",
            show_default=False,
        ),
    ] = None,
    let_go_id: Annotated[
        str | None,
        typer.Option(
            "--let-go",
            help="Step or id of a checkpoint over whose weights retention decides again.",
            show_default=False,
        ),
    ] = None,
    styles_picture: Annotated[
        Path | None,
        typer.Option(
            "--styles",
            help="Write a picture of which styles the best checkpoint's clips are taken for (PNG).",
            show_default=False,
        ),
    ] = None,
    csv_file: Csv = None,
    json_file: Json = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """The scores of each checkpoint with their errors, which is best and why, and which cannot be told apart.

    --json also says of every pair what separates it, and how many more clips or validation tracks would.
    """
    root = data_root(context, data)
    folder = _lineage_folder(root, lineage)
    by_hand = ByHand(pin_id, unpin_id, keep_id, let_go_id, why)
    if by_hand.says_something:
        say_by_hand(root, folder, by_hand)
    if styles_picture:
        draw_styles(root, folder, styles_picture)
    from lofi_pipeline.evaluation.scoreboard import CheckpointLine, scoreboard

    board = scoreboard(root, folder, pairs=True, config=load_config())
    write_json(json_file, board)
    names = sorted(CheckpointLine.model_fields, key=lambda name: name not in ("checkpoint_id", "step"))
    write_csv(csv_file, ["best", *names], _csv_rows(board, names))
    if not board.checkpoints:
        console.print("No checkpoint has landed yet: lofi run trains, and scores what lands.")
        return
    show_scores(board, console)


def _lineage_folder(root: DataRoot, lineage: str | None) -> Path | None:
    """Where the checkpoints of a lineage lie; None: they are the active ones."""
    from lofi_pipeline.checkpoints.errors import CheckpointError
    from lofi_pipeline.checkpoints.lineages import find_lineage

    if lineage is None:
        return None
    try:
        found = find_lineage(root, lineage)
    except CheckpointError as error:
        raise typer.BadParameter(str(error), param_hint="--lineage") from error
    return None if found.is_active else found.folder


def _csv_rows(board: Scoreboard, names: Sequence[str]) -> Iterator[list[object]]:
    for line in board.checkpoints:
        fields = line.model_dump(mode="json") | {
            "memorised": " | ".join(f"{item.sample} {item.track} {item.share}" for item in line.memorised),
            "clap_interval": " to ".join(map(str, line.clap_interval or ())),
            "human_evaluation": line.human_evaluation.sentence if line.human_evaluation else None,
        }
        yield [
            "yes" if line.checkpoint_id == board.best_checkpoint else "",
            *(fields.get(name) for name in names),
        ]
