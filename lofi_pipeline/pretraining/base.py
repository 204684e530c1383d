"""Train the nano base: python -m lofi_pipeline.pretraining.base --work build/nano

An AceStepPipeline is trained from nothing on synthetic music that is not lofi; only its text encoder starts from the
embedder's text tower. Crops start on the first downbeat, and high-noise steps, where tempo and instruments are decided, get
more than their usual share. Progress is kept in <work>/base.pt: the same command goes on where it was stopped. The losses
are in base_objective.py.
"""

from __future__ import annotations

import argparse
import copy
import csv
import json
import math
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import distributed, nn

from lofi_pipeline.evaluation.embedders.files import NANO_FOLDER as EMBEDDER_FOLDER
from lofi_pipeline.pretraining import corpus
from lofi_pipeline.pretraining.base_objective import FRAMES, Batch, Objective
from lofi_pipeline.pretraining.base_pipeline import build
from lofi_pipeline.training.bases import NANO_FOLDER as BASE_FOLDER

COMPONENTS = ("text_encoder", "transformer", "condition_encoder")
SAVE_EVERY, EXPORT_EVERY, LOG_EVERY = 250, 1000, 50


def learning_rate(step: int, steps: int, peak: float) -> float:
    """Warm up over 100 steps, hold, then fall to a hundredth over the last third."""
    fall = max(0.0, (step / steps - 0.67) / 0.33)
    return peak * min(1.0, (step + 1) / 100) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, fall))))


@dataclass
class _State:
    """What training goes on from. The timbre encoder and the silence are not trained."""

    pipeline: Any
    average: dict[str, dict[str, torch.Tensor]]
    optimiser: torch.optim.Optimizer
    step: int
    history: list[tuple[float, ...]]

    @classmethod
    def begin(cls, pipeline: Any, peak: float) -> _State:
        """Before the first step."""
        pipeline.condition_encoder.timbre_encoder.requires_grad_(False)
        groups = [
            {"params": list(pipeline.text_encoder.parameters()), "share": 0.3},
            {"params": [p for m in (pipeline.transformer, pipeline.condition_encoder) for p in m.parameters() if p.requires_grad], "share": 1.0},
        ]  # fmt: skip
        optimiser = torch.optim.AdamW(groups, lr=peak, weight_decay=0.01, betas=(0.9, 0.98), fused=True)
        average = {name: copy.deepcopy(getattr(pipeline, name).state_dict()) for name in COMPONENTS}
        return cls(pipeline, average, optimiser, 0, [])

    def parameters(self) -> list[nn.Parameter]:
        """All that is trained."""
        return [p for group in self.optimiser.param_groups for p in group["params"]]

    def save(self, path: Path) -> None:
        """Write all of it to `path`, whole or not at all."""
        parts = {name: getattr(self.pipeline, name).state_dict() for name in COMPONENTS}
        temporary = path.with_suffix(".tmp")
        torch.save(
            {"parts": parts, "average": self.average, "optimiser": self.optimiser.state_dict(), "step": self.step, "history": self.history},
            temporary,
        )  # fmt: skip
        temporary.replace(path)

    def load(self, path: Path) -> None:
        """Go on from what `save` wrote."""
        kept = torch.load(path, weights_only=True)
        for name in COMPONENTS:
            getattr(self.pipeline, name).load_state_dict(kept["parts"][name])
        self.average, self.step, self.history = (
            kept["average"],
            kept["step"],
            [tuple(row) for row in kept["history"]],
        )
        self.optimiser.load_state_dict(kept["optimiser"])

    @torch.no_grad()
    def record_step(self, parts: torch.Tensor, norm: torch.Tensor) -> None:
        """Count a step: its losses go into the history, the average of the weights moves towards the weights."""
        self.step += 1
        flow, rhythm, beat = parts.tolist()
        row = (self.step, round(flow, 5), round(rhythm, 4), round(beat, 4), round(float(norm), 3))
        self.history.append(row)
        keep = min(0.999, (1 + self.step) / (10 + self.step))
        for name in COMPONENTS:
            mine = self.average[name]
            live = [
                (mine[key], value)
                for key, value in getattr(self.pipeline, name).named_parameters()
                if value.requires_grad
            ]
            torch._foreach_lerp_([a for a, _ in live], [v.data for _, v in live], 1 - keep)

    def recent_losses(self) -> str:
        """The means of the last steps."""
        loss, rhythm, beat, norm = np.mean([row[1:] for row in self.history[-LOG_EVERY:]], axis=0)
        return f"loss {loss:.4f} rhythm {rhythm:.3f} beat {beat:.3f} norm {norm:.2f}"


def train(arguments: argparse.Namespace) -> None:
    """Train in `arguments.workers` processes of one thread each: they share each batch and meet once a step.

    One process with many threads would meet at every operation, which a busy machine does not forgive.
    """
    _corpus(arguments)  # rendered once, not in each process at once
    if arguments.workers == 1:
        _train(0, arguments, None)
        return
    with tempfile.TemporaryDirectory() as folder:
        meeting = f"file://{folder}/meeting"
        torch.multiprocessing.spawn(_train, args=(arguments, meeting), nprocs=arguments.workers)


