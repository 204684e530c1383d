"""A lineage that was trained and scored, with clips that can be heard: real records, scores and audio, and no model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from lofi_pipeline.checkpoints.loss_log import LOG_NAME, LogEntry
from lofi_pipeline.checkpoints.manifest import LINEAGE_RECORD
from lofi_pipeline.entities import (
    SCORES_RECORD,
    CopiedPassage,
    NearestTrack,
    Nearness,
    Precision,
    Sample,
    SamplesHeard,
    Scores,
    StyleClips,
    StyleOutcome,
    StyleRanks,
)
from lofi_pipeline.evaluation.records import base_samples_folder, write_base_scores
from lofi_pipeline.storage import DataRoot, write_json_atomic
from lofi_pipeline_tests.checkpoints.folders import make_folder, make_lineage, make_record, make_scores

RATE = 48_000
STEPS = (10, 20, 30)
PROMPTS = ("lofi piano, rain", 'jazzhop, <b>saxophone</b> & "drums"', "ambient, bells")
SHORT = make_lineage().lineage[:8]
KEY = {step: make_record(step).partition_key for step in (0, *STEPS)}


def tone(hertz: float, amplitude: float, seconds: float = 1.0) -> np.ndarray:
    """float32 [n, 2]: a tone that swells, with a click so that its peak is no measure of its loudness."""
    at = np.arange(int(seconds * RATE)) / RATE
    wave = amplitude * np.sin(2 * np.pi * hertz * at) * (0.5 + 0.5 * at / seconds)
    wave[100] = min(0.99, amplitude * 2)
    return np.stack([wave, wave], axis=1).astype(np.float32)


def write_clips(folder: Path, step: int) -> list[str]:
    """A clip of each prompt; another note and another level at each step."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"validation-{number:02d}-track_001.flac" for number in range(1, len(PROMPTS) + 1)]
    for number, name in enumerate(names):
        sound = tone(220 * (number + 1) + step, 0.1 + step / 60)
        soundfile.write(folder / name, sound, RATE, subtype="PCM_16")
    return names


def scores_with_clips(root: DataRoot, scores: Scores, folder: Path, names: list[str]) -> Scores:
    samples = [
        Sample(
            prompt=prompt,
            seed=seed,
            path=root.relative(folder / name),
            clap=0.4 + scores.step / 100 + seed / 50,
        )
        for seed, (prompt, name) in enumerate(zip(PROMPTS, names, strict=True), start=1)
    ]
    precision = Precision(
        clips=len(samples),
        reference_tracks=7,
        reference_styles=2,
        fad_se_by_clip=0.02,
        fad_se_by_track=0.03,
        floor=(0.05, 0.08, 0.12),
        floor_windows=3,
    )
    nearest = [
        NearestTrack(name, f"track_00{place}", 0.5 + place / 10) for place, name in enumerate(names, start=1)
    ]
    mean = sum(sample.clap for sample in samples) / len(samples)
    return scores.model_copy(
        update={
            "metrics": scores.metrics.model_copy(update={"clap_score": mean}),
            "samples": samples,
            "precision": precision,
            "nearness": Nearness(embedder="nano", tracks=5, limit=0.75, nearest=nearest),
        }
    )


def make_trained(root: DataRoot) -> DataRoot:
    """A lineage of three checkpoints: FAD falls, the last two are not separable, the first repeats a training track."""
    lineage = make_lineage()
    base = make_scores(0, 0.9, clap=(0.2, 0.3))
    clips = base_samples_folder(root, lineage.base.sha256, base.key)
    write_base_scores(root, lineage.base.sha256, scores_with_clips(root, base, clips, write_clips(clips, 0)))
    for step, fad in zip(STEPS, (0.6, 0.31, 0.3), strict=True):
        folder = make_folder(root, step, fad=fad)
        names = write_clips(folder / "samples", step)
        scores = scores_with_clips(root, make_scores(step, fad, error=0.02), folder / "samples", names)
        if step == 10:
            passage = CopiedPassage(
                sample=names[1], track="track_002", start=0.1, end=0.9, track_start=3.0, correlation=0.99
            )
            scores = scores.model_copy(update={"heard": SamplesHeard(tracks_searched=5, passages=[passage])})
        if step == 30:
            coverage = {"CORE-01": StyleOutcome(generated=True, recognizable=True)}
            coverage["CORE-02"] = StyleOutcome(generated=True, recognizable=False)
            metrics = scores.metrics.model_copy(update={"style_coverage": coverage})
            ranks = {
                style: StyleRanks(ranks=[rank], nearest=["CORE-01"], p_value=0.02 * rank)
                for rank, style in enumerate(coverage, start=1)
            }
            styles = StyleClips(
                prompts_sha256="0" * 64, nearest=5, level=0.05, by_chance=0.1, styles=ranks, samples=[]
            )
            scores = scores.model_copy(update={"metrics": metrics, "styles": styles})
        write_json_atomic(folder / SCORES_RECORD, scores)
    write_json_atomic(root.checkpoints / LINEAGE_RECORD, lineage)
    log = [LogEntry(step=0, validation_loss=0.9)]
    log += [
        LogEntry(step=step, loss=1 / (step + 1), validation_loss=0.9 - step / 100 if step % 10 == 0 else None)
        for step in range(1, 31)
    ]
    text = "".join(entry.model_dump_json(exclude_none=True) + "\n" for entry in log)
    (root.checkpoints / LOG_NAME).write_text(text)
    return root
