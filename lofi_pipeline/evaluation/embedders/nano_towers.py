"""The networks of the nano embedder: a tower for log-mel frames and one for prompts. Weights and files are in nano.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from lofi_pipeline.training.nano.codec import BANDS

if TYPE_CHECKING:
    from transformers import Qwen3Config

LAGS = range(10, 91)
GROUPS = 4


@dataclass(frozen=True)
class HeadSizes:
    """How many outputs each auxiliary question has (training only)."""

    tempo: int
    instruments: int
    production: int
    atmosphere: int
    mood: int
    mode: int = 2
    kind: int = 2


class Heads(nn.Module):
    """Linear answers to the auxiliary questions, from a tower's features."""

    def __init__(self, width: int, sizes: HeadSizes) -> None:
        super().__init__()
        self.answers = nn.ModuleDict({name: nn.Linear(width, count) for name, count in vars(sizes).items()})

    def forward(self, features: torch.Tensor) -> dict[str, torch.Tensor]:
        """Logits by question, each [batch, outputs]."""
        return {name: layer(features) for name, layer in self.answers.items()}


def tempogram(raw: torch.Tensor) -> torch.Tensor:
    """Autocorrelation of the onset envelopes of four frequency regions, lags of 0.2 to 1.8 s.

    raw: log-mel, not standardised, float [batch, frames, 64] at 50 frames a second. Returns [batch, 4 x 81].
    """
    rise = (raw[:, 1:] - raw[:, :-1]).clamp_min(0)
    envelope = rise.unflatten(-1, (GROUPS, BANDS // GROUPS)).mean(-1).transpose(1, 2)
    envelope = envelope - envelope.mean(-1, keepdim=True)
    spectrum = torch.fft.rfft(envelope, n=2 * envelope.shape[-1])
    correlation = torch.fft.irfft(spectrum.abs().square())[..., : LAGS.stop]
    return (correlation[..., LAGS.start :] / (correlation[..., :1] + 1e-3)).flatten(1)


class AudioTower(nn.Module):
    """Convolutions over log-mel frames, statistics over time, and a tempogram, to features and a unit vector."""

    centre: torch.Tensor
    spread: torch.Tensor

    def __init__(self, dimension: int, width: int, band_mean: list[float], band_std: list[float]) -> None:
        super().__init__()
        self.register_buffer("centre", torch.tensor(band_mean), persistent=False)
        self.register_buffer("spread", torch.tensor(band_std), persistent=False)
        self.layers = nn.ModuleList(
            [
                nn.Conv1d(BANDS, 128, 5, 2, 2),
                nn.Conv1d(128, 160, 5, 2, 2),
                nn.Conv1d(160, 192, 5, 2, 2),
            ]
        )
        self.norms = nn.ModuleList([nn.GroupNorm(8, size) for size in (128, 160, 192)])
        self.rhythm = nn.Sequential(
            nn.Linear(GROUPS * len(LAGS), 192),
            nn.GELU(),
            nn.Linear(192, 128),
            nn.GELU(),
        )
        self.features = nn.Sequential(nn.Linear(3 * 192 + 128, width), nn.GELU(), nn.Dropout(0.1))
        self.project = nn.Linear(width, dimension)

    def forward(self, raw: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Log-mel [batch, frames, 64] to features [batch, width] and unit embeddings [batch, dimension]."""
        hidden = ((raw - self.centre) / self.spread).transpose(1, 2)
        for layer, norm in zip(self.layers, self.norms, strict=True):
            hidden = functional.gelu(norm(layer(hidden)))
        pooled = torch.cat(
            (
                hidden.mean(-1),
                hidden.std(-1),
                hidden.amax(-1),
                self.rhythm(tempogram(raw)),
            ),
            dim=-1,
        )
        features = self.features(pooled)
        return features, functional.normalize(self.project(features), dim=-1)


class TextTower(nn.Module):
    """A small Qwen3 over the prompt's words, averaged; the base model's text encoder starts from this one."""

    def __init__(self, dimension: int, width: int, config: Qwen3Config) -> None:
        super().__init__()
        from transformers import Qwen3Model

        self.encoder = Qwen3Model(config)
        self.features = nn.Sequential(nn.Linear(config.hidden_size, width), nn.GELU())
        self.project = nn.Linear(width, dimension)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Token ids and mask [batch, tokens] to features [batch, width] and unit embeddings [batch, dimension]."""
        hidden = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        weights = mask.unsqueeze(-1).to(hidden.dtype)
        features = self.features((hidden * weights).sum(1) / weights.sum(1))
        return features, functional.normalize(self.project(features), dim=-1)
