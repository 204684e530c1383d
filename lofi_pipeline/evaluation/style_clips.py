"""Style coverage of one checkpoint: clips of every style preset are generated, recognised, listened to for copies, and kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lofi_pipeline.config import EvaluationSettings
from lofi_pipeline.entities import DatasetVersion, SamplesHeard, Scores, StyleClips, Trigger
from lofi_pipeline.evaluation.clip_scores import clip_by_prompt, require_finite
from lofi_pipeline.evaluation.embedders import open_text_embedder
from lofi_pipeline.evaluation.embedders.protocol import Embedder
from lofi_pipeline.evaluation.heard import hear, memorised, sample_name
from lofi_pipeline.evaluation.prompts import PromptSpec, prompts_sha256, style_prompts
from lofi_pipeline.evaluation.score import generated, write_samples
from lofi_pipeline.evaluation.styles import LEVEL, nearest_of, outcomes, rank_styles
from lofi_pipeline.evaluation.threads import scoring_threads
from lofi_pipeline.storage import DataRoot
from lofi_pipeline.styles import load_presets, load_vocabulary

if TYPE_CHECKING:
    from diffusers import AceStepPipeline  # pyright: ignore[reportPrivateImportUsage]

    from lofi_pipeline.evaluation.generate import Clip


def fixed_style_prompts(
    version: DatasetVersion, settings: EvaluationSettings, trigger: Trigger | None = None
) -> list[PromptSpec]:
    """The prompts of the configured presets."""
    return style_prompts(version, settings, load_presets(), load_vocabulary(), trigger)


@scoring_threads()
def with_styles(
    root: DataRoot,
    version: DatasetVersion,
    pipeline: AceStepPipeline | None,
    embedder: Embedder,
    settings: EvaluationSettings,
    scores: Scores,
    *,
    prompts: list[PromptSpec],
    samples_dir: Path,
    progress: Callable[[str], None] = lambda message: None,
    kept: list[Clip] | None = None,
    heard: SamplesHeard | None = None,
) -> Scores:
    """The scores of a checkpoint and its style coverage, whose clips lie in `samples_dir` then. `kept`, `heard`: as for `evaluate`.

    Raises:
        NotFinite: the model makes NaN or infinity; nothing is written.
    """
    text_embedder = open_text_embedder(embedder)
    clips = kept or generated(root, pipeline, prompts, settings, progress)
    require_finite(clips)
    style_of_clip = [str(clip.spec.style_id) for clip in clips]
    words = {str(spec.style_id): spec.prompt for spec in prompts}
    cosines = clip_by_prompt(clips, list(words.values()), text_embedder, settings, root)
    ranks, by_chance = rank_styles(cosines, style_of_clip)
    columns = {style: column for column, style in enumerate(words)}
    own = [float(row[columns[style]]) for row, style in zip(cosines, style_of_clip, strict=True)]
    heard = heard or hear(root, version, pipeline, clips, progress)
    styles = StyleClips(
        prompts_sha256=prompts_sha256(prompts, settings),
        nearest=nearest_of(len(words)),
        level=LEVEL,
        by_chance=by_chance,
        styles=ranks,
        samples=write_samples(root, samples_dir, clips, own),
    )
    coverage = outcomes(clips, ranks, settings)
    found = sum(outcome.recognizable for outcome in coverage.values())
    progress(
        f"{scores.metrics.checkpoint_id}: {found} of {len(coverage)} styles recognised ({by_chance:.1f} by chance)"
    )
    return scores.model_copy(
        update={
            "metrics": scores.metrics.model_copy(update={"style_coverage": coverage}),
            "styles": styles,
            "heard": _beside(scores.heard, heard),
            "memorised": [*(scores.memorised or ()), *memorised(heard, clips)],
        }
    )


def heard_in(heard: SamplesHeard | None, clips: Sequence[Clip]) -> SamplesHeard | None:
    """What was heard in these clips alone."""
    names = {sample_name(clip) for clip in clips}
    return heard and heard.model_copy(
        update={"passages": [passage for passage in heard.passages if passage.sample in names]}
    )


def _beside(heard: SamplesHeard | None, of_styles: SamplesHeard) -> SamplesHeard:
    """Copies in clips of styles count like those in others; what else was heard in them does not."""
    if heard is None:
        return of_styles
    return heard.model_copy(update={"passages": [*heard.passages, *of_styles.passages]})
