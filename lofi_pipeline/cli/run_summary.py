"""What a run led to, as `--json` writes it and the closing table shows it: the contract scripts rely on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pydantic import Field
from rich.console import Console
from rich.table import Table

from lofi_pipeline.cli.console import folding, sanitize
from lofi_pipeline.cli.scores import show_scores
from lofi_pipeline.config import PipelineConfig
from lofi_pipeline.entities import (
    DropStatus,
    Entity,
    RecordError,
    TrackStatus,
    few,
)
from lofi_pipeline.evaluation.scoreboard import Scoreboard, scoreboard
from lofi_pipeline.ingest.left import GONE, LeftTrack
from lofi_pipeline.storage import DataRoot

MOST_ROWS = 200
"""Of a table that people read; what a script reads has every line."""


class TrackLine(Entity):
    """One track. The file is relative to data/raw."""

    track_id: str
    file: str
    status: TrackStatus
    reason: str | None
    quality_score: int | None


class RefusedLine(Entity):
    """One file of a drop that is not in the data set."""

    file: str
    reason: str


class WaitingLine(Entity):
    """One track that stays out until a person has looked at it."""

    track_id: str
    file: str
    reason: str


class NotedLine(Entity):
    """Something to be known of a source that is trained on: a term to be accepted, or a warning."""

    source_id: str
    sentence: str
    to_accept: bool = Field(description="Whether an audit is not clean until somebody accepts it")


class LeftLine(Entity):
    """One track that this run found no file of any more that may be taken. The file is where it lay, relative to data/raw."""

    track_id: str
    file: str
    why: str


class DatasetLine(Entity):
    """The data set version."""

    dataset_id: str
    hash: str
    train_count: int
    validation_count: int


class ForeignLine(Entity):
    """Something among the checkpoints that can't be used. The path is relative to the data root."""

    path: str
    sentence: str


class Summary(Scoreboard):
    """Everything the closing table shows. What was not reached is left out of the file."""

    tracks: list[TrackLine] = []
    refused: list[RefusedLine] = []
    waiting: list[WaitingLine] = Field(
        default=[],
        description="Tracks that stay out until a person has looked at them; written where there are some",
    )
    staying: int = Field(
        default=0,
        description="Unsure tracks that an earlier version took, and nobody looked at; written where there are some",
    )
    noted: list[NotedLine] = []
    companions: dict[str, int] = Field(
        default={}, description="By kind, how many files go with audio; written where there are some"
    )
    left: list[LeftLine] = []
    foreign: list[ForeignLine] = Field(
        default=[],
        description="Among the checkpoints, and none that can be used; written where there is something",
    )
    dataset: DatasetLine | None = None
    seconds: dict[str, float] = {}
    dagster_runs: int = 0


def summarize(
    root: DataRoot,
    config: PipelineConfig,
    *,
    seconds: dict[str, float],
    runs: int,
    reached: set[str],
    left: Sequence[LeftTrack] = (),
) -> Summary:
    """Read the outcome from the records in the data root.

    Args:
        reached: the stages that the run was to do.
        left: the tracks that lost their file.
    """
    from lofi_pipeline.dataset import left_out
    from lofi_pipeline.dataset.eligibility import eligibility_of

    out = left_out(root, eligibility_of(root, config))
    fields: dict[str, object] = {
        "tracks": _tracks(root),
        "refused": [RefusedLine(file=item.file, reason=item.reason) for item in out if not item.waits],
        "noted": list(_noted(root)),
        "seconds": seconds,
        "dagster_runs": runs,
    }
    waiting = [
        WaitingLine(track_id=item.track_id, file=item.file, reason=item.reason)
        for item in out
        if item.waits and item.track_id
    ]
    if waiting:
        fields["waiting"] = waiting
    if companions := _companions(root):
        fields["companions"] = companions
    if left:
        raw = f"{root.relative(root.raw)}/"
        fields["left"] = [
            LeftLine(track_id=it.track_id, file=it.file.removeprefix(raw), why=it.why) for it in left
        ]
    if foreign := _foreign(root):
        fields["foreign"] = foreign
    if "dataset_manifest" in reached:
        fields |= _dataset(root)
        if staying := _staying(root):
            fields["staying"] = staying
    if "lora_checkpoints" in reached:
        fields |= scoreboard(root, config=config).model_dump(exclude_unset=True)
    return Summary.model_validate(fields)


def _staying(root: DataRoot) -> int:
    from lofi_pipeline.dataset import load_built_from

    built_from = load_built_from(root)
    return len(built_from.stay) if built_from else 0


def _companions(root: DataRoot) -> dict[str, int]:
    from lofi_pipeline.ingest import load_scan

    scan = load_scan(root)
    return dict(sorted(scan.companions().items())) if scan else {}


def _tracks(root: DataRoot) -> list[TrackLine]:
    from lofi_pipeline.ingest import load_record, load_registry

    raw = f"{root.relative(root.raw)}/"
    lines = []
    for track in load_registry(root).tracks:
        record = load_record(root, track.track_id)
        if track.origins:
            lines.append(
                TrackLine(
                    track_id=track.track_id,
                    file=track.origins[0].path.removeprefix(raw),
                    status=record.status if record else TrackStatus.PENDING,
                    reason=record.reason if record else None,
                    quality_score=record.processed.quality.score if record and record.processed else None,
                )
            )
    return lines


