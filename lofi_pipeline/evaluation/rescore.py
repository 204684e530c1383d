"""Which scores are to be made again, because the configuration asks for others by now: told from records, no model is opened.

What only an upgrade changes does not count: versions of packages, and weights that are shipped. Scores made before it stay.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from lofi_pipeline.checkpoints.folder import CheckpointFolder, scan_checkpoints
from lofi_pipeline.config import EvaluationSettings, PipelineConfig, base_name
from lofi_pipeline.entities import (
    CheckpointRecord,
    DatasetVersion,
    Lineage,
    RecordError,
    ScoreKey,
    Scores,
    Split,
    few,
)
from lofi_pipeline.evaluation.clip_scorers import scorers_in
from lofi_pipeline.evaluation.embedders import chosen, missing_weights
from lofi_pipeline.evaluation.embedders.files import files_sha256, user_files
from lofi_pipeline.evaluation.embedders.known_weights import known_hashes
from lofi_pipeline.evaluation.errors import ReferenceMissing
from lofi_pipeline.evaluation.kept_clips import changed_clips, made_by_present_versions
from lofi_pipeline.evaluation.prompts import evaluation_prompts, prompts_sha256
from lofi_pipeline.storage import DataRoot, file_stamp, read_record
from lofi_pipeline.training.bases import is_here, shown_name
from lofi_pipeline.training.errors import BaseModelError
from lofi_pipeline.training.known_bases import base_of
from lofi_pipeline.training.variants import suiting


@dataclass(frozen=True)
class ScoredOtherwise:
    """A checkpoint that was scored otherwise than the configuration asks for now."""

    name: str
    how: str
    """Such as: by nano, not by musicnn."""
    asked: str
    """What is asked for, as a sign that changes with it."""
    hindrance: str | None = None
    """Why it can't be scored as asked."""
    lacking: str | None = None
    """What somebody has to put in place first."""


def scored_otherwise(
    root: DataRoot, found: CheckpointFolder, config: PipelineConfig
) -> ScoredOtherwise | None:
    """Whether a checkpoint is to be scored again, and whether it can be; None where its scores are as asked, or there are none.

    A LoRA that was trained elsewhere is scored as the training beside it is, whatever the configuration says.
    """
    scores, record = found.measured, found.record
    if scores is None or record is None or record.lineage.imported:
        return None
    settings = _suited(root, record, config)
    if settings is None:
        return None
    asked = _Asked.of(root, record, settings)
    if not (how := asked.differences(scores)):
        return None
    hindrance = _hindrance(root, scores, asked) if record.pruned else None
    lacking = None
    if missing_weights(settings):
        lacking = f"the weights of {settings.embedder} are not in place; see lofi doctor"
    return ScoredOtherwise(found.folder.name, ", ".join(how), repr(asked), hindrance, lacking)


def due_again(root: DataRoot, config: PipelineConfig) -> list[ScoredOtherwise]:
    """Those of the active lineage that are to be scored again, and can be."""
    return [it for it in _of_active(root, config) if it.hindrance is None]


def scored_otherwise_sentences(root: DataRoot, config: PipelineConfig) -> list[str]:
    """What is to be said of the active lineage."""
    return sentences_of(_of_active(root, config))


def _of_active(root: DataRoot, config: PipelineConfig) -> list[ScoredOtherwise]:
    looked = (scored_otherwise(root, it, config) for it in scan_checkpoints(root))
    return [it for it in looked if it]


def sentences_of(found: Sequence[ScoredOtherwise]) -> list[str]:
    """What is to be said of them."""
    by_how: dict[str, list[str]] = defaultdict(list)
    for item in found:
        if item.hindrance is None:
            by_how[item.how].append(item.name)
    due = [
        f"{few(names)}: scored {how}; the configuration asks otherwise, and lofi run scores them again."
        for how, names in by_how.items()
    ]
    return due + [
        f"{item.name}: scored {item.how}; the configuration asks otherwise, but it can't be scored again: {item.hindrance}."
        for item in found
        if item.hindrance
    ]


