"""Train the nano base: python -m lofi_pipeline.pretraining.base --work build/nano

An AceStepPipeline from nothing, on synthetic music that is not lofi; only its text encoder starts from the embedder's
text tower. Crops start on the first downbeat, and high-noise steps, where tempo and instruments are decided, get more
than their usual share. Progress is kept in <work>/base.pt: the same command goes on where it was stopped.
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
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import distributed, nn
from torch.nn import functional

from lofi_pipeline.evaluation.embedders.nano import FOLDER as EMBEDDER_FOLDER
from lofi_pipeline.pretraining import corpus

FOLDER = EMBEDDER_FOLDER.parent / "nano_base"
FRAMES, HIDDEN, CONDITION = 250, 192, 128
LYRICS = "[instrumental]"
COMPONENTS = ("text_encoder", "transformer", "condition_encoder")
SAVE_EVERY = 250
CLOCK = 1.5
RHYTHM, SMOOTHING = 0.3, (5, 13)
BEAT, ALMOST_NOISE = 1.0, 0.97


def clock(frames: int) -> torch.Tensor:
    """Sines and cosines of 32 frequencies at 50 frames a second, [frames, 64]: the beats of 60 to 174 bpm and their bars.

    The transformer has relative positions only and would not know where a bar begins; this tells it.
    """
    slow, bars = np.array([1 / 30, 0.1]), np.geomspace(0.25, 0.95, 8)
    frequencies = torch.tensor(np.concatenate((slow, bars, np.linspace(1.0, 2.9, 22))))
    angle = 2 * math.pi * frequencies * torch.arange(frames, dtype=torch.float64)[:, None] / 50
    return torch.cat((angle.sin(), angle.cos()), dim=1).float()


def silence(vae: Any, frames: int = 15_000) -> torch.Tensor:
    """The codec's encoding of silence with the clock on top, [1, frames, 64]: what the transformer gets as context."""
    quiet = vae.encode(torch.zeros(1, 2, vae.config.sampling_rate)).latent_dist.mode().transpose(1, 2)[:, :1]
    return (quiet.expand(1, frames, -1) + CLOCK * clock(frames)).bfloat16().float()


def build(embedder: Path) -> Any:
    """The pipeline before training."""
    from diffusers import (
        AceStepPipeline,
        AceStepTransformer1DModel,
        FlowMatchEulerDiscreteScheduler,
    )
    from diffusers.pipelines.ace_step.modeling_ace_step import AceStepConditionEncoder
    from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3Model

    from lofi_pipeline.evaluation.embedders.nano import NanoEmbedder
    from lofi_pipeline.training.nano.codec import MelCodec

    config = json.loads((embedder / "config.json").read_text(encoding="utf-8"))
    text_encoder = Qwen3Model(Qwen3Config(**config["text_encoder"]))
    text_encoder.load_state_dict(NanoEmbedder.load(embedder).text_encoder_weights())
    vae = MelCodec(band_mean=tuple(config["band_mean"]), band_std=tuple(config["band_std"]))
    transformer = AceStepTransformer1DModel(
        hidden_size=HIDDEN, intermediate_size=448, num_hidden_layers=6, num_attention_heads=4, num_key_value_heads=4,
        head_dim=48, in_channels=192, audio_acoustic_hidden_dim=64, patch_size=2, sliding_window=64,
        encoder_hidden_size=CONDITION,
    )  # fmt: skip
    condition_encoder = AceStepConditionEncoder(
        hidden_size=CONDITION, intermediate_size=256, text_hidden_dim=text_encoder.config.hidden_size, timbre_hidden_dim=64,
        num_lyric_encoder_hidden_layers=1, num_timbre_encoder_hidden_layers=1, num_attention_heads=4,
        num_key_value_heads=4, head_dim=32, sliding_window=64,
    )  # fmt: skip
    condition_encoder.silence_latent.copy_(silence(vae))
    scheduler = FlowMatchEulerDiscreteScheduler(num_train_timesteps=1, shift=1.0)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(embedder, local_files_only=True)
    return AceStepPipeline(
        vae=cast(Any, vae), text_encoder=text_encoder, tokenizer=tokenizer, transformer=transformer,
        condition_encoder=condition_encoder, scheduler=scheduler,
    )  # fmt: skip


