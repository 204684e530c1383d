"""One track through the base model's own codec and condition encoder. Nothing is cached here: encode.py does that."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from lofi_pipeline.entities import VersionTrack
from lofi_pipeline.training.audio_codes import written_codes
from lofi_pipeline.training.encode import CHUNK_SECONDS
from lofi_pipeline.training.errors import EncodingError, PromptTooLong
from lofi_pipeline.training.prompt_encoding import Prompt, encode_prompt

if TYPE_CHECKING:
    from diffusers import AceStepPipeline  # pyright: ignore[reportPrivateImportUsage]

CONTEXT_SECONDS = 2  # the codecs look less than half a second to either side
TIMBRE_SECONDS = 30
AUDIO_RATE = 48_000
MAX_SECONDS = 3600.0


class Encoder:
    """Latents and conditions of a loaded base model: for the one its codec must be loaded, for the other the rest."""

    def __init__(self, pipeline: AceStepPipeline, chunk_seconds: float = CHUNK_SECONDS) -> None:
        self.pipeline = pipeline
        self._chunk_seconds = chunk_seconds
        # Components are Any: diffusers types them by class, a base may bring its own codec.
        self.vae: Any = pipeline.vae
        self.condition_encoder: Any = pipeline.condition_encoder

    def latents(self, path: Path, track_id: str) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and standard deviation of the codec's posterior, each float32 [frames, channels] on the CPU.

        Raises:
            EncodingError: the audio cannot be read, or the codec's answer is not finite.
        """
        from lofi_pipeline import audio

        try:
            samples = audio.read(path, max_seconds=MAX_SECONDS).samples
        except audio.AudioError as error:
            raise EncodingError(
                f"{track_id}: {path} cannot be read: {error}; process the track again"
            ) from error
        rate = int(self.pipeline.sample_rate)
        if rate != AUDIO_RATE:
            import soxr  # not where a bundle is trained: there nothing is encoded

            samples = soxr.resample(samples.T, AUDIO_RATE, rate).T
        mean, std = self.posterior(torch.from_numpy(np.ascontiguousarray(samples, dtype=np.float32)))
        if not (torch.isfinite(mean).all() and torch.isfinite(std).all()):
            raise EncodingError(
                f"{track_id}: the base model's codec gives values that are not finite for {path}; "
                "take the track out of its drop, or report the base model"
            )
        return mean, std

    @torch.inference_mode()
    def posterior(self, samples: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode `samples` float32 [2, n] at the codec's rate, in chunks with context so that memory stays bounded.

        Returns mean and std, float32 [n // hop, channels]. A rest shorter than one latent frame is left out.
        """
        rate = int(self.pipeline.sample_rate)
        hop = math.prod(self.vae.config.downsampling_ratios)
        frames = samples.shape[-1] // hop
        lengths = (self._chunk_seconds, CONTEXT_SECONDS)
        chunk, context = (math.ceil(seconds * rate / hop) for seconds in lengths)
        means, stds = [], []
        for start in range(0, frames, chunk):
            left, right = max(0, start - context), min(frames, start + chunk + context)
            part = samples[None, :, left * hop : right * hop].to(self.vae.device, self.vae.dtype)
            found = self.vae.encode(part).latent_dist
            inner = slice(start - left, min(start + chunk, frames) - left)
            means.append(_frames_first(found.mean)[inner])
            stds.append(_frames_first(torch.as_tensor(found.std).expand_as(found.mean))[inner])
        return torch.cat(means).contiguous(), torch.cat(stds).contiguous()

    @torch.inference_mode()
    def plan(self, latents: torch.Tensor, silence: torch.Tensor, track_id: str) -> torch.Tensor:
        """What the transformer sees of a track's plan, float32 [frames, channels] on the CPU: codes, and latents of them.

        The codes are those of the base's own tokenizer, and the pipeline makes of them what it makes of a language model's.

        Args:
            latents: of the track, float32 [frames, channels].
            silence: as the base encodes it [1, frames, channels]; fills up the last code.

        Raises:
            EncodingError: it is not finite.
        """
        pipeline: Any = self.pipeline
        device, dtype = pipeline.audio_tokenizer.device, pipeline.audio_tokenizer.dtype
        _, indices = pipeline.audio_tokenizer.tokenize(latents[None].to(device, dtype), silence)
        codes = written_codes(indices[0, :, 0].tolist())
        found, _ = pipeline.prepare_src_latents(device, dtype, audio_codes=codes)
        plan = found[0, : latents.shape[0]].float().cpu()
        if not torch.isfinite(plan).all():
            raise EncodingError(
                f"{track_id}: the base model's tokenizer gives values that are not finite; set plan_share to 0, or report the base model"
            )
        return plan.contiguous()

    @torch.inference_mode()
    def condition(self, track: VersionTrack, seconds: float, *, planned: bool = False) -> torch.Tensor:
        """What the transformer attends to for this track, float32 [tokens, width] on the CPU.

        `planned`: where it is given a plan as well.

        One track at a time: the pipeline takes one tempo, key and duration a call, and a batch would be padded. The timbre
        reference is encoded silence, as in the pipeline; zeros would be out of distribution.

        Raises:
            EncodingError: the prompt is longer than what the base reads, or the condition is not finite.
        """
        return self.condition_of(track, seconds, track.track.track_id, planned=planned)

    @torch.inference_mode()
    def condition_of(
        self, prompt: Prompt, seconds: float, name: str, *, planned: bool = False
    ) -> torch.Tensor:
        """As `condition`, of any prompt; `name` is what an error calls it."""
        hidden, mask = self._hidden_states(prompt, seconds, name, planned)
        condition = hidden[0][mask[0].bool()].float().cpu()
        if not torch.isfinite(condition).all():
            raise EncodingError(
                f"{name}: the base model's encoder gives values that are not finite for the prompt "
                f"{prompt.prompt!r}; change the prompt or report the base model"
            )
        return condition.contiguous()

    def _hidden_states(
        self, prompt: Prompt, seconds: float, name: str, planned: bool
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The condition encoder's states [1, tokens, width] and their mask [1, tokens], for music of `seconds`."""
        device = self.condition_encoder.device
        try:
            text, text_mask, lyrics, lyrics_mask = encode_prompt(
                self.pipeline, prompt, seconds, device, planned=planned
            )
        except PromptTooLong as error:
            raise EncodingError(f"{name}: {error}") from error
        frames = math.ceil(TIMBRE_SECONDS * self.pipeline.latents_per_second)
        silence = self.condition_encoder.silence_latent[:, :frames].contiguous()
        return self.condition_encoder(
            text_hidden_states=text,
            text_attention_mask=text_mask,
            lyric_hidden_states=lyrics,
            lyric_attention_mask=lyrics_mask,
            refer_audio_acoustic_hidden_states_packed=silence,
            refer_audio_order_mask=torch.arange(1, device=device, dtype=torch.long),
        )


def _frames_first(latents: torch.Tensor) -> torch.Tensor:
    """[1, channels, frames] to float32 [frames, channels] on the CPU."""
    return latents[0].transpose(0, 1).float().cpu()
