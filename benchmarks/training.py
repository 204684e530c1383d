"""What a step of the LoRA training costs: seconds, tokens a second, share of the machine's matrix rate, memory, overhead.

    python -m benchmarks.training [--size nano|toy|2b|xl] [--device cpu|cuda] [--crops 30 60 240] [--batches 1 4 8]
        [--variants plain encode checkpointing compile] [--cases 60x8:plain 60x8:compile] [--budget-s 300] [--output FILE]
        [--profile FILE]

Runs the trainer's own step on a base model with random weights (nano: the shipped one) and a made-up cache of latents.
Prints a row as soon as it is measured. `encode`: crops are encoded at every step instead of being read from the cache.
`MFU`: model FLOPs of a step (nothing computed twice counts) against a matrix product that is timed first. `overhead`: the
share of a step that is neither forward nor backward, `draw`: what reading and drawing the next crops takes beside it.
`plan`: what the trainer says a training takes of the GPU's memory; on the CPU the peak is that of the whole process.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import torch

from benchmarks.memory import peak_bytes
from benchmarks.training_step import (
    ANY_HASH,
    LONGEST_TRAINING,
    MeasuredTrainer,
    matrix_rate,
    step_flops,
    synthetic_cache,
)
from lofi_pipeline.config import load_config
from lofi_pipeline.entities import Split, Track, VersionTrack
from lofi_pipeline.storage import DataRoot
from lofi_pipeline.training.bases import load_base, quietly
from lofi_pipeline.training.encoder import Encoder

VARIANTS = ("plain", "encode", "checkpointing", "compile", "compile+checkpointing")
COMPILING_SECONDS = 130
"""What a row that compiles is expected to take at the least."""
HEADER = (
    "crop s", "batch", "variant", "s/step", "tokens/s", "MFU %", "peak GB", "plan GB", "overhead %", "draw ms", "steps",
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One row to measure."""

    crop: float
    batch: int
    variant: str


@dataclass(frozen=True)
class Row:
    """What was measured of a case; `fault` where nothing could be."""

    crop: float
    batch: int
    variant: str
    seconds: float | None = None
    tokens_per_second: float | None = None
    utilisation: float | None = None
    peak_bytes: int | None = None
    planned_bytes: int | None = None
    overhead: float | None = None
    draw_seconds: float | None = None
    steps: int = 0
    fault: str = ""

    def __str__(self) -> str:
        """A line of the table."""
        if self.fault:
            return f"| {self.crop:g} | {self.batch} | {self.variant} | {self.fault} |" + " |" * (
                len(HEADER) - 4
            )
        facts = (
            f"{self.crop:g}", self.batch, self.variant, f"{self.seconds:.4f}", f"{self.tokens_per_second:.0f}",
            f"{100 * (self.utilisation or 0):.1f}", f"{(self.peak_bytes or 0) / 1e9:.2f}",
            f"{(self.planned_bytes or 0) / 1e9:.2f}", f"{100 * (self.overhead or 0):.1f}",
            f"{1000 * (self.draw_seconds or 0):.1f}", self.steps,
        )  # fmt: skip
        return "| " + " | ".join(map(str, facts)) + " |"


