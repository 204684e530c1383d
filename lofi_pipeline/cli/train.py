"""`lofi train status`: how the training goes, on one screen: pace, losses, when to stop, and what each checkpoint is worth."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import typer
from rich.table import Table

from lofi_pipeline.cli.console import Config, Data, Json, console, sanitize, write_json
from lofi_pipeline.cli.root import data_root
from lofi_pipeline.cli.sparkline import sparkline
from lofi_pipeline.config import load_config

if TYPE_CHECKING:
    from lofi_pipeline.cli.train_progress import CheckpointProgress, EarlyStopping, TrainingProgress

train_app = typer.Typer(no_args_is_help=True, help="How a training goes.")
BANDS = {"high_noise": "high noise", "middle_noise": "middle", "low_noise": "low noise"}


@train_app.callback()
def common() -> None:
    """There will be more than one."""


@train_app.command("status")
def train_status(
    context: typer.Context, json_file: Json = None, data: Data = None, config: Config = None
) -> None:
    """Show how the training goes: pace, loss, held-out loss by band of noise, and what each checkpoint scored.

    Nothing is changed; it may run or not. Training itself is part of `lofi run`.
    """
    from lofi_pipeline.cli.train_progress import training_progress  # numpy and scipy: half a second

    found = training_progress(data_root(context, data), load_config())
    write_json(json_file, found)
    show(found)


def show(found: TrainingProgress) -> None:
    """A screen of it."""
    for name, text in _lines(found):
        console.print(f"[bold]{name:<9}[/] {sanitize(text)}", highlight=False, soft_wrap=True)
    if found.checkpoints:
        console.print(_table(found))
    if found.best:
        console.print(
            f"[bold green]best[/]      {sanitize(found.why_best or found.best)}",
            highlight=False,
            soft_wrap=True,
        )


def _lines(found: TrainingProgress) -> list[tuple[str, str]]:
    start = f", from {found.started_from}" if found.started_from else ""
    lines = [
        ("training", f"lineage {found.lineage[:12]} (preset {found.preset} on {found.base}{start})"),
        ("step", f"{found.step} of {found.end} ({found.step / found.end:.0%}), {_state(found)}"),
    ]
    if found.loss:
        skipped = f", {found.skipped} steps skipped" if found.skipped else ""
        lines.append(("loss", f"{sparkline(found.loss)} {found.recent_loss:.4f} of late{skipped}"))
    held_out = [entry for entry in (found.before, *found.checkpoints) if entry is not None]
    if values := [it.validation_loss for it in held_out if it.validation_loss is not None]:
        lines.append(("held out", f"{sparkline(values)} {_from_to(values)}"))
    bands = [it.held_out for it in held_out if it.held_out]
    for field, name in BANDS.items() if bands else ():
        values = [getattr(band, field) for band in bands]
        lines.append(("", f"{sparkline(values)} {_from_to(values)} {name}"))
    if gaps := [it.gap for it in held_out if it.gap is not None]:
        lines.append(("gap", f"{sparkline(gaps)} {_from_to(gaps)} between validation and training tracks"))
    if found.early_stopping:
        lines.append(("stopping", _stopping(found.early_stopping)))
    return lines


def _state(found: TrainingProgress) -> str:
    if found.ended:
        return f"ended early: {found.ended}"
    if found.complete:
        return "complete"
    pace = f"{found.steps_per_second:.2f} steps/s" if found.steps_per_second else "pace not known yet"
    left = f", {timedelta(seconds=round(found.seconds_left))} left" if found.seconds_left else ""
    return f"running, {pace}{left}" if found.running else f"not running (it made {pace}); lofi run goes on"


def _from_to(values: list[float]) -> str:
    return f"{values[0]:.4f}" if len(values) == 1 else f"{values[0]:.4f} to {values[-1]:.4f}"


def _stopping(found: EarlyStopping) -> str:
    best = (
        f"best {found.best:.4f} at step {found.best_step}" if found.best is not None else "nothing measured"
    )
    return (
        f"on {found.metric}: {best}; {found.not_better} of {found.patience} checkpoints without a better one"
    )


def _table(found: TrainingProgress) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("checkpoint", "held out", "gap", found.fad_name, found.clap_name, "repeats", ""):
        table.add_column(name)
    for item in found.checkpoints:
        table.add_row(
            item.partition_key,
            _number(item.validation_loss) + ("" if item.beside is None else f" (beside {item.beside:.4f})"),
            _number(item.gap),
            _with_error(item.fad, item.fad_se),
            _number(item.clap)
            + ("" if not item.clap_interval else " ({:.3f} to {:.3f})".format(*item.clap_interval)),
            "" if item.memorised is None else str(item.memorised),
            _remark(item, found),
        )
    return table


def _remark(item: CheckpointProgress, found: TrainingProgress) -> str:
    said = {
        "best": item.partition_key == found.best,
        "repeats training tracks": item.memorises,
        "not valid": not item.is_valid,
        "weights removed": item.pruned,
        "not scored yet": item.fad is None and not item.pruned,
    }
    return ", ".join(text for text, holds in said.items() if holds)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _with_error(value: float | None, error: float | None) -> str:
    return _number(value) + ("" if error is None else f" +- {error:.4f}")