class _FixedTimbre(nn.Module):
    """Stands in for the timbre encoder while training: without reference audio its answer never changes."""

    def __init__(self, answer: torch.Tensor) -> None:
        super().__init__()
        self.answer = answer

    def forward(self, reference: torch.Tensor, order: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        count = len(order)
        return self.answer.expand(count, 1, -1), torch.ones(count, 1, dtype=torch.long)


def texts(pipeline: Any, examples: list, told: NDArray[np.float64]) -> tuple[list[str], str]:
    """Each example in the pipeline's own format; tempo, key and metre are told as metadata only some of the time."""
    formatted = []
    lyric = ""
    for example, (tempo, key, metre) in zip(examples, told, strict=True):
        spec = example.spec
        text, lyric = pipeline._format_prompt(
            example.prompt,
            LYRICS,
            audio_duration=FRAMES / 50,
            bpm=round(spec.bpm) if tempo < 0.6 else None,
            keyscale=f"{spec.key} {spec.mode}" if key < 0.5 else None,
            timesignature="4" if metre < 0.5 else None,
        )
        formatted.append(text)
    return formatted, lyric


def timesteps(count: int, generator: torch.Generator) -> torch.Tensor:
    """Noise levels in (0, 1]: two fifths as ACE-Step trains, the rest towards pure noise."""
    kind = torch.rand(count, generator=generator)
    normal = torch.randn(count, generator=generator)
    high = 1 - 0.06 * torch.rand(count, generator=generator) ** 2
    return torch.where(
        kind < 0.3, (normal - 0.4).sigmoid(), torch.where(kind < 0.55, (normal + 1.0).sigmoid(), high)
    )


def envelopes(latents: torch.Tensor) -> list[torch.Tensor]:
    """How loud four frequency regions are over time, smoothed twice: each [batch, 4, frames] of [batch, frames, 64]."""
    regions = latents.unflatten(-1, (4, 16)).mean(-1).transpose(1, 2)
    regions = regions - regions.mean(-1, keepdim=True)
    return [functional.avg_pool1d(regions, width, 1) for width in SMOOTHING]


def rhythm_loss(error: torch.Tensor, t: torch.Tensor, scales: list[torch.Tensor]) -> torch.Tensor:
    """The part of the error that is rhythm, as a share of the data's own; smooth, so that near misses count as near.

    Like the mean square it is least at the conditional mean: it only weighs what the ear weighs more than 64 bands do.
    """
    clean_error = error * t[:, None, None]
    parts = [part.square().mean() / scale for part, scale in zip(envelopes(clean_error), scales, strict=True)]
    return torch.stack(parts).sum()


def rate(step: int, steps: int, peak: float) -> float:
    """Warm up over 100 steps, hold, then fall to a hundredth over the last third."""
    fall = max(0.0, (step / steps - 0.67) / 0.33)
    return peak * min(1.0, (step + 1) / 100) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, fall))))


class Beats:
    """What the loudness of four frequency regions is on average at each tempo of the corpus.

    From nearly pure noise the best guess for a prompt is an average like this one. Learnt from single pieces it drowns
    in what else differs between them; told outright, the network learns what the tempo in a prompt means.
    """

    def __init__(self, latents: torch.Tensor, tempi: torch.Tensor) -> None:
        found = envelopes(latents)
        self.by_tempo = {
            int(bpm): [part[tempi == bpm].mean(0) for part in found] for bpm in tempi.unique().tolist()
        }
        self.scales = [
            torch.stack([rows[i] for rows in self.by_tempo.values()]).square().mean()
            for i in range(len(found))
        ]

    def loss(self, guess: torch.Tensor, tempi: list[int]) -> torch.Tensor:
        """How far guessed latents [batch, frames, 64] are from the averages of their tempi; 1 for a flat guess."""
        total = torch.zeros(())
        for i, (part, scale) in enumerate(zip(envelopes(guess), self.scales, strict=True)):
            wanted = torch.stack([self.by_tempo[bpm][i] for bpm in tempi])
            total = total + (part - wanted).square().mean() / scale / len(self.scales)
        return total


