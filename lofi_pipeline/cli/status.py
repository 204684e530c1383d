"""`lofi status`, and `lofi` alone: where a data root stands, what waits for whom, and what to do next. Nothing is changed."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import typer

from lofi_pipeline.cli.console import Config, Data, Json, console, sanitize, write_json
from lofi_pipeline.cli.root import data_root
from lofi_pipeline.config import PipelineConfig, load_config
from lofi_pipeline.entities import DropStatus, Entity, Scan, TrackStatus, few
from lofi_pipeline.storage import DataRoot

MOST_LINES = 5
"""Of what waits, of one kind."""


class DatasetState(Entity):
    """The data set version in force."""

    dataset_id: str
    train_count: int
    validation_count: int
    hours: float
    current: bool
    """Whether building it now would give the same."""


class TrainingState(Entity):
    """The lineage that was trained last. FAD and CLAP are those of its best checkpoint."""

    lineage: str
    base: str
    preset: str
    step: int
    max_steps: int
    complete: bool
    """Whether it came to its end, early or not."""
    checkpoints: int
    scored: int
    to_score_again: int = 0
    """Scored otherwise than the configuration asks for now."""
    best_checkpoint: str | None = None
    why_best: str | None = None
    fad_name: str = "FAD"
    clap_name: str = "CLAP"
    fad: float | None = None
    fad_se: float | None = None
    clap: float | None = None
    of_this_dataset: bool


class Status(Entity):
    """Where a data root stands."""

    data_root: str
    drops: dict[DropStatus, int]
    changed_drops: list[str]
    tracks: dict[str, int]
    """`in_dataset`, `left_out`, `unsure`, and a number for each status of a track record."""
    waiting: list[str]
    """What nobody but a person can do, a sentence each."""
    dataset: DatasetState | None = None
    training: TrainingState | None = None
    used_bytes: int
    free_bytes: int
    next_step: str


def status(context: typer.Context, json_file: Json = None, data: Data = None, config: Config = None) -> None:
    """Show where the data root stands, what waits for whom, and the next sensible step: what `lofi` alone shows, too."""
    found = status_of(data_root(context, data, may_be_new=True), load_config())
    write_json(json_file, found)
    show(found)


def status_of(root: DataRoot, config: PipelineConfig) -> Status:
    """Read it from the records; the drops' names, sizes and times are looked at, no file is opened.

    Raises:
        RecordError: a record that it rests on is damaged.
    """
    from lofi_pipeline.dataset import track_overview
    from lofi_pipeline.ingest import changed_drops, load_scan
    from lofi_pipeline.styles import STYLE_IDS

    scan = load_scan(root)
    changed = changed_drops(root, scan, style_ids=set(STYLE_IDS), licensing=config.licensing)
    rows = track_overview(root, config)
    tracks = Counter(str(row.status) for row in rows if row.status)
    tracks["in_dataset"] = sum(row.split is not None for row in rows)
    tracks["left_out"] = sum(row.refused for row in rows)
    tracks["unsure"] = sum(row.unsure for row in rows)
    found = Status(
        data_root=str(root.path),
        drops=Counter(drop.status for drop in scan.drops) if scan else {},
        changed_drops=[folder.removeprefix("raw/") for folder in changed],
        tracks=dict(tracks),
        waiting=[
            *_waiting(scan, [row.track_id or row.file for row in rows if row.unsure]),
            *_foreign(root),
        ],
        dataset=_dataset(root, config),
        training=_training(root, config),
        used_bytes=_used(root.path),
        free_bytes=shutil.disk_usage(root.path).free,
        next_step="",
    )
    return found.model_copy(update={"next_step": _next(found)})


def _waiting(scan: Scan | None, unsure: Sequence[str]) -> list[str]:
    found = []
    for kind, who in (
        (DropStatus.INCOMPLETE, "for whoever drops"),
        (DropStatus.REFUSED, "for whoever drops"),
        (DropStatus.FORBIDDEN, "for the licensor"),
    ):
        reasons = [drop.reason or drop.folder for drop in (scan.drops if scan else []) if drop.status is kind]
        found += [f"{who}: {reason}" for reason in reasons[:MOST_LINES]]
        if len(reasons) > MOST_LINES:
            found.append(
                f"{who}: {len(reasons) - MOST_LINES} more drops are {kind}; see lofi tracks --refused"
            )
    if unsure:
        found.append(
            f"for whoever knows the music: {len(unsure)} tracks should be looked at ({few(list(unsure))}): lofi review lists them, "
            "lofi ui plays them; or name style_ids in source.json"
        )
    return found


def _foreign(root: DataRoot) -> list[str]:
    """What lies among the checkpoints and can't be used."""
    from lofi_pipeline.checkpoints.foreign import foreign_items

    who = "for whoever copies checkpoints"
    found = [f"{who}: {path}: {sentence}" for path, sentence in foreign_items(root).items()]
    if len(found) > MOST_LINES:
        found[MOST_LINES:] = [f"{who}: {len(found) - MOST_LINES} more can't be used; lofi run lists them"]
    return found


def _dataset(root: DataRoot, config: PipelineConfig) -> DatasetState | None:
    from lofi_pipeline.dataset import NoTracks, dataset_is_current, load_version

    try:
        found = load_version(root).dataset
    except NoTracks:
        return None
    return DatasetState(
        dataset_id=found.dataset_id,
        train_count=found.train_count,
        validation_count=found.validation_count,
        hours=found.total_duration,
        current=dataset_is_current(root, config),
    )


