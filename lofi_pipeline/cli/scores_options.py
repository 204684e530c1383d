"""What `lofi scores` does beside its table: a person's word on a checkpoint is set or taken back, and the picture of styles is written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import typer

from lofi_pipeline.cli.console import console
from lofi_pipeline.storage import DataRoot, write_bytes_atomic


def say_by_hand(root: DataRoot, folder: Path | None, said: ByHand) -> None:
    """Name the best of the checkpoints in `folder`, by default the active ones, or have some keep their weights; or take that back.

    Raises:
        typer.BadParameter: no such checkpoint, one that it can't be said of, or no reason is given.
    """
    from lofi_pipeline.checkpoints import by_hand
    from lofi_pipeline.checkpoints.folder import scan_checkpoints

    found = scan_checkpoints(root, folder)
    for option, wanted, take_back in (
        ("--unpin", said.unpin, by_hand.take_back_best),
        ("--let-go", said.let_go, by_hand.take_back_keeping),
    ):
        if wanted is not None:
            with _named(option):
                take_back(root, by_hand.find_checkpoint_named(found, wanted))
    if said.why is not None and said.pin is None and said.keep is None:
        raise typer.BadParameter("says why of nothing; give --pin as well, or --keep", param_hint="--why")
    for option, wanted, say in (
        ("--pin", said.pin, by_hand.name_best),
        ("--keep", said.keep, by_hand.keep_weights),
    ):
        if wanted is not None:
            with _named(option):
                item = by_hand.find_checkpoint_named(found, wanted)
                if not said.why:
                    raise typer.BadParameter(
                        "give the reason with --why: it is shown wherever the checkpoint is",
                        param_hint=option,
                    )
                say(root, item, said.why)


class ByHand(NamedTuple):
    """What `lofi scores` was told to say of checkpoints, and why."""

    pin: str | None
    unpin: str | None
    keep: str | None
    let_go: str | None
    why: str | None

    @property
    def says_something(self) -> bool:
        """Whether any of it was given."""
        return any(option is not None for option in self)


@contextmanager
def _named(option: str) -> Iterator[None]:
    from lofi_pipeline.checkpoints.errors import CheckpointError

    try:
        yield
    except CheckpointError as error:
        raise typer.BadParameter(str(error), param_hint=option) from error


def draw_styles(root: DataRoot, folder: Path | None, picture: Path) -> None:
    """Write what the clips of the best checkpoint are taken for; of the last, where the best's were not made.

    Raises:
        typer.BadParameter: no checkpoint was asked for styles yet.
    """
    from lofi_pipeline.checkpoints.best import best_checkpoint
    from lofi_pipeline.checkpoints.folder import scan_checkpoints
    from lofi_pipeline.evaluation.confusion import plot_confusion

    found = scan_checkpoints(root, folder)
    best = best_checkpoint(found)
    candidates = [best.found] if best else []
    for item in [*candidates, *reversed(found)]:
        if item.scores and item.scores.styles:
            coverage = item.scores.metrics.style_coverage or {}
            write_bytes_atomic(picture, plot_confusion(item.scores.styles, coverage))
            console.print(f"Styles of {item.step}: {picture}", highlight=False, soft_wrap=True)
            return
    raise typer.BadParameter(
        "no checkpoint was asked for styles: with evaluation.style_prompts, lofi run asks the last and the best once training ended",
        param_hint="--styles",
    )