def _noted(root: DataRoot) -> Iterator[NotedLine]:
    """What is to be known of the sources that give tracks, as the last scan found it."""
    from lofi_pipeline.ingest import load_scan
    from lofi_pipeline.licensing.grants import how_to_accept

    scan = load_scan(root)
    for drop in scan.drops if scan else []:
        if drop.verdict is None or drop.manifest is None or drop.status is not DropStatus.ACCEPTED:
            continue
        if terms := drop.verdict.to_accept:
            told = f"{' '.join(term.sentence for term in terms)} {how_to_accept(terms)}"
            yield NotedLine(source_id=drop.manifest.source_id, sentence=told, to_accept=True)
        for remark in drop.verdict.remarks:
            yield NotedLine(source_id=drop.manifest.source_id, sentence=remark.sentence, to_accept=False)


def _foreign(root: DataRoot) -> list[ForeignLine]:
    from lofi_pipeline.checkpoints.foreign import foreign_items

    return [ForeignLine(path=path, sentence=sentence) for path, sentence in foreign_items(root).items()]


def _dataset(root: DataRoot) -> dict[str, object]:
    from lofi_pipeline.dataset import load_version

    try:
        found = load_version(root).dataset
    except RecordError:
        return {}
    line = DatasetLine(
        dataset_id=found.dataset_id,
        hash=found.hash,
        train_count=found.train_count,
        validation_count=found.validation_count,
    )
    return {"dataset": line}


def show(summary: Summary, root: DataRoot, console: Console) -> None:
    """The closing tables. Text from drops is shown literally."""
    out = {
        line.file for line in [*summary.refused, *summary.waiting]
    }  # copies of a recording are in order, and left out all the same
    ready = sum(line.status is TrackStatus.OK and line.file not in out for line in summary.tracks)
    console.print(f"\n[bold]{ready} of {len(summary.tracks)} tracks[/] are in the data set.")
    if summary.refused:
        rows = [(line.file, line.reason) for line in summary.refused]
        console.print(_table("Refused", ("not taken", "why"), rows))
    _show_waiting(summary, console)
    if summary.noted:
        rows = [(line.source_id, line.sentence) for line in summary.noted]
        console.print(_table("Terms to accept, and warnings", ("source", "what is to be known"), rows))
    if summary.companions:
        kinds = ", ".join(f"{count} {sanitize(kind)}" for kind, count in summary.companions.items())
        console.print(f"Not music, and known to go with it: {kinds}", highlight=False)
    _show_left(summary, console)
    if summary.foreign:
        rows = [(line.path, line.sentence) for line in summary.foreign]
        headers = "among the checkpoints", "what it is, and what to do"
        console.print(_table("Can't be used", headers, rows))
    if summary.dataset:
        found = summary.dataset
        console.print(
            f"Data set [bold]{found.dataset_id}[/]: {found.train_count} to train on, "
            f"{found.validation_count} for validation, hash {found.hash}"
        )
    if summary.checkpoints:
        show_scores(summary, console)
        for line in summary.checkpoints:
            if line.fault:
                console.print(f"[yellow]damaged[/] {sanitize(line.fault)}", highlight=False, soft_wrap=True)
        console.print(
            f"Listen: {root.checkpoints}/<checkpoint>/samples/ (the base: {root.relative(root.metadata)}/base_scores/)"
        )
    spent = ", ".join(f"{stage} {value:.1f} s" for stage, value in summary.seconds.items())
    console.print(
        f"{summary.dagster_runs} Dagster runs: {spent}" if summary.dagster_runs else "Nothing was to be done."
    )


def _show_left(summary: Summary, console: Console) -> None:
    """A line for each track whose file is gone, and one for all that left for another reason together."""
    together: dict[str, list[str]] = {}
    for line in summary.left:
        together.setdefault(f"{line.why}: {line.file}" if line.why == GONE else line.why, []).append(
            line.track_id
        )
    for why, tracks in list(together.items())[:MOST_ROWS]:
        console.print(
            f"[yellow]{few(tracks)} left[/]: {sanitize(why)}",
            highlight=False,
            soft_wrap=True,
        )
    if summary.left:
        console.print("lofi gc lists what was made of them.")


def _show_waiting(summary: Summary, console: Console) -> None:
    """How many tracks a person should look at, and where that is done."""
    where = "lofi review lists them; lofi ui plays them: its page studio/tracks?unsure"
    if count := len(summary.waiting):
        console.print(
            f"[yellow]{count} tracks wait[/] for a person who looks at them, and are not in the data set: {where}",
            highlight=False,
            soft_wrap=True,
        )
    if summary.staying:
        console.print(
            f"[yellow]{summary.staying} unsure tracks[/] that an earlier version took stay in the data set, and nobody looked at "
            f"them yet: {where}",
            highlight=False,
            soft_wrap=True,
        )


def _table(title: str, headers: tuple[str, str], rows: Sequence[tuple[str, str]]) -> Table:
    """The first rows, and how many more there are."""
    table = folding(*headers, title=title)
    for name, sentence in rows[:MOST_ROWS]:
        table.add_row(sanitize(name), sanitize(sentence))
    if len(rows) > MOST_ROWS:
        table.add_row(f"and {len(rows) - MOST_ROWS} more", "--json FILE writes them all")
    return table