class Bench:
    """A base model on a device, and the rows that were measured with it."""

    def __init__(self, given: argparse.Namespace, root: DataRoot) -> None:
        self.root, self.size, self.device, self.tokens = root, given.size, given.device, given.tokens
        self.steps, self.warm_up = given.steps, given.warm_up
        self.until = time.monotonic() + given.budget_s
        self.profile: Path | None = given.profile
        preset = load_config().training.presets["nano" if given.size == "nano" else "ace-step"]
        changes: dict[str, Any] = {"max_steps": LONGEST_TRAINING, "gradient_checkpointing": False}
        if given.precision:
            changes["precision"] = given.precision
        self.preset = preset.model_copy(update=changes)
        self.dtype = torch.bfloat16 if self.preset.precision == "bf16" else torch.float32
        self.rate = matrix_rate(self.device, self.dtype, 8192 if self.device == "cuda" else 2048)

    @property
    def left(self) -> float:
        """Seconds of the budget that are left."""
        return self.until - time.monotonic()

    def measured(self, case: Case) -> Row:
        """The row of a case; whatever goes wrong is a row, too."""
        where = (case.crop, case.batch, case.variant)
        if self.left < (COMPILING_SECONDS if "compile" in case.variant else 0):
            return Row(*where, fault="no time left")
        try:
            return self._measured(case)
        except torch.OutOfMemoryError:
            return Row(*where, fault="out of memory")
        except Exception as error:  # the next row may go well, and what went wrong is worth a row
            return Row(*where, fault=f"{type(error).__name__}: {error}".splitlines()[0][:300])
        finally:
            self._forget()

    def _measured(self, case: Case) -> Row:
        preset = self.preset.model_copy(
            update={
                "crop_seconds": case.crop,
                "batch_size": case.batch,
                "gradient_checkpointing": "checkpointing" in case.variant,
                "compile": "compile" in case.variant,
            }
        )
        pipeline = self._pipeline(whole=case.variant == "encode")
        encoder = Encoder(_copy(pipeline)) if case.variant == "encode" else None
        folder = DataRoot(self.root.path / f"{case.crop:g}-{self.size}")
        encoded = synthetic_cache(folder, pipeline, preset, self.tokens)
        trainer = MeasuredTrainer(folder, pipeline, encoded, preset, self.device)
        if encoder:
            trainer.encode_each_time(encoder, _any_track())
        if self.device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        timings = trainer.measure(self.steps, self.warm_up, self.until)
        peak = self._peak()
        if self.profile:
            _write_profile(trainer, self.profile)
            self.profile = None
        seconds = median(timing.step for timing in timings)
        frames, config = encoded.tracks[0].crop_frames, trainer.transformer.config
        return Row(
            case.crop,
            case.batch,
            case.variant,
            seconds=seconds,
            tokens_per_second=case.batch * (frames // config.patch_size) / seconds,
            utilisation=step_flops(config, frames, self.tokens, case.batch) / seconds / self.rate,
            peak_bytes=peak,
            planned_bytes=trainer.memory.plan.total,
            overhead=median(timing.overhead for timing in timings),
            draw_seconds=median(timing.draw for timing in timings),
            steps=len(timings),
        )

    def _pipeline(self, *, whole: bool) -> Any:
        """The base model, with codec and text encoder if it is to be whole."""
        if self.size == "nano":
            return load_base("nano", device=self.device, dtype=self.dtype, vae_dtype=torch.float32)
        from diffusers import AceStepPipeline

        from lofi_pipeline.pretraining.random_base import (
            SIZES,
            random_base,
            random_condition_encoder,
            random_transformer,
        )

        torch.manual_seed(0)
        with quietly():
            if whole:
                return random_base(self.size, device=self.device, dtype=self.dtype, vae_dtype=torch.float32)
            parts: dict[str, Any] = dict.fromkeys(("vae", "text_encoder", "tokenizer", "scheduler"))
            size = SIZES[self.size]
            for name, make in {
                "transformer": random_transformer,
                "condition_encoder": random_condition_encoder,
            }.items():
                parts[name] = make(size, device=self.device, dtype=self.dtype)
            return AceStepPipeline(**parts)

    def _peak(self) -> int:
        if self.device == "cuda":
            return torch.cuda.max_memory_allocated()
        return peak_bytes()

    def _forget(self) -> None:
        torch.compiler.reset()
        gc.collect()
        if self.device == "cuda":
            torch.cuda.empty_cache()


def _copy(pipeline: Any) -> Any:
    """A pipeline of the same components: the trainer gives up those that it needs no more."""
    return type(pipeline)(**pipeline.components)


def _any_track() -> VersionTrack:
    track = Track(
        track_id="track_001", filename="track_001.wav", audio_path="final/track_001.mp3",
        prompt_path="final/track_001_prompt.txt", lyrics_path="final/track_001_lyrics.txt", duration=60.0, sample_rate=48_000,
        quality_score=80, style_ids=["CORE-01"], source_id="any", split=Split.TRAIN,
    )  # fmt: skip
    return VersionTrack(
        track=track, sha256=ANY_HASH, audio_sha256=ANY_HASH, processing=ANY_HASH,
        prompt="lofi hip hop, mellow, rhodes, boom bap drums, vinyl crackle, 82 bpm, instrumental", lyrics="[instrumental]",
        language="en", bpm=82, keyscale="A minor", time_signature="4", licence="CC0-1.0", source_ids=["any"],
    )  # fmt: skip


def _write_profile(trainer: MeasuredTrainer, path: Path) -> None:
    """What one more step spends its time on, kernel by kernel."""
    activities = [torch.profiler.ProfilerActivity.CPU]
    on_gpu = trainer.accelerator.device.type == "cuda"
    if on_gpu:
        activities.append(torch.profiler.ProfilerActivity.CUDA)
    with torch.profiler.profile(activities=activities) as found:
        trainer.measure(1, 0, float("inf"))
    order = "self_cuda_time_total" if on_gpu else "self_cpu_time_total"
    path.write_text(found.key_averages().table(sort_by=order, row_limit=40, max_name_column_width=90))


def cases(given: argparse.Namespace) -> list[Case]:
    """In the order in which they are measured: as they were named, else variant by variant."""
    return given.cases or [
        Case(crop, batch, variant)
        for variant in given.variants
        for crop in given.crops
        for batch in given.batches
    ]


def _case(text: str) -> Case:
    """A case such as 60x8:plain."""
    size, _, variant = text.partition(":")
    crop, _, batch = size.partition("x")
    if variant not in VARIANTS:
        raise ValueError(f"{text}: {variant!r} is none of {', '.join(VARIANTS)}")
    return Case(float(crop), int(batch), variant)


def main() -> int:
    """Print the table, write the file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", choices=("nano", "toy", "2b", "xl"), default="nano")
    parser.add_argument(
        "--device", choices=("cpu", "cuda"), default="cuda" if torch.cuda.is_available() else "cpu"
    )
    parser.add_argument("--crops", type=float, nargs="+", default=[30.0, 60.0, 240.0], help="seconds")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4, 8])
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=["plain", "checkpointing"])
    parser.add_argument("--cases", type=_case, nargs="+", help="instead of all of these: such as 60x8:plain")
    parser.add_argument("--precision", choices=("fp32", "bf16"), help="else as in the configuration's preset")
    parser.add_argument("--tokens", type=int, default=256, help="of each condition")
    parser.add_argument("--steps", type=int, default=5, help="that are measured for each row")
    parser.add_argument("--warm-up", type=int, default=2, help="steps before them")
    parser.add_argument("--budget-s", type=float, default=600, help="no row begins after so many seconds")
    parser.add_argument("--output", type=Path, help="write all rows as JSON")
    parser.add_argument("--profile", type=Path, help="write what a step of the first row spends its time on")
    given = parser.parse_args()
    began, rows = time.monotonic(), []
    with TemporaryDirectory(prefix="lofi-training-") as folder:
        bench = Bench(given, DataRoot(Path(folder)))
        name = (
            torch.cuda.get_device_name()
            if given.device == "cuda"
            else f"CPU, {torch.get_num_threads()} threads"
        )
        about = {
            "size": given.size, "device": name, "precision": bench.preset.precision, "torch": torch.__version__,
            "matrix_tflops": bench.rate / 1e12, "tokens": given.tokens,
        }  # fmt: skip
        print(", ".join(f"{key} {value}" for key, value in about.items()), end="\n\n")
        print("| " + " | ".join(HEADER) + " |\n" + "|---" * len(HEADER) + "|", flush=True)
        for case in cases(given):
            row = bench.measured(case)
            print(row, flush=True)
            rows.append(asdict(row))
            if given.output:
                given.output.write_text(json.dumps(about | {"rows": rows}, indent=2) + "\n")
    print(f"\n{time.monotonic() - began:.0f} s in all")
    return 0


if __name__ == "__main__":
    sys.exit(main())
