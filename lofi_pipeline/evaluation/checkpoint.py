"""From a checkpoint's folder to its scores, and those of its base model as step 0: made once and kept.

How a pipeline is scored is in score.py, where scores lie is in records.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lofi_pipeline.checkpoints.folder import SAMPLES_FOLDER
from lofi_pipeline.checkpoints.kept import changed_scores, remember_scores
from lofi_pipeline.checkpoints.ledger_entries import enter_scores, were_entered
from lofi_pipeline.checkpoints.manifest import compile_manifest, read_record
from lofi_pipeline.config import EvaluationSettings, Offload
from lofi_pipeline.entities import (
    SCORES_RECORD,
    BaseModelFacts,
    CheckpointRecord,
    DatasetVersion,
    HeldOutEnds,
    HumanEvaluation,
    RecordError,
    SamplesHeard,
    ScoreKey,
    Scores,
    Trigger,
    few,
)
from lofi_pipeline.evaluation.embedders import Embedder, chosen, open_embedder
from lofi_pipeline.evaluation.errors import EvaluationError
from lofi_pipeline.evaluation.kept_clips import (
    changed_clips,
    former_base_scores,
    kept_clips,
    kept_style_clips,
)
from lofi_pipeline.evaluation.key import score_key
from lofi_pipeline.evaluation.prompts import PromptSpec, evaluation_prompts, prompts_sha256
from lofi_pipeline.evaluation.records import (
    base_samples_folder,
    keep_former_scores,
    read_base_scores,
    read_former_scores,
    read_scores,
    write_base_scores,
    write_scores,
)
from lofi_pipeline.evaluation.score import BASE_CHECKPOINT_ID, BASE_STEP, evaluate
from lofi_pipeline.evaluation.style_clips import fixed_style_prompts, heard_in, with_styles
from lofi_pipeline.storage import DataRoot, locked
from lofi_pipeline.training.bases import describe_base, pick_device
from lofi_pipeline.training.variants import suiting

if TYPE_CHECKING:
    from diffusers import AceStepPipeline  # pyright: ignore[reportPrivateImportUsage]

    from lofi_pipeline.evaluation.generate import Clip


@dataclass(frozen=True)
class Evaluated:
    """A checkpoint's scores beside its base's. `fresh`: generated now, not found on disk."""

    record: CheckpointRecord
    scores: Scores
    base: Scores
    fresh: bool


@lru_cache(maxsize=1)
def _open_base(name: str, _sha256: str, device: str, offload: Offload) -> AceStepPipeline:
    """The base in this process: kept for the next checkpoint."""
    from lofi_pipeline.training.in_turn import open_base

    return open_base(name, device=device, offload=offload)


@lru_cache(maxsize=1)
def _open_embedder(settings: str) -> Embedder:
    return open_embedder(EvaluationSettings.model_validate_json(settings))


def evaluate_checkpoint(
    root: DataRoot,
    folder: Path,
    version: DatasetVersion,
    base_name: str,
    settings: EvaluationSettings,
    progress: Callable[[str], None] = lambda message: None,
    *,
    offload: Offload = "auto",
) -> Evaluated:
    """Score the checkpoint in `folder` against the validation split of `version`; the base too, where it was not.

    Scores that are on disk with exactly the key that new ones would have are returned as they are, unless they or the samples
    were changed since. Where the embedder alone is another, the samples that are there are scored again: nothing is generated,
    and no weights are needed; scores that they had before are taken back as they were. `offload`: whether one part of the base is
    in memory at a time, see training.offload.

    Raises:
        CheckpointError: its record cannot be read, or its weights do not load.
        EvaluationError: the checkpoint is not valid, was pruned, or belongs to another base model; or see `evaluate`.
    """
    scoring, record = _Scoring.of(root, folder, version, base_name, settings, progress, offload)
    return scoring.evaluated(folder, record)


def cover_styles(
    root: DataRoot,
    folder: Path,
    version: DatasetVersion,
    base_name: str,
    settings: EvaluationSettings,
    progress: Callable[[str], None] = lambda message: None,
    *,
    offload: Offload = "auto",
) -> Scores:
    """Add style coverage to the scores of the checkpoint in `folder`, which `evaluate_checkpoint` made with these settings.

    Raises:
        CheckpointError, EvaluationError: as `evaluate_checkpoint`.
    """
    scoring, record = _Scoring.of(root, folder, version, base_name, settings, progress, offload)
    scores = scoring.evaluated(folder, record).scores
    if scores.metrics.style_coverage is not None:
        return scores
    record = read_record(folder)  # which remembers other files by now
    scores = scoring.styles_of(folder, record, scores)
    _put_down(root, folder, record, scores)
    return scores


def keep_human_evaluation(root: DataRoot, folder: Path, found: HumanEvaluation) -> Scores:
    """Put what a listening test found into the scores of the checkpoint in `folder`, in place of a former one.

    Raises:
        CheckpointError: its record cannot be read.
        EvaluationError: there are no scores, or they or the samples were changed since they were written.
    """
    record = read_record(folder)
    scores = _whole_scores(folder, record)
    if scores is None:
        raise EvaluationError(
            f"{folder.name}: has no scores, or they or its samples changed since; `lofi run` scores it again"
        )
    heard = scores.metrics.model_copy(update={"human_evaluation": found})
    scores = scores.model_copy(update={"metrics": heard})
    _put_down(root, folder, record, scores)
    return scores


def _with_human_evaluation(scores: Scores, former: Scores | None) -> Scores:
    """What listeners said of a checkpoint stays, whatever embedder scores it."""
    heard = former.metrics.human_evaluation if former else None
    if heard is None:
        return scores
    return scores.model_copy(
        update={"metrics": scores.metrics.model_copy(update={"human_evaluation": heard})}
    )


def _put_down(root: DataRoot, folder: Path, record: CheckpointRecord, scores: Scores) -> None:
    enter_scores(root, folder, record, scores)  # before they are there: nobody would enter them later
    write_scores(folder, scores)
    remember_scores(folder, scores)
    compile_manifest(root, folder.parent)


def _whole_scores(folder: Path, record: CheckpointRecord) -> Scores | None:
    """The scores on disk; None where there are none, or where they or the samples are not what was written of this checkpoint."""
    with suppress(RecordError):
        scores = None if changed_scores(folder, record) else read_scores(folder)
        return scores if scores and scores.step == record.checkpoint.step else None
    return None


def _unscorable(root: DataRoot, former: Scores | None) -> str:
    """Why a checkpoint without weights can't be scored, and what to do."""
    if former and (changed := changed_clips(root, former.samples)):
        return (
            f"its samples are not what was written ({few(changed)} changed or missing), and its weights were pruned; to score it, "
            "take the samples back from a backup"
        )
    return "its weights were pruned; to score it, raise retention.keep_best and train again"