@dataclass(frozen=True)
class _Asked:
    """What the configuration has scores of a checkpoint depend on."""

    embedder: str
    weights_sha256: str | None
    """Of files that the user brought; None where there are none."""
    clip_scorers: tuple[str, ...]
    ends: bool
    prompts_sha256: str | None
    """None: not known, because the data set version is not here."""

    @classmethod
    def of(cls, root: DataRoot, record: CheckpointRecord, settings: EvaluationSettings) -> _Asked:
        files = [] if missing_weights(settings) else user_files(settings)
        facts = _of_version(root, record, settings)
        return cls(
            embedder=settings.embedder,
            weights_sha256=files_sha256(files, known_hashes(root)) if files else None,
            clip_scorers=tuple(sorted(settings.clip_scorers)),
            ends=settings.reference != "validation" and (facts is None or facts.has_ends),
            prompts_sha256=facts.prompts_sha256 if facts else None,
        )

    def differences(self, scores: Scores) -> list[str]:
        """In what scores were made otherwise."""
        key, precision = scores.key, scores.precision
        found = []
        if key.embedder != self.embedder:
            found.append(f"by {key.embedder}, not by {self.embedder}")
        elif self.weights_sha256 not in (None, key.embedder_sha256):
            found.append(f"with other weights of {self.embedder}")
        if bool(precision and precision.reference_ends) != self.ends:
            found.append("against another reference")
        if scorers_in(key.versions) != self.clip_scorers:
            found.append("with other clip scorers")
        if self.takes_other_clips(key):
            found.append("on other clips")
        return found

    def takes_other_clips(self, key: ScoreKey) -> bool:
        """Whether prompts, seeds or sampling are others, so that clips are to be generated."""
        return self.prompts_sha256 not in (None, key.prompts_sha256)


def _hindrance(root: DataRoot, scores: Scores, asked: _Asked) -> str | None:
    """Why a checkpoint without weights can't be scored from its clips."""
    if asked.takes_other_clips(scores.key):
        return "that takes other clips, and its weights were pruned"
    if not made_by_present_versions(scores.key):
        return "other versions of diffusers or torch made its clips, and its weights were pruned"
    if changed := changed_clips(root, scores.samples):
        return f"its weights were pruned, and {few(changed)} changed or missing; take that back from a backup"
    return None


class _VersionFacts(NamedTuple):
    prompts_sha256: str
    has_ends: bool
    """Whether a training track is long enough to have a held-out end."""


def _of_version(
    root: DataRoot, record: CheckpointRecord, settings: EvaluationSettings
) -> _VersionFacts | None:
    """What scores depend on that follows from the data set version that a checkpoint was trained on; None: it is not here."""
    path, lineage = root.dataset_version(record.checkpoint.dataset_hash), record.lineage
    known = path, file_stamp(path), settings.model_dump_json(), repr(lineage.trigger), lineage.held_out_ends
    if known not in _versions:
        try:
            _versions[known] = _read_version(path, settings, lineage)
        except (OSError, RecordError, ReferenceMissing):
            return None
    return _versions[known]


def _read_version(path: Path, settings: EvaluationSettings, lineage: Lineage) -> _VersionFacts:
    version, ends = read_record(DatasetVersion, path), lineage.held_out_ends
    digest = prompts_sha256(evaluation_prompts(version, settings, lineage.trigger), settings)
    of_training = version.side(Split.TRAIN)
    return _VersionFacts(digest, ends is None or any(ends.start(it.track.duration) for it in of_training))


def _suited(root: DataRoot, record: CheckpointRecord, config: PipelineConfig) -> EvaluationSettings | None:
    """The settings that a checkpoint would be scored with, `auto` resolved; None where its base is not here, and so it can't be."""
    configured, asked = base_name(config), config.evaluation
    base = base_of(root, record.lineage, configured)
    if base == configured and shown_name(base) != record.lineage.base.name:
        return None
    known = asked.model_dump_json(), str(sorted(asked.model_fields_set)), base
    if known not in _suited_before:
        try:
            if not is_here(base):
                return None
            _suited_before[known] = suiting(asked, base)
        except BaseModelError:
            return None
    return chosen(_suited_before[known], base, known_hashes(root))


_versions: dict[tuple[object, ...], _VersionFacts] = {}
"""A version of many tracks takes seconds to read, and a sensor asks every few seconds."""
_suited_before: dict[tuple[str, str, str], EvaluationSettings] = {}
"""A base on the hub is asked for there: once a process."""
