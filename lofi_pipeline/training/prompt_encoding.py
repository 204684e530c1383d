"""A prompt through a base model's text encoder, for training and for generation alike.

How a prompt is worded is in styles/; how long it may be is in prompt_length.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from lofi_pipeline.training.prompt_length import check_prompt_length

if TYPE_CHECKING:
    import torch
    from diffusers import AceStepPipeline  # pyright: ignore[reportPrivateImportUsage]

    EncodedPrompt = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]


class Prompt(Protocol):
    """A prompt with the facts that the pipeline puts behind it: a track of a data set, or a clip to generate."""

    @property
    def prompt(self) -> str: ...
    @property
    def lyrics(self) -> str: ...
    @property
    def language(self) -> str: ...
    @property
    def bpm(self) -> int | None: ...
    @property
    def keyscale(self) -> str: ...
    @property
    def time_signature(self) -> str: ...


def encode_prompt(
    pipeline: AceStepPipeline,
    prompt: Prompt,
    seconds: float,
    device: torch.device,
    *,
    planned: bool = False,
) -> EncodedPrompt:
    """Text states, text mask, lyric states and lyric mask of one prompt for audio of `seconds`; each [1, tokens, ...].

    `planned`: the model is told to follow a plan (see audio_codes.py), and not to make music of the text alone.

    Raises:
        PromptTooLong: the base would not read all of it.
    """
    from diffusers.pipelines.ace_step.pipeline_ace_step import TASK_INSTRUCTIONS

    check_prompt_length(pipeline, prompt.prompt)
    return pipeline.encode_prompt(
        prompt=prompt.prompt,
        lyrics=prompt.lyrics,
        device=device,
        vocal_language=prompt.language,
        audio_duration=seconds,
        instruction=TASK_INSTRUCTIONS["cover"] if planned else None,
        bpm=prompt.bpm,
        keyscale=prompt.keyscale,
        timesignature=prompt.time_signature,
    )
