"""What the shipped nano models can do, in figures: python -m lofi_pipeline.pretraining.measure

The prompts are held out: their seeds and their wordings were never trained on. Writes docs/nano-measurements.json.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lofi_pipeline.demo.distributions import Example, Kind, draw
from lofi_pipeline.demo.drop import STYLES
from lofi_pipeline.demo.synth import render
from lofi_pipeline.evaluation.embedders.nano import NanoEmbedder
from lofi_pipeline.evaluation.frechet import frechet_distance
from lofi_pipeline.pretraining import corpus, labels
from lofi_pipeline.pretraining.base import BASE_FOLDER, EMBEDDER_FOLDER
from lofi_pipeline.pretraining.base_objective import LYRICS
from lofi_pipeline.pretraining.listen import octave_error, tempo
from lofi_pipeline.training.weights import load_checkpoint_into

REPORT = Path(__file__).parents[2] / "docs" / "nano-measurements.json"
SECONDS, GROUP = 5.0, 8


def held_out(kind: Kind, count: int, known: set[str], styles: tuple[str, ...] = ()) -> list[Example]:
    """Examples whose prompts name a tempo and are not among the `known` ones; of some styles where they are given."""
    found: list[Example] = []
    seed = 2 * corpus.HELD_OUT
    while len(found) < count:
        example = draw(kind, seed, SECONDS)
        wanted = not styles or example.style_id in styles
        if wanted and " bpm" in example.prompt and example.prompt not in known:
            found.append(example)
        seed += 1
    return found


def generate(
    pipeline: Any, prompts: list[str], seed: int, steps: int, guidance: float
) -> NDArray[np.float32]:
    """Clips, mono float32 [prompts, frames] at the codec's rate, in batches of eight, tempo given by the tag alone."""
    clips = []
    for start in range(0, len(prompts), GROUP):
        part = prompts[start : start + GROUP]
        noise = [torch.Generator().manual_seed(seed + start + i) for i in range(len(part))]
        audio = pipeline(
            prompt=part, lyrics=[LYRICS] * len(part), audio_duration=SECONDS, num_inference_steps=steps,
            guidance_scale=guidance, generator=noise,
        ).audios  # fmt: skip
        clips.append(audio.mean(1).numpy())
    return np.concatenate(clips)


def following(
    embedder: NanoEmbedder, clips: NDArray[np.float32], examples: list[Example]
) -> dict[str, float]:
    """How well clips follow the prompts of `examples`: own prompt first of eight, tempo within 8 %, mean cosine."""
    audio = embedder.embed_audio(clips)
    text = embedder.embed_text([example.prompt for example in examples])
    first = []
    for start in range(0, len(clips), GROUP):
        similar = audio[start : start + GROUP] @ text[start : start + GROUP].T
        first += (similar.argmax(1) == np.arange(len(similar))).tolist()
    errors = [
        octave_error(tempo(clip, embedder.sample_rate), e.spec.bpm)
        for clip, e in zip(clips, examples, strict=True)
    ]
    return {
        "own prompt first of 8": round(float(np.mean(first)), 3),
        "tempo within 8 %": round(float(np.mean(np.array(errors) <= 1.08)), 3),
        "clap": round(float((audio * text).sum(1).mean()), 3),
        "clap shuffled": round(float((audio * np.roll(text, 3, axis=0)).sum(1).mean()), 3),
    }


def contrasts(
    pipeline: Any, embedder: NanoEmbedder, examples: list[Example], steps: int, guidance: float
) -> dict[str, Any]:
    """The same seed with one tag changed: how often each of the two clips fits its own prompt better than the other's."""
    rng, figures = np.random.default_rng(5), {}
    for what in ("instrument", "mood", "tempo"):
        pairs = []
        for example in examples:
            tags = example.prompt.split(", ")
            places = [i for i, tag in enumerate(tags) if _kind(tag) == what]
            if places:
                other = labels.other_tag(tags[places[0]], rng)
                pairs.append(
                    (example.prompt, ", ".join([*tags[: places[0]], str(other), *tags[places[0] + 1 :]]))
                )
        left = generate(pipeline, [a for a, _ in pairs], 77, steps, guidance)
        right = generate(pipeline, [b for _, b in pairs], 77, steps, guidance)
        text = [embedder.embed_text([p[side] for p in pairs]) for side in (0, 1)]
        audio = [embedder.embed_audio(side) for side in (left, right)]
        wins = [
            float((a * own).sum() > (a * other).sum())
            for a, own, other in [*zip(audio[0], text[0], text[1]), *zip(audio[1], text[1], text[0])]
        ]
        differs = np.abs(left - right).mean() / np.abs(left).mean()
        figures[what] = {"pairs": len(pairs), "fits its own prompt": round(float(np.mean(wins)), 3), "relative difference": round(float(differs), 3)}  # fmt: skip
    return figures


