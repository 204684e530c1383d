"""The longest prompt that a base model reads whole: the pipeline would cut the end off a longer one without a warning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lofi_pipeline.training.errors import PromptTooLong

if TYPE_CHECKING:
    from diffusers import AceStepPipeline  # pyright: ignore[reportPrivateImportUsage]

MOST_TOKENS = 256
"""AceStepPipeline.encode_prompt cuts off what is longer: first the end-of-text mark, then duration, key and tempo."""


def check_prompt_length(pipeline: AceStepPipeline, prompt: str) -> None:
    """Check that the pipeline reads a prompt whole, with the facts that it puts behind it.

    Raises:
        PromptTooLong: it would cut some of it off.
    """
    tokenizer: Any = pipeline.tokenizer
    text, _ = pipeline._format_prompt(  # the longest facts there are
        prompt, bpm=300, keyscale="C# minor", timesignature="12", audio_duration=3600
    )
    count = len(tokenizer(text).input_ids)
    if count > MOST_TOKENS:
        raise PromptTooLong(
            f"with tempo, key and length behind it the prompt has {count} tokens, the base model reads {MOST_TOKENS}; "
            f"shorten it: {prompt:.500}"
        )
