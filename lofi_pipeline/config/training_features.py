"""What a training preset can ask for beyond a plain LoRA with AdamW. Each is off unless it is set.

A setting that is off is left out of the preset's hash, so that checkpoints of before a setting was added keep their lineage.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from lofi_pipeline.config.layers import layer_name
from lofi_pipeline.config.section import Count, Section


def _optional(default: Any, description: str, **limits: Any) -> Any:
    """A field that counts only where it is not what it is by default."""
    return Field(
        default=default, exclude_if=lambda value: value == default, description=description, **limits
    )


class AdapterChoice(Section):
    """What kind of adapter is trained, and which of its weights are published."""

    adapter: Literal["lora", "rslora", "dora", "lokr"] = _optional(
        "lora",
        "lora; rslora: scaled by lora_alpha / sqrt(lora_rank); dora: the length of each weight is trained apart from its "
        "direction, which takes more memory and time; lokr: the Kronecker product of a small matrix and one of rank lora_rank, "
        "published as the LoRA that it is",
    )
    decompose_factor: int = _optional(
        8,
        "Of lokr, as PEFT calls it: the small matrix has so many rows and columns where they divide the layer's. The LoRA that is "
        "published has a rank as many times as high",
        ge=2,
    )
    rank_pattern: dict[str, Count] = _optional(
        {}, "Another rank for some layers, by the end of their names: {cross_attn.to_q: 16}"
    )
    alpha_pattern: dict[str, Count] = _optional(
        {}, "Another alpha for some layers, by the end of their names as in rank_pattern"
    )
    ema_decay: float = _optional(
        0.0,
        "Also keep an average of the weights over the last steps, about 1 / (1 - ema_decay) of them; 0: none",
        ge=0,
        lt=1,
    )
    ema_publish: bool = _optional(
        True,
        "With ema_decay: a checkpoint publishes the average and keeps the live weights beside it, else the reverse",
    )

    @field_validator("rank_pattern", "alpha_pattern", mode="after")
    @classmethod
    def _patterns_are_of_layers(cls, pattern: dict[str, int]) -> dict[str, int]:
        return {layer_name(name): value for name, value in pattern.items()}


class Objective(Section):
    """What the loss counts how much."""

    loss_weighting: Literal["none", "cosmap"] = _optional(
        "none",
        "How noise levels count in the loss: none all alike; cosmap as Stable Diffusion 3 tried, the middle most, twice as much "
        "as the ends",
    )


class Plans(Section):
    """What ACE-Step's language model would plan, shown to the model beside the prompt."""

    plan_share: float = _optional(
        0.0,
        "Share of the examples that are trained with a plan of the music in place of silence, as one from a file "
        "is played; the base must bring audio_tokenizer and audio_token_detokenizer",
        ge=0,
        le=1,
    )


class OptimiserChoice(Section):
    """What moves the weights."""

    optimizer: Literal["adamw", "adamw_8bit", "prodigy", "schedule_free"] = _optional(
        "adamw",
        "adamw; adamw_8bit: its state in a quarter of the memory; prodigy finds its own rate, with learning_rate 1 as its "
        "scale; schedule_free: no cosine, the weights are averaged instead. All but adamw need the extra `optimizers`",
    )
    gradient_accumulation: Annotated[int, Field(json_schema_extra={"unit": "batches"})] = _optional(
        1,
        "Batches in each step, one after the other: the gradient of a larger batch in the memory of one",
        ge=1,
    )
    compile: bool = _optional(
        False,
        "Let torch.compile make the transformer faster, most of all where all crops and conditions are of one length; the first step takes minutes",
    )


class Start(Section):
    """What is trained on, beside the base."""

    start_from: Annotated[str, Field(pattern=r"^[0-9a-f]{8}-step[0-9]{6,}$")] | None = _optional(
        None,
        "Go on from the weights of this checkpoint of the data root, of a training here or imported, as lofi scores names it: "
        "1a2b3c4d-step000240. The audit counts what it was trained on",
    )


class PriorPreservation(Section):
    """Clips that the base makes of prompts of its own, trained on beside the music so that it forgets less."""

    prior_clips: Annotated[int, Field(json_schema_extra={"unit": "clips"})] = _optional(
        0, "How many, made once before training; 0: none. They are never counted as tracks", ge=0
    )
    prior_share: float = _optional(
        0.2, "Share of all examples that are such clips: they come on top of the batch", gt=0, lt=1
    )
    prior_prompts: Annotated[tuple[str, ...], Field(min_length=1)] = _optional(
        (
            "rock, electric guitar, drums",
            "classical, piano, slow",
            "jazz trio, double bass, brushes",
            "electronic dance music, synthesizer",
            "folk, acoustic guitar",
            "orchestral, strings, brass",
        ),
        "What they are made of, in turn: anything but the style that is trained",
    )
    prior_steps: Annotated[int, Field(json_schema_extra={"unit": "steps"})] = _optional(
        32, "Steps from noise to such a clip", ge=1
    )
    prior_guidance: float = _optional(
        4.0, "How strongly its prompt is followed; 1, as for turbo models: no guidance", ge=1
    )


class WhenToStop(Section):
    """Ending a training early, because it gets no better."""

    stop_on: Literal["validation_loss", "high_noise", "middle_noise", "low_noise", "gap"] | None = _optional(
        None,
        "End early when this gets no better from checkpoint to checkpoint: the validation loss, that of one band of noise, or "
        "the gap between validation and training tracks",
    )
    stop_patience: Annotated[int, Field(json_schema_extra={"unit": "checkpoints"})] = _optional(
        3, "Checkpoints in a row without a better one before the training ends", ge=1
    )
    stop_margin: float = _optional(
        0.0, "What counts as better: lower by more than this than the best before; 0: anything lower", ge=0
    )