def _corpus(arguments: argparse.Namespace) -> corpus.Corpus:
    return corpus.build("bright", 0, arguments.pieces, Path(arguments.work) / "corpus")


def _train(rank: int, arguments: argparse.Namespace, meeting: str | None) -> None:
    """One process's part: its share of each batch, the mean of all gradients, the same step everywhere."""
    world = 1 if meeting is None else arguments.workers
    if meeting is not None:
        distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=world)
    torch.set_num_threads(1 if world > 1 else arguments.threads)
    torch.manual_seed(arguments.seed)
    data, pipeline = _corpus(arguments), build(Path(arguments.embedder))
    state, kept = _State.begin(pipeline, arguments.rate), Path(arguments.work) / "base.pt"
    if kept.exists():
        state.load(kept)
        print(f"going on from step {state.step}", flush=True)
    transformer = (
        torch.compile(pipeline.transformer, dynamic=True) if arguments.compile else pipeline.transformer
    )
    objective, parameters = Objective(pipeline, transformer, data), state.parameters()
    began, start = time.time(), state.step
    while state.step < arguments.steps:
        batch = Batch.draw(arguments.seed, state.step, arguments.batch, len(data.examples)).share(rank, world)
        losses = objective.losses(batch)
        for group in state.optimiser.param_groups:
            group["lr"] = group["share"] * learning_rate(state.step, arguments.steps, arguments.rate)
        state.optimiser.zero_grad()
        losses.total.backward()
        parts = _average(parameters, losses.parts, world) if world > 1 else losses.parts
        norm = nn.utils.clip_grad_norm_(parameters, 1.0)
        if torch.isfinite(norm):
            state.optimiser.step()
        state.record_step(parts, norm)
        if rank:
            continue
        if state.step % LOG_EVERY == 0:
            pace = (time.time() - began) / (state.step - start)
            print(
                f"step {state.step}/{arguments.steps} {state.recent_losses()} {pace:.2f} s a step", flush=True
            )
        if state.step % SAVE_EVERY == 0 or state.step == arguments.steps:
            state.save(kept)
        if state.step % EXPORT_EVERY == 0 or state.step == arguments.steps:
            export(state, data.sha256, arguments, Path(arguments.out))


def _average(parameters: list[nn.Parameter], losses: torch.Tensor, world: int) -> torch.Tensor:
    """Make every process's gradients the mean of all; returns the mean losses."""
    for parameter in parameters:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    flat = torch.cat([losses, *(p.grad.reshape(-1) for p in parameters if p.grad is not None)])
    distributed.all_reduce(flat)
    flat /= world
    at = len(losses)
    for parameter in parameters:
        if parameter.grad is not None:
            parameter.grad.copy_(flat[at : at + parameter.numel()].view_as(parameter))
            at += parameter.numel()
    return flat[: len(losses)]


def export(state: _State, data_sha256: str, arguments: argparse.Namespace, folder: Path) -> None:
    """Write the averaged weights as an AceStepPipeline folder in bfloat16, with the facts of its training."""
    live = {name: copy.deepcopy(getattr(state.pipeline, name).state_dict()) for name in COMPONENTS}
    for name in COMPONENTS:
        getattr(state.pipeline, name).load_state_dict(state.average[name])
    pipeline = copy.deepcopy(state.pipeline).to(torch.bfloat16)
    for name in COMPONENTS:
        getattr(state.pipeline, name).load_state_dict(live[name])
    folder.mkdir(parents=True, exist_ok=True)
    pipeline.save_pretrained(folder, safe_serialization=True)
    _forget_paths(folder)
    facts = {
        "seed": arguments.seed, "steps": state.step, "batch": arguments.batch, "crop_seconds": FRAMES / 50,
        "learning_rate": arguments.rate, "pieces": arguments.pieces, "distribution": "bright", "data_sha256": data_sha256,
        "parameters": {name: sum(p.numel() for p in getattr(pipeline, name).parameters()) for name in COMPONENTS},
    }  # fmt: skip
    (folder / "training.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    with (folder / "loss.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(("step", "loss", "rhythm_loss", "beat_loss", "gradient_norm"))
        rows.writerows(state.history[9::10])


def _forget_paths(folder: Path) -> None:
    """Configurations remember the folder they were loaded from; what is shipped must not."""
    for path in folder.rglob("*.json"):
        content = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(content, dict) and "_name_or_path" in content:
            del content["_name_or_path"]
            path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(prog="python -m lofi_pipeline.pretraining.base", description=__doc__)
    parser.add_argument("--work", default="build/nano", help="where the corpus and the progress are kept")
    parser.add_argument("--out", default=str(BASE_FOLDER), help="folder of the trained pipeline")
    parser.add_argument(
        "--embedder",
        default=str(EMBEDDER_FOLDER),
        help="folder of the trained embedder",
    )
    parser.add_argument("--steps", type=int, default=7500)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--pieces", type=int, default=8000)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2, help="processes that share each batch")
    parser.add_argument("--threads", type=int, default=2, help="threads, with one worker")
    parser.add_argument(
        "--compile",
        action="store_true",
        help="compile the transformer (a minute, then faster)",
    )
    train(parser.parse_args())


if __name__ == "__main__":
    main()
