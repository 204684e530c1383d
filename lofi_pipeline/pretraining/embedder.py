"""Train the nano embedder: python -m lofi_pipeline.pretraining.embedder --work build/nano

A contrastive loss between audio and prompts, with negatives that differ in one tag. Both towers also answer auxiliary
questions (tempo, instruments, production, atmosphere, mood, mode, lofi or not), so that each learns what they are about.
The networks are in evaluation/embedders/nano_towers.py, the questions' targets in labels.py.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from pathlib import Path
from typing import cast

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional
from torch.optim.lr_scheduler import OneCycleLR

from lofi_pipeline.demo.distributions import Kind
from lofi_pipeline.evaluation.embedders.files import NANO_FOLDER
from lofi_pipeline.evaluation.embedders.nano_towers import AudioTower, Heads, TextTower
from lofi_pipeline.pretraining import corpus, labels, tokenizer

VOCABULARY = Path(__file__).parents[2] / "config" / "tag_categories.yaml"
DIMENSION, WIDTH, WINDOW = 16, 256, 250
PEAK_RATE = 1.5e-3
TEXT_CONFIG = {
    "hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 32, "max_position_embeddings": 2048, "pad_token_id": 0, "eos_token_id": 0,
    "bos_token_id": None,
}  # fmt: skip
WEIGHTS = {
    "tempo": 0.5,
    "instruments": 6.0,
    "production": 4.0,
    "atmosphere": 0.3,
    "mood": 0.4,
    "mode": 0.2,
    "kind": 0.2,
}


class Embedder(nn.Module):
    """Both towers, their auxiliary heads, and the temperature."""

    def __init__(self, vocabulary_size: int, band_mean: list[float], band_std: list[float]) -> None:
        super().__init__()
        from transformers import Qwen3Config

        self.audio = AudioTower(DIMENSION, WIDTH, band_mean, band_std)
        self.text = TextTower(DIMENSION, WIDTH, Qwen3Config(vocab_size=vocabulary_size, **TEXT_CONFIG))
        self.audio_heads = Heads(WIDTH, labels.SIZES)
        self.text_heads = Heads(WIDTH, labels.SIZES)
        self.temperature = nn.Parameter(torch.tensor(2.3))


def smooth_numbers(embedding: nn.Embedding, words: object) -> None:
    """Give the number words embeddings that vary smoothly with their logarithm, so that neighbours teach each other."""
    generator = torch.Generator().manual_seed(7)
    width = embedding.embedding_dim
    frequency = 2 * torch.pi * torch.rand(width, generator=generator) * 5
    phase = 2 * torch.pi * torch.rand(width, generator=generator)
    with torch.no_grad():
        embedding.weight.mul_(5.0)
        for number in tokenizer.NUMBERS:
            index = words.convert_tokens_to_ids(str(number))  # pyright: ignore[reportAttributeAccessIssue]
            embedding.weight[index] = 0.14 * torch.sin(frequency * np.log2(max(number, 1) + 1) + phase)


def auxiliary(
    answers: dict[str, torch.Tensor],
    truth: labels.Labels,
    names_tempo: torch.Tensor | None,
) -> torch.Tensor:
    """Weighted loss of the auxiliary questions; with `names_tempo`, float [batch], tempo counts only where that is 1."""
    total = torch.zeros(())
    for name, weight in WEIGHTS.items():
        target, logits = getattr(truth, name), answers[name]
        if name in ("instruments", "production"):
            loss = functional.binary_cross_entropy_with_logits(logits, target)
        elif name == "tempo" and names_tempo is not None:
            each = functional.cross_entropy(logits, target, reduction="none")
            loss = (each * names_tempo).sum() / names_tempo.sum().clamp_min(1)
        else:
            loss = functional.cross_entropy(logits, target)
        total = total + weight * loss
    return total


def augment(raw: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Log-mel frames [batch, frames, 64] made louder or quieter by a few dB, with a little noise, as a codec's round trip adds."""
    gain = torch.exp(0.25 * torch.randn(len(raw), 1, 1, generator=generator))
    linear = (raw.exp() - 1e-3).clamp_min(0) * gain
    return (linear + 1e-3).log() + 0.12 * torch.randn(raw.shape, generator=generator)