def _require_scorable(folder: Path, record: CheckpointRecord, facts: BaseModelFacts) -> None:
    """Raises: EvaluationError, where a checkpoint is not valid or belongs to another base model."""
    if not record.checkpoint.is_valid:
        raise EvaluationError(
            f"{folder.name}: is not valid ({record.invalid_reason}); mend that, then materialize its lora_checkpoints again"
        )
    if record.lineage.base.sha256 != facts.sha256:
        raise EvaluationError(
            f"{folder.name}: was trained on {record.lineage.base.name}, not on {facts.name}; set training.base to that"
        )


def _ends_that_count(
    folder: Path, record: CheckpointRecord, settings: EvaluationSettings
) -> HeldOutEnds | None:
    """What of training tracks the reference holds. Raises: EvaluationError, where the training held nothing out."""
    if settings.reference == "validation":
        return None
    if record.lineage.held_out_ends is None:
        raise EvaluationError(
            f"{folder.name}: evaluation.reference is {settings.reference}, and its training kept nothing of its tracks out; set "
            f"training.presets.{record.lineage.preset}.holdout_seconds and train again, or evaluation.reference to validation"
        )
    return record.lineage.held_out_ends


@dataclass(frozen=True)
class _Scoring:
    """All that scores of one data set version and one base model depend on."""

    root: DataRoot
    version: DatasetVersion
    base_name: str
    facts: BaseModelFacts
    embedder: Embedder
    settings: EvaluationSettings
    trigger: Trigger | None
    prompts: list[PromptSpec]
    key: ScoreKey
    ends: HeldOutEnds | None
    progress: Callable[[str], None]
    offload: Offload

    @classmethod
    def of(
        cls,
        root: DataRoot,
        folder: Path,
        version: DatasetVersion,
        base_name: str,
        settings: EvaluationSettings,
        progress: Callable[[str], None],
        offload: Offload,
    ) -> tuple[_Scoring, CheckpointRecord]:
        """With the record of the checkpoint in `folder`. Raises: as `evaluate_checkpoint`."""
        record, facts = read_record(folder), describe_base(base_name)
        _require_scorable(folder, record, facts)
        settings, trigger = chosen(suiting(settings, base_name), base_name), record.lineage.trigger
        prompts = evaluation_prompts(version, settings, trigger)
        embedder = _open_embedder(settings.model_dump_json())
        ends = _ends_that_count(folder, record, settings)
        key = score_key(root, version, embedder, settings, prompts=prompts, ends=ends)
        scoring = cls(
            root,
            version,
            base_name,
            facts,
            embedder,
            settings,
            trigger,
            prompts,
            key,
            ends,
            progress,
            offload,
        )
        return scoring, record

    def evaluated(self, folder: Path, record: CheckpointRecord) -> Evaluated:
        """The checkpoint's scores: those on disk where they are whole and have this key, else new ones, which are put down."""
        base = self.of_base()
        kept = _whole_scores(folder, record)
        if kept is not None and kept.key == self.key:
            # Whoever wrote them was killed, or is older than this memory
            if SCORES_RECORD not in record.kept_files:
                remember_scores(folder, kept)
            return Evaluated(record, kept, base, fresh=False)
        if kept:
            keep_former_scores(self.root, record.partition_key, folder, kept.key)
        clips = self.clips_of(kept)
        if record.pruned and clips is None:
            raise EvaluationError(f"{folder.name}: {_unscorable(self.root, kept)}")
        scores = self.brought_back(record) if clips is not None else None
        if scores is None:
            scores = self.of_checkpoint(folder, record, clips, kept)
        if (
            clips is not None
            and kept
            and scores.styles is None
            and (style_clips := self.style_clips_of(kept))
        ):
            scores = self.styles_of(folder, record, scores, style_clips, kept)
        scores = _with_human_evaluation(scores, kept)
        _put_down(self.root, folder, record, scores)
        return Evaluated(record, scores, base, fresh=True)

    def brought_back(self, record: CheckpointRecord) -> Scores | None:
        """The scores with this key that gave way to others, where they are what was entered then, and of the clips that are there."""
        found = read_former_scores(self.root, record.partition_key, self.key)
        if found is None:
            return None
        scores, digest = found
        samples = scores.all_samples
        is_whole = all(it.sha256 for it in samples) and not changed_clips(self.root, samples)
        if not is_whole or not were_entered(self.root, record, digest):
            return None
        if scores.step != record.checkpoint.step or scores.key != self.key:
            return None
        self.progress(f"{record.checkpoint.checkpoint_id}: taking back the scores that its samples had")
        return scores

    def clips_of(self, former: Scores | None) -> list[Clip] | None:
        """The clips that were generated for former scores, where they can be scored again."""
        return kept_clips(self.root, former, self.key, self.prompts)

    def style_clips_of(self, former: Scores) -> list[Clip] | None:
        """Those of styles."""
        digest = prompts_sha256(self.style_prompts, self.settings)
        return kept_style_clips(self.root, former, self.key, self.style_prompts, digest)

    @property
    def style_prompts(self) -> list[PromptSpec]:
        """One or more of each style preset."""
        return fixed_style_prompts(self.version, self.settings, self.trigger)

    def of_checkpoint(
        self, folder: Path, record: CheckpointRecord, kept: list[Clip] | None, former: Scores | None
    ) -> Scores:
        """Generate and score with the checkpoint's LoRA, and leave the base without it; or score the clips that are kept."""
        step, checkpoint_id = record.checkpoint.step, record.checkpoint.checkpoint_id
        if kept is not None:
            self.progress(f"{checkpoint_id}: scoring its samples again")
            heard = heard_in(former.heard, kept) if former else None
            return self._evaluate(None, step, checkpoint_id, folder / SAMPLES_FOLDER, kept=kept, heard=heard)
        with self._with_lora(folder) as pipeline:
            return self._evaluate(
                pipeline,
                step,
                checkpoint_id,
                folder / SAMPLES_FOLDER,
                # Former scores go first: whatever kills us, none are left beside samples of others.
                before_samples=lambda: (folder / SCORES_RECORD).unlink(missing_ok=True),
            )

    def styles_of(
        self,
        folder: Path,
        record: CheckpointRecord,
        scores: Scores,
        kept: list[Clip] | None = None,
        former: Scores | None = None,
    ) -> Scores:
        """The scores with style coverage, of clips that are generated with the checkpoint's LoRA, or kept from `former` ones."""
        heard = heard_in(former.heard, kept) if former and kept else None
        if kept is None:
            self.progress(f"{record.checkpoint.checkpoint_id}: generating clips of every style")
        with self._with_lora(folder) if kept is None else nullcontext() as pipeline:
            return with_styles(
                self.root,
                self.version,
                pipeline,
                self.embedder,
                self.settings,
                scores,
                prompts=self.style_prompts,
                samples_dir=folder / SAMPLES_FOLDER,
                progress=self.progress,
                kept=kept,
                heard=heard,
            )

    @contextmanager
    def _with_lora(self, folder: Path) -> Iterator[AceStepPipeline]:
        """The base with a checkpoint's LoRA while the block goes on."""
        from lofi_pipeline.training.weights import load_checkpoint_into

        pipeline: Any = self._open_base()
        try:
            load_checkpoint_into(pipeline, folder)
            yield pipeline
        finally:
            pipeline.unload_lora_weights()

    def of_base(self) -> Scores:
        """The base model without LoRA, scored the same way: once for each key."""
        with locked(self.root.metadata / "base_scores"):
            with suppress(RecordError):  # damaged: they are made again
                kept = read_base_scores(self.root, self.facts.sha256, self.key)
                if kept is not None:
                    return kept
            self.progress(f"scoring the base model {self.facts.name} as step 0")
            samples = base_samples_folder(self.root, self.facts.sha256, self.key)
            former = former_base_scores(self.root, self.facts.sha256, self.key)
            clips = self.clips_of(former)
            heard = former.heard if former and clips else None
            pipeline = self._open_base() if clips is None else None
            scores = self._evaluate(pipeline, BASE_STEP, BASE_CHECKPOINT_ID, samples, kept=clips, heard=heard)
            write_base_scores(self.root, self.facts.sha256, scores)
            return scores

    def _open_base(self) -> AceStepPipeline:
        return _open_base(self.base_name, self.facts.sha256, pick_device(), self.offload)

    def _evaluate(
        self,
        pipeline: AceStepPipeline | None,
        step: int,
        checkpoint_id: str,
        samples: Path,
        before_samples: Callable[[], None] = lambda: None,
        kept: list[Clip] | None = None,
        heard: SamplesHeard | None = None,
    ) -> Scores:
        return evaluate(
            self.root,
            self.version,
            pipeline,
            self.embedder,
            self.settings,
            step=step,
            checkpoint_id=checkpoint_id,
            prompts=self.prompts,
            samples_dir=samples,
            progress=self.progress,
            before_samples=before_samples,
            kept=kept,
            heard=heard,
            ends=self.ends,
        )