@dataclass
class _State:
    """What training goes on from."""

    pipeline: Any
    average: dict[str, dict[str, torch.Tensor]]
    optimiser: torch.optim.Optimizer
    step: int
    history: list[tuple[float, ...]]

    def save(self, path: Path) -> None:
        parts = {name: getattr(self.pipeline, name).state_dict() for name in COMPONENTS}
        temporary = path.with_suffix(".tmp")
        torch.save(
            {"parts": parts, "average": self.average, "optimiser": self.optimiser.state_dict(), "step": self.step, "history": self.history},
            temporary,
        )  # fmt: skip
        temporary.replace(path)

    def load(self, path: Path) -> None:
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
    def follow(self) -> None:
        """Move the average of the weights towards the weights."""
        keep = min(0.999, (1 + self.step) / (10 + self.step))
        for name in COMPONENTS:
            mine = self.average[name]
            live = [
                (mine[key], value)
                for key, value in getattr(self.pipeline, name).named_parameters()
                if value.requires_grad
            ]
            torch._foreach_lerp_([a for a, _ in live], [v.data for _, v in live], 1 - keep)


def train(arguments: argparse.Namespace) -> None:
    """Train in `arguments.workers` processes of one thread each: they share each batch and meet once a step.

    One process with many threads would meet at every operation, which a busy machine does not forgive.
    """
    corpus.build(
        "bright", 0, arguments.pieces, Path(arguments.work) / "corpus"
    )  # once, not in each process at once
    if arguments.workers == 1:
        _train(0, arguments, None)
        return
    with tempfile.TemporaryDirectory() as folder:
        meeting = f"file://{folder}/meeting"
        torch.multiprocessing.spawn(_train, args=(arguments, meeting), nprocs=arguments.workers)


def _train(rank: int, arguments: argparse.Namespace, meeting: str | None) -> None:
    world = 1 if meeting is None else arguments.workers
    if meeting is not None:
        distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=world)
    torch.set_num_threads(1 if world > 1 else arguments.threads)
    torch.manual_seed(arguments.seed)
    work, embedder = Path(arguments.work), Path(arguments.embedder)
    pipeline = build(embedder)
    data = corpus.build("bright", 0, arguments.pieces, work / "corpus")
    centre, spread = (
        torch.tensor(pipeline.vae.centre),
        torch.tensor(pipeline.vae.spread),
    )
    latents = torch.from_numpy(data.frames[:, :FRAMES])
    conditioner = pipeline.condition_encoder
    quiet = conditioner.silence_latent.clone()
    conditioner.timbre_encoder.requires_grad_(False)
    with torch.no_grad():
        answer = conditioner.timbre_encoder(quiet[:, :1500], torch.zeros(1, dtype=torch.long))[0]
    groups = [
        {"params": list(pipeline.text_encoder.parameters()), "share": 0.3},
        {"params": [p for m in (pipeline.transformer, conditioner) for p in m.parameters() if p.requires_grad], "share": 1.0},
    ]  # fmt: skip
    parameters = [p for group in groups for p in group["params"]]
    optimiser = torch.optim.AdamW(groups, lr=arguments.rate, weight_decay=0.01, betas=(0.9, 0.98), fused=True)
    average = {name: copy.deepcopy(getattr(pipeline, name).state_dict()) for name in COMPONENTS}
    state, kept = _State(pipeline, average, optimiser, 0, []), work / "base.pt"
    if kept.exists():
        state.load(kept)
        conditioner.silence_latent.copy_(quiet)
        state.average["condition_encoder"]["silence_latent"] = quiet.clone()
        print(f"going on from step {state.step}", flush=True)
    transformer = (
        torch.compile(pipeline.transformer, dynamic=True) if arguments.compile else pipeline.transformer
    )
    tempi = torch.tensor([round(example.spec.bpm) for example in data.examples])
    beats = Beats((latents.float() - centre) / spread, tempi)
    scales = [part.square().mean() for part in envelopes((latents[:2000].float() - centre) / spread)]
    timbre, context = (
        conditioner.timbre_encoder,
        torch.cat((quiet[:, :FRAMES], torch.ones(1, FRAMES, 64)), dim=-1),
    )
    began, start = time.time(), state.step
    while state.step < arguments.steps:
        # Everything random follows from (seed, step): a resumed run sees what an undisturbed one would have seen.
        rng = np.random.default_rng([arguments.seed, state.step])
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        rows = rng.choice(len(latents), arguments.batch, replace=False)
        t = timesteps(len(rows), generator)
        noise = torch.randn(len(rows), FRAMES, 64, generator=generator)
        dropped = torch.rand(len(rows), 1, 1, generator=generator) < 0.15
        told = rng.random((len(rows), 3))
        mine = slice(rank, None, world)
        rows, t, noise, dropped, told = rows[mine], t[mine], noise[mine], dropped[mine], told[mine]
        clean = (latents[rows].float() - centre) / spread
        conditioner.timbre_encoder = _FixedTimbre(answer)
        condition = _condition(pipeline, [data.examples[row] for row in rows], told)
        conditioner.timbre_encoder = timbre
        condition = torch.where(dropped, conditioner.null_condition_emb, condition)
        mixed = t[:, None, None] * noise + (1 - t)[:, None, None] * clean
        velocity = transformer(
            hidden_states=mixed, timestep=t, timestep_r=t, encoder_hidden_states=condition,
            context_latents=context.expand(len(rows), -1, -1), return_dict=False,
        )[0]  # fmt: skip
        error = velocity - (noise - clean)
        loss = error.square().mean()
        rhythm = rhythm_loss(error, t, scales)
        kept_condition = ~dropped.flatten()
        says = [
            kept_condition[i].item() and (" bpm" in data.examples[row].prompt or told[i, 0] < 0.6)
            for i, row in enumerate(rows)
        ]
        noisy = torch.tensor(says) & (t > ALMOST_NOISE)
        beat = (
            beats.loss(
                (mixed - t[:, None, None] * velocity)[noisy], tempi[torch.from_numpy(rows)[noisy]].tolist()
            )
            if noisy.any()
            else torch.zeros(())
        )
        for group in optimiser.param_groups:
            group["lr"] = group["share"] * rate(state.step, arguments.steps, arguments.rate)
        optimiser.zero_grad()
        (loss + RHYTHM * rhythm + BEAT * beat * noisy.float().mean()).backward()
        if world > 1:
            loss, rhythm, beat = _average(
                parameters, torch.stack((loss.detach(), rhythm.detach(), beat.detach())), world
            )
        norm = nn.utils.clip_grad_norm_(parameters, 1.0)
        if torch.isfinite(norm):
            optimiser.step()
        state.step += 1
        state.follow()
        state.history.append(
            (
                state.step,
                round(loss.item(), 5),
                round(rhythm.item(), 4),
                round(beat.item(), 4),
                round(float(norm), 3),
            )
        )
        if rank:
            continue
        if state.step % 50 == 0:
            recent = np.mean([row[1:] for row in state.history[-50:] if len(row) == 5], axis=0)
            pace = (time.time() - began) / (state.step - start)
            print(
                f"step {state.step}/{arguments.steps} loss {recent[0]:.4f} rhythm {recent[1]:.3f} beat {recent[2]:.3f} norm {recent[3]:.2f} {pace:.2f} s a step",
                flush=True,
            )
        if state.step % SAVE_EVERY == 0 or state.step == arguments.steps:
            state.save(kept)
        if state.step % 1000 == 0 or state.step == arguments.steps:
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