def train(arguments: argparse.Namespace) -> None:
    """Train from the start, and export the model after every 200 steps with what it measures at."""
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    cache = Path(arguments.work) / "corpus"
    pieces: dict[Kind, int] = {"lofi": arguments.lofi, "bright": arguments.bright, "preset": arguments.preset}
    parts = [corpus.build(kind, 0, count, cache) for kind, count in pieces.items()]
    held = [corpus.build(kind, corpus.HELD_OUT, 400, cache) for kind in pieces]
    band_mean, band_std = corpus.band_statistics(held)
    words = tokenizer.build(VOCABULARY)
    model = Embedder(len(words), band_mean, band_std)
    smooth_numbers(cast(nn.Embedding, model.text.encoder.get_input_embeddings()), words)
    frames = torch.from_numpy(np.concatenate([part.frames for part in parts]))
    examples = [example for part in parts for example in part.examples]
    truth = labels.of(examples)
    optimiser = torch.optim.AdamW(model.parameters(), lr=PEAK_RATE, weight_decay=0.02)
    schedule = OneCycleLR(optimiser, PEAK_RATE, total_steps=arguments.steps, pct_start=0.08)
    rng = np.random.default_rng(arguments.seed)
    generator = torch.Generator().manual_seed(arguments.seed)
    history, began = [], time.time()
    for step in range(1, arguments.steps + 1):
        rows = rng.choice(len(examples), arguments.batch, replace=False)
        loss, parts_of_loss = _loss(model, words, frames, examples, truth, rows, rng, generator)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        history.append((step, round(loss.item(), 4), *parts_of_loss))
        if step % 50 == 0 or step == arguments.steps:
            recent = np.mean([row[1:] for row in history[-50:]], axis=0).round(3).tolist()
            print(f"step {step}/{arguments.steps} {time.time() - began:.0f}s loss {recent}", flush=True)
        if step % 200 == 0 or step == arguments.steps:
            figures = measure(model, words, held)
            print(f"  held out: {figures}", flush=True)
            facts = _facts(arguments, step, pieces, parts, figures, model)
            export(model, words, band_mean, band_std, facts, history, Path(arguments.out))


def _facts(
    arguments: argparse.Namespace,
    step: int,
    pieces: dict[Kind, int],
    parts: list[corpus.Corpus],
    figures: dict[str, float],
    model: Embedder,
) -> dict[str, object]:
    """What training.json says of the exported model."""
    return {
        "seed": arguments.seed, "steps": step, "batch": arguments.batch, "pieces": pieces,
        "data_sha256": [part.sha256 for part in parts], "held_out": figures,
        "parameters": sum(p.numel() for tower in (model.audio, model.text) for p in tower.parameters()),
    }  # fmt: skip


def _loss(model, words, frames, examples, truth, rows, rng, generator):
    """The loss over a batch of `rows`, and its three parts rounded: contrastive, audio questions, text questions."""
    start = int(rng.integers(0, corpus.FRAMES - WINDOW + 1))
    raw = augment(frames[rows, start : start + WINDOW].float(), generator)
    prompts = [examples[row].prompt for row in rows]
    tokens = words(
        prompts + [labels.with_wrong_tag(prompt, rng) for prompt in prompts],
        padding=True,
        return_tensors="pt",
    )
    audio_features, audio = model.audio(raw)
    text_features, text = model.text(tokens["input_ids"], tokens["attention_mask"])
    scale = model.temperature.exp().clamp(max=40)
    similar, own = scale * audio @ text.T, torch.arange(len(rows))
    contrast = functional.cross_entropy(similar, own) + functional.cross_entropy(
        similar[:, : len(rows)].T, own
    )
    target = truth.pick(torch.from_numpy(rows))
    names_tempo = torch.tensor([float(" bpm" in prompt) for prompt in prompts])
    audio_answers = auxiliary(model.audio_heads(audio_features), target, None)
    text_answers = auxiliary(model.text_heads(text_features[: len(rows)]), target, names_tempo)
    parts = (contrast, audio_answers, text_answers)
    return contrast + audio_answers + text_answers, tuple(round(part.item(), 4) for part in parts)


