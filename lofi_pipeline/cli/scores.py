"""`lofi scores`: the scores of a lineage with their errors, which is best and why; and the same table for other commands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import Field
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
from lofi_pipeline.cli.scores_options import draw_styles, pin_by_hand
from lofi_pipeline.entities import (
    SCORES_RECORD,
    CheckpointRecord,
    Entity,
    HumanEvaluation,
    MemorisedSample,
    Scores,
    few,
)
from lofi_pipeline.storage import DataRoot

if TYPE_CHECKING:
    from lofi_pipeline.checkpoints.best import Best
    from lofi_pipeline.checkpoints.folder import CheckpointFolder


class ScoreLine(Entity):
    """The scores of one model with their errors; what was not measured is null."""

    fad: float | None
    fad_se: float | None = Field(description="The larger of its standard errors by clip and by track")
    fad_infinity: float | None = Field(description="For endlessly many clips")
    kad: float | None
    kad_se: float | None
    clap: float | None
    clap_interval: tuple[float, float] | None = Field(description="95 %, over clips")
    clips: int | None = Field(description="Of validation prompts")
    reference_tracks: int | None
    memorised: list[MemorisedSample] = Field(
        description="Sample, training track that it repeats, share of its length"
    )
    clip_scores: dict[str, float] | None = Field(
        default=None,
        exclude_if=lambda found: found is None,
        description="Means of evaluation.clip_scorers; written where there are some",
    )
    separable_from_best: bool = Field(
        description="Whether its FAD differs from the best's by more than noise, as far as that was measured"
    )


class CheckpointLine(ScoreLine):
    """One checkpoint and its scores."""

    checkpoint_id: str
    step: int
    is_valid: bool
    kept: bool
    partition_key: str | None = Field(
        default=None, description="Written of a LoRA that was trained elsewhere"
    )
    imported: str | None = Field(
        default=None, description="What a LoRA that was trained elsewhere is called; written of those alone"
    )
    comparable: bool = Field(default=True, description="Scored as the best is; written where it is not so")
    human_evaluation: HumanEvaluation | None = Field(
        default=None,
        exclude_if=lambda found: found is None,
        description="What listeners found; written where a listening test was scored",
    )
    pinned: str | None = Field(
        default=None, description="Why a person pinned it as the best; written where one did"
    )
    styles_recognizable: int | None = Field(
        default=None,
        description="Of all style presets; written of the last and the best, once training ended",
    )
    styles_by_chance: float | None = Field(
        default=None,
        description="How many would be if each style's clips were held against another's prompt",
    )
    fault: str | None = Field(
        default=None, description="What was changed and can't be made again; written where there is something"
    )


class BestLine(Entity):
    """Which checkpoint is the best, and why."""

    checkpoint_id: str
    why: str


class PairLine(Entity):
    """Two checkpoints, and what their scores say of the first: better, worse, not separable, error not measured."""

    one: str
    other: str
    fad: str
    fad_difference: float
    fad_se: float | None
    more_clips: int | None = Field(
        description="That would separate such a difference; null where it is separable"
    )
    more_tracks: int | None
    clap: str | None
    clap_difference: float | None
    clap_interval: tuple[float, float] | None


class Scoreboard(Entity):
    """The scores of a lineage."""

    base: ScoreLine | None = None
    checkpoints: list[CheckpointLine] = []
    best: BestLine | None = None
    best_checkpoint: str | None = None
    embedder: str | None = Field(default=None, description="Name and first digits of the hash of its weights")
    text_embedder: str | None = None
    fad_name: str | None = Field(default=None, description="What FAD is called after its embedder")
    clap_name: str | None = None
    floor_fad: float | None = None
    floor: tuple[float, float, float] | None = Field(
        default=None,
        description="FAD between random halves of the validation tracks, with as many windows as clips have",
    )
    pairs: list[PairLine] = []
    warnings: list[str] = []

    @property
    def best_line(self) -> CheckpointLine | None:
        """The line of the best checkpoint."""
        own = (line for line in self.checkpoints if line.imported is None)
        return next((line for line in own if line.checkpoint_id == self.best_checkpoint), None)


def scoreboard(root: DataRoot, folder: Path | None = None, *, pairs: bool = False) -> Scoreboard:
    """Every checkpoint in a folder, by default the active ones and LoRAs that were trained elsewhere.

    The best of them, and beside it its base, by scores that were made alike; what was trained elsewhere is never the best.
    """
    from lofi_pipeline.checkpoints.best import best_checkpoint
    from lofi_pipeline.checkpoints.folder import imported_checkpoints, scan_checkpoints
    from lofi_pipeline.evaluation.heard import weak_in
    from lofi_pipeline.evaluation.names import score_names
    from lofi_pipeline.evaluation.records import read_base_scores

    found = scan_checkpoints(root, folder)
    best = best_checkpoint(found)
    beside = imported_checkpoints(root) if folder is None else []
    lines = [_checkpoint_line(item, item.record, best) for item in [*found, *beside] if item.record]
    changed = list(_changed(found))
    fields: dict[str, object] = {
        "checkpoints": lines,
        "base": None,
        "embedder": None,
        "best": None,
        "warnings": changed,
    }
    if best is None or best.found.record is None:
        return Scoreboard.model_validate(fields)
    names = score_names(best.scores.key)
    precision = best.scores.precision
    name = best.found.folder.name
    fields |= {
        "best_checkpoint": name,
        "best": BestLine(checkpoint_id=name, why=best.why),
        "embedder": names.embedder,
        "text_embedder": names.text_embedder,
        "fad_name": names.fad,
        "clap_name": names.clap,
        "warnings": [*changed, *weak_in(best.scores)],
        "floor": precision.floor if precision else None,
    }
    base = read_base_scores(root, best.found.record.lineage.base.sha256, best.scores.key)
    if base:
        fields |= {"base": ScoreLine.model_validate(_measured(base, best)), "floor_fad": base.floor_fad}
    if pairs:
        fields["pairs"] = list(_pairs([item.scores for item in found if item.scores], best))
    return Scoreboard.model_validate(fields)


def _changed(found: Sequence[CheckpointFolder]) -> Iterator[str]:
    """A sentence for each checkpoint whose scores or samples are not what was written, and are made again by a run."""
    from lofi_pipeline.checkpoints.kept import changed_scores

    for item in found:
        if item.record is None or item.record.pruned:
            continue  # of those without weights the line itself says so
        names = changed_scores(item.folder, item.record)
        if names or item.scores_error:
            yield (
                f"{item.folder.name}: {few(names) or SCORES_RECORD} changed or missing since it was scored, so what stands there is not "
                "what was measured; lofi run scores it again."
            )


def _measured(scores: Scores | None, best: Best | None) -> dict[str, object]:
    """The fields of a ScoreLine."""
    from lofi_pipeline.checkpoints.best import is_separable
    from lofi_pipeline.checkpoints.compare import clap_interval

    if scores is None:
        required = [name for name, field in ScoreLine.model_fields.items() if field.is_required()]
        return dict.fromkeys(required) | {"memorised": [], "separable_from_best": False}
    metrics, precision = scores.metrics, scores.precision
    alike = best is not None and best.scores.key == scores.key
    judged = {name: item.mean for name, item in (scores.clip_scores or {}).items()}
    return {
        "clip_scores": judged or None,
        "fad": metrics.fad_score,
        "fad_se": precision.fad_se if precision else None,
        "fad_infinity": precision.fad_infinity if precision else None,
        "kad": precision.kad if precision else None,
        "kad_se": precision.kad_se if precision else None,
        "clap": metrics.clap_score,
        "clap_interval": clap_interval(scores),
        "clips": sum(sample.style_id is None for sample in scores.samples),
        "reference_tracks": precision.reference_tracks if precision else None,
        "memorised": scores.memorised or [],
        "separable_from_best": best is not None and alike and is_separable(scores, best.scores),
    }


def _checkpoint_line(found: CheckpointFolder, record: CheckpointRecord, best: Best | None) -> CheckpointLine:
    fields: dict[str, object] = {
        "checkpoint_id": record.checkpoint.checkpoint_id,
        "step": record.checkpoint.step,
        "is_valid": record.checkpoint.is_valid,
        "kept": not record.pruned,
        **_measured(found.scores, best),
    }
    if found.scores and best and found.scores.key != best.scores.key:
        fields["comparable"] = False
    if imported := record.lineage.imported:
        fields |= {"partition_key": record.partition_key, "imported": imported.name or imported.file}
    if found.scores:
        fields["human_evaluation"] = found.scores.metrics.human_evaluation
    if found.pin:
        fields["pinned"] = found.pin.why
    if found.scores and found.scores.metrics.style_coverage is not None:
        coverage = found.scores.metrics.style_coverage.values()
        fields["styles_recognizable"] = sum(outcome.recognizable for outcome in coverage)
    if found.scores and found.scores.styles:
        fields["styles_by_chance"] = found.scores.styles.by_chance
    if fault := _fault(found, record):
        fields["fault"] = fault
    return CheckpointLine.model_validate(fields)


def _fault(found: CheckpointFolder, record: CheckpointRecord) -> str | None:
    """What was changed of a checkpoint since it was written, and is not made again by a run."""
    from lofi_pipeline.checkpoints.kept import changed_scores

    if not record.checkpoint.is_valid:
        return record.invalid_reason
    if not record.pruned:
        return None  # scores and samples are made again
    if changed := changed_scores(found.folder, record):
        return (
            f"{found.folder.name}: {few(changed)} changed or missing, and the weights that could make them again were pruned; "
            "take them back from a backup"
        )
    return found.scores_error


def _pairs(scores: Sequence[Scores], best: Best) -> Iterator[PairLine]:
    from lofi_pipeline.checkpoints.compare import clap_difference, fad_difference

    alike = [item for item in scores if item.key == best.scores.key]
    for one, other in combinations(alike, 2):
        fad, clap = fad_difference(one, other), clap_difference(one, other)
        yield PairLine(
            one=one.metrics.checkpoint_id,
            other=other.metrics.checkpoint_id,
            fad=fad.verdict,
            fad_difference=fad.value,
            fad_se=fad.se,
            more_clips=fad.more_clips,
            more_tracks=fad.more_tracks,
            clap=clap.verdict if clap else None,
            clap_difference=clap.value if clap else None,
            clap_interval=(clap.low, clap.high) if clap else None,
        )


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
            "kept" if line.kept else "pruned",
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
        str | None, typer.Option("--why", help="Why it is: asked for with --pin.", show_default=False)
    ] = None,
    unpin_id: Annotated[
        str | None,
        typer.Option(
            "--unpin", help="Step or id of a checkpoint whose pin is taken back.", show_default=False
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
    if pin_id is not None or unpin_id is not None or why is not None:
        pin_by_hand(root, folder, pin_id, why, unpin_id)
    if styles_picture:
        draw_styles(root, folder, styles_picture)
    board = scoreboard(root, folder, pairs=True)
    write_json(json_file, board)
    names = sorted(CheckpointLine.model_fields, key=lambda name: name not in ("checkpoint_id", "step"))
    write_csv(csv_file, ["best", *names], _csv_rows(board, names))
    if not board.checkpoints:
        console.print("No checkpoint has landed yet: lofi run trains, and scores what lands.")
        return
    show_scores(board, console)


def _lineage_folder(root: DataRoot, lineage: str | None) -> Path | None:
    from lofi_pipeline.checkpoints.manifest import active_lineage

    active = active_lineage(root)
    if lineage is None or (active and active.lineage.startswith(lineage)):
        return None
    archived = sorted(path for path in root.checkpoint_archive.glob("*") if path.is_dir())
    found = [path for path in archived if path.name.startswith(lineage) or lineage.startswith(path.name)]
    if not lineage or len(found) != 1:
        there = few([path.name for path in archived]) or "none"
        raise typer.BadParameter(
            f"{'no' if not found else 'more than one'} archived lineage begins with {lineage!r}; there are: {there}",
            param_hint="--lineage",
        )
    return found[0]


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
