"""The scores of a pipeline: FAD against the validation split, and text-audio alignment.

Which styles it can make is in style_clips.py. Where they are kept is in records.py; from a checkpoint's folder to its scores is in checkpoint.py.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soundfile

from lofi_pipeline.config import EvaluationSettings
from lofi_pipeline.entities import (
    DatasetVersion,
    HeldOutEnds,
    Nearness,
    QualityMetrics,
    Sample,
    SamplesHeard,
    ScoreKey,
    Scores,
    checkpoint_id_of,
    now,
)
from lofi_pipeline.evaluation.clip_scorers import judge_clips
from lofi_pipeline.evaluation.clip_scores import ClipScores, require_finite, score_clips
from lofi_pipeline.evaluation.clip_vectors import embed_clips
from lofi_pipeline.evaluation.copies.nearest import nearness, training_vectors
from lofi_pipeline.evaluation.embedders import open_text_embedder
from lofi_pipeline.evaluation.embedders.protocol import Embedder
from lofi_pipeline.evaluation.errors import EvaluationError
from lofi_pipeline.evaluation.heard import hear, memorised, sample_name
from lofi_pipeline.evaluation.key import score_key
from lofi_pipeline.evaluation.pace import Pace
from lofi_pipeline.evaluation.prompts import PromptSpec, evaluation_prompts
from lofi_pipeline.evaluation.reference import Reference, floor_fad, load_reference
from lofi_pipeline.evaluation.threads import scoring_threads
from lofi_pipeline.evaluation.windows import window_seconds
from lofi_pipeline.storage import DataRoot, file_sha256, write_bytes_atomic

if TYPE_CHECKING:
    from diffusers import AceStepPipeline  # pyright: ignore[reportPrivateImportUsage]

    from lofi_pipeline.evaluation.generate import Clip

BASE_STEP = 0
BASE_CHECKPOINT_ID = checkpoint_id_of(BASE_STEP)


@scoring_threads()
def evaluate(
    root: DataRoot,
    version: DatasetVersion,
    pipeline: AceStepPipeline | None,
    embedder: Embedder,
    settings: EvaluationSettings,
    *,
    step: int,
    checkpoint_id: str,
    samples_dir: Path,
    progress: Callable[[str], None] = lambda message: None,
    text_embedder: Embedder | None = None,
    prompts: list[PromptSpec] | None = None,
    before_samples: Callable[[], None] = lambda: None,
    kept: list[Clip] | None = None,
    heard: SamplesHeard | None = None,
    ends: HeldOutEnds | None = None,
) -> Scores:
    """Generate the fixed prompts with `pipeline`, score the clips, and write them as FLAC files into `samples_dir`.

    The base model is scored like any checkpoint, without a LoRA: step BASE_STEP, id BASE_CHECKPOINT_ID. `text_embedder`
    judges prompts: by default `embedder` itself where it knows text, else nano. `samples_dir` lies in the data root;
    `before_samples` is called once all is scored, before the first file is written there. `kept`: clips that were generated
    before (kept_clips.py) are scored in place of new ones, and stay where they are; no pipeline is needed for that. `heard`: what
    was heard in them then, which is not listened for again. `ends`: what of training tracks counts to the reference.

    Raises:
        NotFinite: the model makes NaN or infinity; nothing is written.
        ReferenceMissing: the validation split is empty or its files are gone.
        TooFewWindows: too little audio on a side.
    """
    text_embedder = text_embedder or open_text_embedder(embedder)
    prompts = evaluation_prompts(version, settings) if prompts is None else prompts
    key = score_key(
        root, version, embedder, settings, text_embedder=text_embedder, prompts=prompts, ends=ends
    )
    seconds = window_seconds(embedder, settings.clip_seconds)
    reference = load_reference(root, version, embedder, seconds, progress, ends=ends)
    clips = generated(root, pipeline, prompts, settings, progress) if kept is None else kept
    require_finite(clips)
    found = score_clips(clips, reference, embedder, text_embedder, settings, root)
    judged = judge_clips(clips, settings)
    heard = heard or hear(root, version, pipeline, clips, progress)
    before_samples()
    samples = write_samples(root, samples_dir, clips, found.clap_of_clip)
    progress(
        f"{checkpoint_id}: FAD {found.fad:.4f}, text-audio {found.clap:.4f} (chance {found.clap_shuffled:.4f})"
    )
    scores = _scores(step, checkpoint_id, key, found, reference, samples)
    near = _nearness(root, version, embedder, clips, seconds, progress)
    said = {"memorised": memorised(heard, clips), "heard": heard, "nearness": near}
    return scores.model_copy(update=said | {"clip_scores": judged or None})


def _nearness(
    root: DataRoot,
    version: DatasetVersion,
    embedder: Embedder,
    clips: Sequence[Clip],
    seconds: float,
    progress: Callable[[str], None],
) -> Nearness | None:
    names = [sample_name(clip) for clip in clips]
    training = training_vectors(root, version, embedder, seconds, progress)
    return nearness(names, embed_clips(clips, embedder, seconds, root), training, embedder)


def generated(
    root: DataRoot,
    pipeline: AceStepPipeline | None,
    prompts: list[PromptSpec],
    settings: EvaluationSettings,
    progress: Callable[[str], None],
) -> list[Clip]:
    """A clip for each prompt; how long they will take is told first. Raises: ValueError, without a pipeline."""
    from lofi_pipeline.evaluation.generate import generate

    if pipeline is None:
        raise ValueError("without clips that are kept, a pipeline is needed")
    pace, began = Pace(root, pipeline, settings), time.monotonic()
    progress(pace.said(len(prompts)))
    clips = generate(pipeline, prompts, settings, progress)
    pace.note(len(clips), time.monotonic() - began)
    return clips


def _scores(
    step: int,
    checkpoint_id: str,
    key: ScoreKey,
    found: ClipScores,
    reference: Reference,
    samples: list[Sample],
) -> Scores:
    """What scores.json says."""
    return Scores(
        metrics=QualityMetrics(
            checkpoint_id=checkpoint_id,
            evaluation_date=now(),
            fad_score=found.fad,
            clap_score=found.clap,
        ),
        step=step,
        key=key,
        clap_shuffled=found.clap_shuffled,
        floor_fad=floor_fad(reference),
        reference_windows=len(reference.embeddings),
        generated_windows=found.windows,
        samples=samples,
        precision=found.precision,
        fad_leaving_out=found.leaving_out,
    )


def write_samples(root: DataRoot, folder: Path, clips: list[Clip], claps: Sequence[float]) -> list[Sample]:
    """Write every clip into `folder` that is in no file yet; returns what scores.json says of each.

    Raises:
        EvaluationError: the folder is a link, as one in a checkpoint from elsewhere may be.
    """
    if folder.is_symlink():
        raise EvaluationError(
            f"{folder}: is a link, and would be written through; remove it and evaluate again"
        )
    paths = [clip.path or write_sample(folder, clip) for clip in clips]
    return [
        Sample(
            prompt=clip.spec.prompt,
            style_id=clip.spec.style_id,
            seed=clip.spec.seed,
            path=root.relative(path),
            clap=clap,
            sha256=file_sha256(path),
        )
        for clip, path, clap in zip(clips, paths, claps, strict=True)
    ]


def write_sample(folder: Path, clip: Clip) -> Path:
    """Write a clip as 16-bit FLAC named after its prompt, whole or not at all."""
    path = folder / sample_name(clip)
    music = io.BytesIO()  # written to a file, libsndfile does not say why it could not be
    soundfile.write(
        music, np.clip(clip.samples.T, -1.0, 1.0), clip.sample_rate, format="FLAC", subtype="PCM_16"
    )
    write_bytes_atomic(path, music.getvalue())
    return path