def _condition(pipeline: Any, examples: list, told: NDArray[np.float64]) -> torch.Tensor:
    """Conditions [batch, tokens, width] as encode_prompt makes them for a list: padded to the longest, no masks later."""
    formatted, lyric = texts(pipeline, examples, told)
    tokens = pipeline.tokenizer(formatted, padding="longest", return_tensors="pt")
    lyrics = pipeline.tokenizer([lyric] * len(examples), padding="longest", return_tensors="pt")
    hidden = pipeline.text_encoder(input_ids=tokens["input_ids"]).last_hidden_state
    sung = pipeline.text_encoder.get_input_embeddings()(lyrics["input_ids"])
    return pipeline.condition_encoder(
        hidden,
        tokens["attention_mask"].bool(),
        sung,
        lyrics["attention_mask"].bool(),
        hidden,
        torch.arange(len(examples)),
    )[0]


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
        rows.writerows([*row[:-1], *[""] * (5 - len(row)), row[-1]] for row in state.history[9::10])


def _forget_paths(folder: Path) -> None:
    """Configurations remember the folder they were loaded from; what is shipped must not."""
    for path in folder.rglob("*.json"):
        content = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(content, dict) and "_name_or_path" in content:
            del content["_name_or_path"]
            path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m lofi_pipeline.pretraining.base", description=__doc__)
    parser.add_argument("--work", default="build/nano", help="where the corpus and the progress are kept")
    parser.add_argument("--out", default=str(FOLDER), help="folder of the trained pipeline")
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
