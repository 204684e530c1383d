"""The clips behind scores, side by side: a row for each prompt and seed, a column for the base and for each checkpoint."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from lofi_pipeline.checkpoints.folder import SAMPLES_FOLDER, CheckpointFolder
from lofi_pipeline.entities import CopiedPassage, NearestTrack, Scores
from lofi_pipeline.entities.lineage import step_of
from lofi_pipeline.evaluation.records import base_scores_path
from lofi_pipeline.storage import DataRoot


def model_name(key: str) -> str:
    """What people call the checkpoint with this partition key, or the base, whose step is 0."""
    return f"step {step_of(key)}" if step_of(key) else "base, no LoRA"


class Asked(NamedTuple):
    """What a clip was asked for."""

    style_id: str | None
    prompt: str
    seed: int


@dataclass(frozen=True)
class GridClip:
    """A clip, and what was heard in it."""

    file: Path
    name: str
    clap: float
    nearest: NearestTrack | None
    """The training track that is nearest in the embedder's space; None: not compared."""
    passages: tuple[CopiedPassage, ...]
    """What it copies of training tracks."""
    beyond: bool
    """Whether it is nearer to a training track than those are to each other."""


@dataclass(frozen=True)
class GridColumn:
    """The base, or a checkpoint."""

    key: str
    """Its partition key; that of the base has step 0."""
    step: int
    clips: Mapping[Asked, GridClip] = field(repr=False)

    @property
    def name(self) -> str:
        """What people call it."""
        return model_name(self.key)


@dataclass(frozen=True)
class GridRow:
    """Clips of the same prompt and seed, in the order of the columns; None where a model made none, or its file is gone."""

    number: int
    asked: Asked
    clips: tuple[GridClip | None, ...]


@dataclass(frozen=True)
class SampleGrid:
    """Of a lineage: the base first, then its checkpoints by step."""

    columns: tuple[GridColumn, ...]
    rows: tuple[GridRow, ...]

    def column(self, key: str) -> GridColumn | None:
        """The column of a partition key."""
        return next((column for column in self.columns if column.key == key), None)


def sample_grid(columns: Sequence[GridColumn]) -> SampleGrid:
    """Rows in the order in which they were asked for: prompts of validation tracks first, then those of styles."""
    asked = dict.fromkeys(asked for column in columns for asked in column.clips)
    ordered = sorted(asked, key=lambda it: it.style_id is not None)
    rows = [
        GridRow(number, it, tuple(column.clips.get(it) for column in columns))
        for number, it in enumerate(ordered, start=1)
    ]
    return SampleGrid(tuple(columns), tuple(rows))


def column_of(root: DataRoot, item: CheckpointFolder) -> GridColumn | None:
    """The clips of a checkpoint, wherever it lies now; None where it was not scored."""
    if item.scores is None:
        return None
    files = _files_in(root, item.folder / SAMPLES_FOLDER)
    clips = _clips(item.scores, lambda path: files.get(path.name))
    return GridColumn(item.key, item.step, clips)


def base_column(root: DataRoot, key: str, base_sha256: str, scores: Scores) -> GridColumn:
    """The clips of a base model. They lie beside its scores, or beside former ones that had the same clips."""
    parent = base_scores_path(root, base_sha256, scores.key).parent
    folders = {PurePosixPath(sample.path).parent.name for sample in scores.all_samples if sample.path}
    files = {name: _files_in(root, parent / name) for name in folders if name not in ("", "..")}
    return GridColumn(key, 0, _clips(scores, lambda path: files.get(path.parent.name, {}).get(path.name)))


def _clips(scores: Scores, find: Callable[[PurePosixPath], Path | None]) -> dict[Asked, GridClip]:
    """Those whose file is there. Which file that is, `find` decides: a record from elsewhere may name any."""
    nearest = {row.sample: row for row in scores.nearness.nearest} if scores.nearness else {}
    beyond = {row.sample for row in scores.nearness.beyond} if scores.nearness else set()
    passages: dict[str, list[CopiedPassage]] = defaultdict(list)
    for passage in scores.heard.passages if scores.heard else ():
        passages[passage.sample].append(passage)
    found = {}
    for sample in scores.all_samples:
        file = find(PurePosixPath(sample.path)) if sample.path else None
        if file is not None:
            found[Asked(sample.style_id, sample.prompt, sample.seed)] = GridClip(
                file,
                file.name,
                sample.clap,
                nearest.get(file.name),
                tuple(passages.get(file.name, ())),
                file.name in beyond,
            )
    return found


def _files_in(root: DataRoot, folder: Path) -> dict[str, Path]:
    """The regular files in a folder of the data root by name; links lead elsewhere and are none."""
    if not folder.is_dir() or not folder.resolve().is_relative_to(root.path.resolve()):
        return {}
    with os.scandir(folder) as entries:
        return {it.name: folder / it.name for it in entries if it.is_file(follow_symlinks=False)}
