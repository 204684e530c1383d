"""The nano codec: audio to log-mel frames as latents, and back by Griffin-Lim, with AutoencoderOobleck's interface.

Saved models name this module's path: do not move or rename it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import torch
import torchaudio
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin

BANDS = 64


@dataclass
class Posterior:
    """The latents' distribution: a point, since a spectrogram is exact. Both float32 [batch, bands, frames]."""

    mean: torch.Tensor
    std: torch.Tensor

    def sample(self, generator: torch.Generator | None = None) -> torch.Tensor:
        """The mean; the generator is not used."""
        return self.mean

    def mode(self) -> torch.Tensor:
        """The mean."""
        return self.mean


@dataclass
class Encoded:
    """What `encode` gives."""

    latent_dist: Posterior


@dataclass
class Decoded:
    """What `decode` gives."""

    sample: torch.Tensor


# Constants, not buffers: a pipeline cast to bfloat16 must not round its filters.
@cache
def _filters(size: int, rate: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """The mel filters [size // 2 + 1, 64] and their pseudo-inverse [64, size // 2 + 1]."""
    filters = torchaudio.functional.melscale_fbanks(
        size // 2 + 1, 0.0, rate / 2, BANDS, rate, norm="slaney", mel_scale="slaney"
    )
    return filters.to(device), torch.linalg.pinv(filters).to(device)


@cache
def _window(size: int, device: torch.device) -> torch.Tensor:
    return torch.hann_window(size, device=device)


class MelCodec(ModelMixin, ConfigMixin):
    """64 log-mel bands at 50 frames a second, standardised band by band, from audio at 24 kHz.

    Channels are averaged on the way in (the latents are mono) and both channels of the output are the same.
    Decoding is deterministic: Griffin-Lim starts from fixed phases. There are no learned weights.
    """

    @register_to_config
    def __init__(
        self,
        sampling_rate: int = 24_000,
        downsampling_ratios: tuple[int, ...] = (480,),
        n_fft: int = 2048,
        floor: float = 1e-3,
        iterations: int = 24,
        band_mean: tuple[float, ...] = (-4.0,) * BANDS,
        band_std: tuple[float, ...] = (2.0,) * BANDS,
    ) -> None:
        super().__init__()
        self.hop = downsampling_ratios[0]
        self.size = n_fft
        self.quiet = floor
        self.rounds = iterations
        self.rate = sampling_rate
        self.centre = tuple(band_mean)
        self.spread = tuple(band_std)
        # ModelMixin wants a parameter to know its dtype and device from, and a file to save.
        self.register_buffer("unit", torch.ones(1))

    def encode(self, samples: torch.Tensor) -> Encoded:
        """Latents of audio: float [batch, channels, n] at 24 kHz to [batch, 64, n // 480]."""
        mono = samples.float().mean(dim=1)
        frames = mono.shape[-1] // self.hop
        magnitude = self._stft(mono).abs()[..., :frames]
        filters, _ = _filters(self.size, self.rate, mono.device)
        mel = torch.einsum("...ft,fm->...mt", magnitude, filters)
        latents = ((mel + self.quiet).log() - self._column(self.centre, mono)) / self._column(
            self.spread, mono
        )
        return Encoded(Posterior(latents, torch.zeros_like(latents)))

    def decode(self, latents: torch.Tensor) -> Decoded:
        """Audio of latents: float [batch, 64, frames] to [batch, 2, 480 x frames] at 24 kHz."""
        latents = latents.float()
        logs = latents * self._column(self.spread, latents) + self._column(self.centre, latents)
        mel = (logs.clamp(max=8.0).exp() - self.quiet).clamp_min(0)
        _, inverse = _filters(self.size, self.rate, mel.device)
        magnitude = torch.einsum("...mt,mf->...ft", mel, inverse).clamp_min(1e-5)
        # One more frame, so that the last hop has both its windows.
        magnitude = torch.cat((magnitude, magnitude[..., -1:]), dim=-1)
        length = latents.shape[-1] * self.hop
        mono = self._griffin_lim(magnitude, length)
        return Decoded(mono[:, None].expand(-1, 2, -1))

    @staticmethod
    def _column(values: tuple[float, ...], like: torch.Tensor) -> torch.Tensor:
        return torch.tensor(values, device=like.device)[:, None]

    def _stft(self, mono: torch.Tensor) -> torch.Tensor:
        return torch.stft(
            mono,
            self.size,
            self.hop,
            window=_window(self.size, mono.device),
            center=True,
            pad_mode="reflect",
            return_complex=True,
        )

    def _istft(self, spectrum: torch.Tensor, length: int) -> torch.Tensor:
        return torch.istft(
            spectrum,
            self.size,
            self.hop,
            window=_window(self.size, spectrum.device),
            center=True,
            length=length,
        )

    def _griffin_lim(self, magnitude: torch.Tensor, length: int, momentum: float = 0.99) -> torch.Tensor:
        """Fast Griffin-Lim (Perraudin, Balazs and Sondergaard 2013, doi:10.1109/WASPAA.2013.6701851)."""
        generator = torch.Generator().manual_seed(0)
        phases = torch.rand(magnitude.shape[-2:], generator=generator).to(magnitude.device) * 2 * torch.pi
        angles = torch.polar(torch.ones_like(phases), phases).expand_as(magnitude)
        former = torch.zeros_like(angles)
        for _ in range(self.rounds):
            rebuilt = self._stft(self._istft(magnitude * angles, length))
            angles = rebuilt - former * (momentum / (1 + momentum))
            angles = angles / angles.abs().clamp_min(1e-12)
            former = rebuilt
        return self._istft(magnitude * angles, length)
