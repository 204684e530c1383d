"""What the nano base learns from: noised crops with their prompts, and three losses over its guess.

The loop around it is in base.py, the untrained pipeline in base_pipeline.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from lofi_pipeline.pretraining.corpus import Corpus

FRAMES = 250
LYRICS = "[instrumental]"
GUIDANCE_DROPOUT = 0.15
RHYTHM, SMOOTHING = 0.3, (5, 13)
BEAT, ALMOST_NOISE = 1.0, 0.97
TEMPO_SHARE = 0.6
"""Share of the examples whose tempo is given as metadata; key and metre are given to half of them."""


@dataclass(frozen=True)
class Batch:
    """Pieces of the corpus, and everything that is random about the step that sees them."""

    rows: NDArray[np.int64]  # [n] of the corpus
    t: torch.Tensor  # [n] noise levels
    noise: torch.Tensor  # [n, FRAMES, 64]
    dropped: torch.Tensor  # bool [n, 1, 1]: trained without condition
    metadata: NDArray[np.float64]  # [n, 3] uniform in [0, 1): decides which of tempo, key and metre are given

    @classmethod
    def draw(cls, seed: int, step: int, count: int, pieces: int) -> Batch:
        """All of it follows from (seed, step): a resumed run sees what an undisturbed one would have seen."""
        rng = np.random.default_rng([seed, step])
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        rows = rng.choice(pieces, count, replace=False)
        t = timesteps(count, generator)
        noise = torch.randn(count, FRAMES, 64, generator=generator)
        dropped = torch.rand(count, 1, 1, generator=generator) < GUIDANCE_DROPOUT
        return cls(rows, t, noise, dropped, rng.random((count, 3)))

    def share(self, rank: int, world: int) -> Batch:
        """What one of `world` processes takes of it."""
        mine = slice(rank, None, world)
        return Batch(self.rows[mine], self.t[mine], self.noise[mine], self.dropped[mine], self.metadata[mine])


@dataclass(frozen=True)
class Losses:
    """Of one batch: the mean square error of the velocity, and those of rhythm and beat as shares of the data's own."""

    flow: torch.Tensor
    rhythm: torch.Tensor
    beat: torch.Tensor
    beat_share: torch.Tensor  # of the batch, how much the beat loss is about

    @property
    def total(self) -> torch.Tensor:
        """What is minimised."""
        return self.flow + RHYTHM * self.rhythm + BEAT * self.beat * self.beat_share

    @property
    def parts(self) -> torch.Tensor:
        """The three, [3], detached."""
        return torch.stack((self.flow.detach(), self.rhythm.detach(), self.beat.detach()))


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