def _kind(tag: str) -> str:
    if tag.endswith(" bpm"):
        return "tempo"
    if any(tag in role for role in labels.ROLES):
        return "instrument"
    return "mood" if tag in labels.MOODS else "other"


def reference(examples: list[Example]) -> NDArray[np.float32]:
    """Two windows of each of `examples`, mono float32 [2 x examples, frames]."""
    long = [render(replace(example.spec, seconds=15.0), corpus.RATE).samples.mean(0) for example in examples]
    frames = int(SECONDS * corpus.RATE)
    return np.stack([clip[start : start + frames] for clip in long for start in (0, 2 * frames)])


def load(folder: Path) -> Any:
    """The pipeline in `folder`, in float32."""
    from diffusers import AceStepPipeline

    import lofi_pipeline.training.nano.codec  # noqa: F401 - diffusers only loads classes that are imported

    pipeline = AceStepPipeline.from_pretrained(folder, torch_dtype=torch.float32, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """All figures, in the order they are worked out; the adapted model comes last."""
    torch.set_num_threads(arguments.threads)
    embedder, pipeline = NanoEmbedder.load(Path(arguments.embedder)), load(Path(arguments.base))
    known = {draw("bright", seed, SECONDS).prompt for seed in range(arguments.pieces)}
    bright = held_out("bright", arguments.clips, known)
    steps, guidance = arguments.steps, arguments.guidance
    report: dict[str, Any] = {
        "settings": {"inference_steps": steps, "guidance_scale": guidance, "clips": len(bright)}
    }
    began = time.time()
    clips = generate(pipeline, [example.prompt for example in bright], 0, steps, guidance)
    report["seconds a clip"] = round((time.time() - began) / len(clips), 2)
    report["base, bright prompts"] = following(embedder, clips, bright)
    real = np.stack([render(e.spec, corpus.RATE).samples.mean(0) for e in bright])
    report["rendered audio, the same prompts"] = following(embedder, real, bright)
    _show(report)
    if not arguments.quick:
        report["base, same seed with one tag changed"] = contrasts(
            pipeline, embedder, bright[:24], steps, guidance
        )
        _show(report)
    if arguments.checkpoint:
        report |= _adapted(pipeline, embedder, arguments)
    return report


def _adapted(pipeline: Any, embedder: NanoEmbedder, arguments: argparse.Namespace) -> dict[str, Any]:
    """The base and then a LoRA checkpoint of the demo, on held-out prompts of the demo's styles."""
    examples = held_out("preset", 2 * arguments.clips, set(), styles=STYLES)
    asked, others = examples[: arguments.clips], examples[arguments.clips :]
    target = embedder.embed_audio(reference(others))
    real = np.stack([render(e.spec, corpus.RATE).samples.mean(0) for e in asked])
    floor = round(frechet_distance(embedder.embed_audio(real), target), 4)
    prompts, settings = [example.prompt for example in asked], (arguments.steps, arguments.guidance)
    report: dict[str, Any] = {
        "rendered audio, lofi prompts": {"fad": floor, **following(embedder, real, asked)}
    }
    for name in ("base", "LoRA"):
        if name == "LoRA":
            load_checkpoint_into(pipeline, Path(arguments.checkpoint))
        clips = generate(pipeline, prompts, 0, *settings)
        fad = round(frechet_distance(embedder.embed_audio(clips), target), 4)
        report[f"{name}, lofi prompts"] = {"fad": fad, **following(embedder, clips, asked)}
        _show(report)
    return report


def _show(report: dict[str, Any]) -> None:
    print(json.dumps(report, indent=1), flush=True)


def main() -> None:
    """Measure, print and write the report."""
    parser = argparse.ArgumentParser(prog="python -m lofi_pipeline.pretraining.measure", description=__doc__)
    parser.add_argument("--base", default=str(BASE_FOLDER))
    parser.add_argument("--embedder", default=str(EMBEDDER_FOLDER))
    parser.add_argument("--out", default=str(REPORT))
    parser.add_argument("--clips", type=int, default=64)
    parser.add_argument("--steps", type=int, default=16)
    parser.add_argument("--guidance", type=float, default=4.0)
    parser.add_argument("--checkpoint", help="a LoRA checkpoint of the demo, to measure against the base")
    parser.add_argument(
        "--pieces", type=int, default=10_000, help="training pieces, whose prompts are left out"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="only the base's clips")
    arguments = parser.parse_args()
    report = measure(arguments)
    Path(arguments.out).parent.mkdir(parents=True, exist_ok=True)
    Path(arguments.out).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
