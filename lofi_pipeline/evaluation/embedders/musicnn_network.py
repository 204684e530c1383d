"""musicnn's network and spectrogram in torch. Weights and files are in musicnn.py.

Pons and Serra 2019, arXiv 1909.06654: convolutions as tall as instruments' spectra and as long as rhythms, three layers over
time, and the mean and maximum over it.
"""

from __future__ import annotations

from functools import cache

import torch
import torchaudio
from torch import nn
from torch.nn import functional

SAMPLE_RATE = 16_000
BANDS = 96
SIZE = 512
HOP = 256
TIMBRES = ((7, 38), (7, 67))
"""Frames and bands that the filters for timbre cover."""
RHYTHMS = (128, 64, 32)
"""Frames that the filters for rhythm cover."""
TIMBRE_FILTERS, RHYTHM_FILTERS, MIDDLE = 204, 51, 64
FRONT = TIMBRE_FILTERS * len(TIMBRES) + RHYTHM_FILTERS * len(RHYTHMS)
POOLED = 2 * (FRONT + 3 * MIDDLE)
FEATURES = 200
TAGS = 50
EPSILON = 1e-3
"""TensorFlow's, in every normalisation."""


@cache
def _mel_filters() -> torch.Tensor:
    """[257, 96], as librosa makes them."""
    return torchaudio.functional.melscale_fbanks(
        SIZE // 2 + 1, 0.0, SAMPLE_RATE / 2, BANDS, SAMPLE_RATE, norm="slaney", mel_scale="slaney"
    )


def log_mel(samples: torch.Tensor) -> torch.Tensor:
    """log10(1 + 10,000 power) in 96 bands, 62.5 frames a second: float32 [batch, n] at 16 kHz to [batch, frames, 96].

    The package rounds to half precision first, in which loud music is infinite; this does not.
    """
    spectrum = torch.stft(
        samples,
        SIZE,
        HOP,
        window=torch.hann_window(SIZE),
        center=True,
        pad_mode="reflect",
        return_complex=True,
    )
    power = spectrum.abs().square().transpose(1, 2)
    return torch.log10(1 + 10_000 * power @ _mel_filters())


class Musicnn(nn.Module):
    """A spectrogram to features and the logits of 50 tags.

    Made for 187 frames, 3 s; other lengths are taken, too.
    """

    def __init__(self) -> None:
        super().__init__()
        self.input_norm = nn.BatchNorm2d(1, EPSILON)
        kernels = [(frames, bands, TIMBRE_FILTERS) for frames, bands in TIMBRES]
        kernels += [(frames, 1, RHYTHM_FILTERS) for frames in RHYTHMS]
        self._lengths = [frames for frames, _, _ in kernels]
        self.front = nn.ModuleList(
            nn.Conv2d(1, filters, (frames, bands)) for frames, bands, filters in kernels
        )
        self.front_norms = nn.ModuleList(nn.BatchNorm2d(filters, EPSILON) for _, _, filters in kernels)
        self.middle = nn.ModuleList(
            nn.Conv1d(width, MIDDLE, 7, padding=3) for width in (FRONT, MIDDLE, MIDDLE)
        )
        self.middle_norms = nn.ModuleList(nn.BatchNorm1d(MIDDLE, EPSILON) for _ in range(3))
        self.pool_norm = nn.BatchNorm1d(POOLED, EPSILON)
        self.features = nn.Linear(POOLED, FEATURES)
        self.features_norm = nn.BatchNorm1d(FEATURES, EPSILON)
        self.tags = nn.Linear(FEATURES, TAGS)

    def forward(self, spectrogram: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """float32 [batch, frames, 96] to features [batch, 200] and logits [batch, 50]."""
        hidden = self.input_norm(spectrogram[:, None])
        groups = zip(self.front, self.front_norms, self._lengths, strict=True)
        layers = [torch.cat([_heard(hidden, *group) for group in groups], dim=1)]
        for layer, norm in zip(self.middle, self.middle_norms, strict=True):
            found = norm(functional.relu(layer(layers[-1])))
            layers.append(found if len(layers) == 1 else found + layers[-1])
        stacked = torch.cat(layers, dim=1)
        # Maximum and mean of a channel lie side by side
        pooled = torch.stack((stacked.amax(-1), stacked.mean(-1)), dim=-1).flatten(1)
        features = self.features_norm(functional.relu(self.features(self.pool_norm(pooled))))
        return features, self.tags(features)


def _heard(spectrogram: torch.Tensor, layer: nn.Module, norm: nn.Module, length: int) -> torch.Tensor:
    """What filters of `length` frames find at each frame, wherever in frequency: [batch, filters, frames]."""
    # As many frames as before; of an even length, the odd one goes behind
    padded = functional.pad(spectrogram, (0, 0, (length - 1) // 2, length // 2))
    return norm(functional.relu(layer(padded))).amax(-1)