class Beats:
    """What the loudness of four frequency regions is on average at each tempo of the corpus.

    From nearly pure noise the best guess for a prompt is an average like this one. Learnt from single pieces it drowns
    in what else differs between them; given the averages, the network learns what the tempo in a prompt means.
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
        """Mean square error of guessed latents [batch, frames, 64] against the averages of their tempi; 1 for a flat guess."""
        total = torch.zeros(())
        for i, (part, scale) in enumerate(zip(envelopes(guess), self.scales, strict=True)):
            wanted = torch.stack([self.by_tempo[bpm][i] for bpm in tempi])
            total = total + (part - wanted).square().mean() / scale / len(self.scales)
        return total


class Objective:
    """The losses of a pipeline over a corpus. `transformer` may be the pipeline's own, compiled."""

    def __init__(self, pipeline: Any, transformer: Any, data: Corpus) -> None:
        self._pipeline, self._transformer, self._examples = pipeline, transformer, data.examples
        centre, spread = torch.tensor(pipeline.vae.centre), torch.tensor(pipeline.vae.spread)
        self._centre, self._spread = centre, spread
        self._latents = torch.from_numpy(data.frames[:, :FRAMES])
        self._tempi = torch.tensor([round(example.spec.bpm) for example in data.examples])
        self._beats = Beats((self._latents.float() - centre) / spread, self._tempi)
        some = (self._latents[:2000].float() - centre) / spread
        self._scales = [part.square().mean() for part in envelopes(some)]
        quiet = pipeline.condition_encoder.silence_latent
        self._context = torch.cat((quiet[:, :FRAMES], torch.ones(1, FRAMES, 64)), dim=-1)
        self._timbre = pipeline.condition_encoder.timbre_encoder
        with torch.no_grad():
            self._fixed_timbre = _FixedTimbre(
                self._timbre(quiet[:, :1500], torch.zeros(1, dtype=torch.long))[0]
            )

    def losses(self, batch: Batch) -> Losses:
        """The losses over a batch, to be minimised by `total`."""
        count, t = len(batch.rows), batch.t[:, None, None]
        clean = (self._latents[batch.rows].float() - self._centre) / self._spread
        mixed = t * batch.noise + (1 - t) * clean
        velocity = self._transformer(
            hidden_states=mixed, timestep=batch.t, timestep_r=batch.t, encoder_hidden_states=self._condition(batch),
            context_latents=self._context.expand(count, -1, -1), return_dict=False,
        )[0]  # fmt: skip
        error = velocity - (batch.noise - clean)
        noisy = self._names_tempo(batch) & (batch.t > ALMOST_NOISE)
        beat = torch.zeros(())
        if noisy.any():
            tempi = self._tempi[torch.from_numpy(batch.rows)[noisy]].tolist()
            beat = self._beats.loss((mixed - t * velocity)[noisy], tempi)
        rhythm = rhythm_loss(error, batch.t, self._scales)
        return Losses(error.square().mean(), rhythm, beat, noisy.float().mean())

    def _names_tempo(self, batch: Batch) -> torch.Tensor:
        """Whether the condition names the tempo, as a tag or as metadata: bool [n]."""
        named = [" bpm" in self._examples[row].prompt for row in batch.rows]
        given = batch.metadata[:, 0] < TEMPO_SHARE
        return torch.from_numpy(np.array(named) | given) & ~batch.dropped.flatten()

    def _condition(self, batch: Batch) -> torch.Tensor:
        """Conditions [n, tokens, width] of a batch; the timbre encoder's answer is known beforehand."""
        conditioner = self._pipeline.condition_encoder
        conditioner.timbre_encoder = self._fixed_timbre
        condition = _condition(self._pipeline, [self._examples[row] for row in batch.rows], batch.metadata)
        conditioner.timbre_encoder = self._timbre
        return torch.where(batch.dropped, conditioner.null_condition_emb, condition)


class _FixedTimbre(nn.Module):
    """Stands in for the timbre encoder while training: without reference audio its answer never changes."""

    def __init__(self, answer: torch.Tensor) -> None:
        super().__init__()
        self.answer = answer

    def forward(self, reference: torch.Tensor, order: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        count = len(order)
        return self.answer.expand(count, 1, -1), torch.ones(count, 1, dtype=torch.long)


def texts(pipeline: Any, examples: list, metadata: NDArray[np.float64]) -> tuple[list[str], str]:
    """Each example in the pipeline's own format; tempo, key and metre are given as metadata only some of the time."""
    formatted = []
    lyric = ""
    for example, (tempo, key, metre) in zip(examples, metadata, strict=True):
        spec = example.spec
        text, lyric = pipeline._format_prompt(
            example.prompt,
            LYRICS,
            audio_duration=FRAMES / 50,
            bpm=round(spec.bpm) if tempo < TEMPO_SHARE else None,
            keyscale=f"{spec.key} {spec.mode}" if key < 0.5 else None,
            timesignature="4" if metre < 0.5 else None,
        )
        formatted.append(text)
    return formatted, lyric


def _condition(pipeline: Any, examples: list, metadata: NDArray[np.float64]) -> torch.Tensor:
    """Conditions [batch, tokens, width] as encode_prompt makes them for a list: padded to the longest, no masks later."""
    formatted, lyric = texts(pipeline, examples, metadata)
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