def _training(root: DataRoot, config: PipelineConfig) -> TrainingState | None:
    from lofi_pipeline.checkpoints.best import best_checkpoint
    from lofi_pipeline.checkpoints.manifest import active_lineage, scan_checkpoints
    from lofi_pipeline.dataset import current_hash
    from lofi_pipeline.evaluation.names import score_names
    from lofi_pipeline.evaluation.rescore import due_again

    lineage = active_lineage(root)
    if lineage is None:
        return None
    found = scan_checkpoints(root)
    best = best_checkpoint(found)
    scores = best.scores.metrics if best else None
    precision = best.scores.precision if best else None
    names = score_names(best.scores.key if best else None)
    return TrainingState(
        lineage=lineage.lineage[:12],
        base=lineage.base.name,
        preset=lineage.preset,
        step=max((item.step for item in found), default=0),
        max_steps=lineage.max_steps,
        complete=any(item.record is not None and item.record.is_last for item in found),
        checkpoints=len(found),
        scored=sum(item.scores is not None for item in found),
        to_score_again=len(due_again(root, config)),
        best_checkpoint=best.found.folder.name if best else None,
        why_best=best.why if best else None,
        fad_name=names.fad,
        clap_name=names.clap,
        fad=scores.fad_score if scores else None,
        fad_se=precision.fad_se if precision else None,
        clap=scores.clap_score if scores else None,
        of_this_dataset=lineage.dataset_hash == current_hash(root),
    )


def _used(folder: Path) -> int:
    """Bytes of all files below a folder; a file with several names counts once."""
    seen: set[tuple[int, int]] = set()
    total = 0
    for here, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):  # removed in the meantime
                info = os.lstat(os.path.join(here, name))
                if (key := (info.st_dev, info.st_ino)) not in seen:
                    seen.add(key)
                    total += info.st_size
    return total


def _next(found: Status) -> str:
    """The one thing that brings the data root on."""
    if found.changed_drops:
        return f"lofi run: {len(found.changed_drops)} drops are new, changed or gone"
    if not found.drops:
        return "drop music: lofi source new FOLDER writes its source.json; or see the whole thing work with lofi demo"
    if found.tracks.get(TrackStatus.PENDING) or found.tracks.get(TrackStatus.FAILED):
        return "lofi run: tracks are not worked on yet, or failed"
    if found.dataset is None:
        if found.tracks["unsure"]:
            return f"lofi review: {found.tracks['unsure']} tracks wait for a person who looks at them"
        return "lofi tracks --refused says why no track can be used; mend that, or drop other music"
    if not found.dataset.current:
        return "lofi run: the data set is not of these tracks any more"
    training = found.training
    if training is None or not training.of_this_dataset:
        return "lofi run: train on this data set"
    if not training.complete:
        return f"lofi run: the training goes on from step {training.step} of {training.max_steps}"
    if training.scored < training.checkpoints:
        return f"lofi run: {training.checkpoints - training.scored} checkpoints are not scored"
    if training.to_score_again:
        return f"lofi run: {training.to_score_again} checkpoints are to be scored again, as the configuration asks by now"
    return f'lofi generate --prompt "..." -o song.wav makes music with the best; lofi audit {training.best_checkpoint} proves what fed it'


def show(found: Status) -> None:
    """A screen of it."""
    drops = ", ".join(f"{count} {status}" for status, count in sorted(found.drops.items())) or "none"
    new = (
        f"; {len(found.changed_drops)} new, changed or gone: {few(found.changed_drops)}"
        if found.changed_drops
        else ""
    )
    lines = [
        f"[bold]{sanitize(found.data_root)}[/]",
        f"drops     {drops}{sanitize(new)}",
        f"tracks    {found.tracks['in_dataset']} in the data set, {found.tracks['left_out']} left out, "
        f"{found.tracks.get(TrackStatus.PENDING, 0)} not worked on yet, {found.tracks['unsure']} with an unsure style",
        f"data set  {_dataset_line(found.dataset)}",
        f"training  {_training_line(found.training)}",
        f"disk      {found.used_bytes / 1e9:.2f} GB used here, {found.free_bytes / 1e9:.0f} GB free",
    ]
    lines += [f"[yellow]waits[/]     {sanitize(sentence)}" for sentence in found.waiting]
    lines.append(f"[bold green]next[/]      {sanitize(found.next_step)}")
    for line in lines:
        console.print(line, highlight=False, soft_wrap=True)


def _dataset_line(found: DatasetState | None) -> str:
    if found is None:
        return "none yet"
    stale = "" if found.current else ", not of the present tracks"
    return f"{found.dataset_id}: {found.train_count} to train on, {found.validation_count} for validation, {found.hours:.2f} h{stale}"


def _training_line(found: TrainingState | None) -> str:
    if found is None:
        return "none yet"
    text = (
        f"lineage {found.lineage} (preset {found.preset} on {found.base}): step {found.step} of {found.max_steps}, "
        f"{found.checkpoints} checkpoints, {found.scored} scored"
    )
    if found.best_checkpoint and found.fad is not None and found.clap is not None:
        error = "" if found.fad_se is None else f" +- {found.fad_se:.4f}"
        text += (
            f"; best {found.best_checkpoint}, {found.fad_name} {found.fad:.4f}{error}, "
            f"{found.clap_name} {found.clap:.4f}"
        )
    return sanitize(text if found.of_this_dataset else f"{text}; of an earlier data set version")