@torch.no_grad()
def measure(model: Embedder, words, held: list[corpus.Corpus]) -> dict[str, float]:
    """On held-out pieces: own prompt first of 8, and the tempo from audio and from text within 8 % (octaves folded)."""
    model.eval()
    figures: dict[str, float] = {}
    for part in held:
        kind = part.examples[0].kind
        prompts = [example.prompt for example in part.examples]
        tokens = words(prompts, padding=True, return_tensors="pt")
        audio_features, audio = model.audio(torch.from_numpy(part.frames[:, :WINDOW]).float())
        text_features, text = model.text(tokens["input_ids"], tokens["attention_mask"])
        similar = audio @ text.T
        rng = np.random.default_rng(0)
        first = [
            bool(
                (
                    similar[i, i]
                    > similar[
                        i,
                        torch.from_numpy(rng.choice(np.delete(np.arange(len(prompts)), i), 7)),
                    ]
                ).all()
            )
            for i in range(len(prompts))
        ]
        figures[f"{kind} own prompt first of 8"] = round(float(np.mean(first)), 3)
        bpm = np.array([example.spec.bpm for example in part.examples])
        names_tempo = np.array([" bpm" in prompt for prompt in prompts])
        for name, heads, features, rows in (
            ("heard", model.audio_heads, audio_features, names_tempo | True),
            ("read", model.text_heads, text_features, names_tempo),
        ):
            guess = labels.TEMPO_BINS[heads(features)["tempo"].argmax(1).numpy()]
            off = np.abs((np.log2(guess / bpm) + 0.5) % 1 - 0.5)
            figures[f"{kind} tempo {name}"] = round(float((off < np.log2(1.08))[rows].mean()), 3)
    model.train()
    return figures


def export(
    model: Embedder,
    words,
    band_mean,
    band_std,
    facts: dict,
    history: list,
    folder: Path,
) -> None:
    """Write the folder that NanoEmbedder.load reads, with the auxiliary heads of the audio tower beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    towers = {f"audio.{name}": value for name, value in model.audio.state_dict().items()}
    towers |= {f"text.{name}": value for name, value in model.text.state_dict().items()}
    towers |= {f"audio_heads.{name}": value for name, value in model.audio_heads.state_dict().items()}
    save_file(
        {name: value.to(torch.bfloat16).contiguous() for name, value in towers.items()},
        folder / "model.safetensors",
    )
    words.save_pretrained(folder)
    config = {
        "dimension": DIMENSION, "width": WIDTH, "sample_rate": corpus.RATE, "window_seconds": WINDOW / 50,
        "band_mean": band_mean, "band_std": band_std, "tempo_bins": [round(float(b), 3) for b in labels.TEMPO_BINS],
        "text_encoder": {"vocab_size": len(words), **TEXT_CONFIG},
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    (folder / "training.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    with (folder / "loss.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(("step", "loss", "contrastive", "audio_questions", "text_questions"))
        rows.writerows(history)


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(prog="python -m lofi_pipeline.pretraining.embedder", description=__doc__)
    parser.add_argument("--work", default="build/nano", help="where the rendered corpus is kept")
    parser.add_argument("--out", default=str(NANO_FOLDER), help="folder of the trained model")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--batch", type=int, default=96)
    parser.add_argument("--lofi", type=int, default=2000, help="lofi pieces to train on")
    parser.add_argument("--bright", type=int, default=2500, help="bright pieces to train on")
    parser.add_argument("--preset", type=int, default=2500, help="pieces in the styles to train on")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    train(parser.parse_args())


if __name__ == "__main__":
    main()
