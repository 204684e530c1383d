"""Generation is the pipeline's own: batched here, one by one there, the same clips."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers.schedulers.scheduling_flow_match_euler_discrete import FlowMatchEulerDiscreteScheduler
from peft import LoraConfig

from lofi_pipeline.evaluation import generate as module
from lofi_pipeline.evaluation.generate import batches_at_once, generate
from lofi_pipeline.evaluation.prompts import PromptSpec
from lofi_pipeline.evaluation.threads import scoring_threads
from lofi_pipeline_tests.evaluation.toys import SETTINGS, toy_pipeline

ROUNDING = 2e-5
"""A random model hardly hears its prompt: another tempo moves samples by some 6e-4, batching by 1e-6."""
SPECS = [
    PromptSpec(name="a", prompt="lofi, rhodes, 82 bpm", bpm=82, keyscale="A minor", seed=1),
    PromptSpec(name="b", prompt="lofi, guitar", bpm=70, keyscale="C major", seed=2),
    PromptSpec(
        name="c", prompt="lofi, violin, 90 bpm", bpm=90, keyscale="E minor", seed=3, lyrics="[verse]\nrain"
    ),
    PromptSpec(name="d", prompt="lofi, violin, 82 bpm", bpm=82, keyscale="A minor", seed=4),
    PromptSpec(name="e", prompt="lofi, rhodes, 74 bpm", bpm=74, keyscale="G major", seed=5),
]


def _by_the_pipeline(pipeline, spec: PromptSpec, settings=SETTINGS) -> np.ndarray:
    return pipeline(
        prompt=spec.prompt,
        lyrics=spec.lyrics,
        vocal_language=spec.language,
        audio_duration=settings.clip_seconds,
        num_inference_steps=settings.inference_steps,
        guidance_scale=settings.guidance_scale,
        shift=settings.shift,
        bpm=spec.bpm,
        keyscale=spec.keyscale,
        timesignature=spec.time_signature,
        generator=torch.Generator().manual_seed(spec.seed),
        output_type="np",
    ).audios[0]


@pytest.mark.parametrize("guidance", [1.0, 4.0])
def test_batches_give_what_the_pipeline_gives_one_by_one(pipeline, guidance: float) -> None:
    settings = SETTINGS.model_copy(update={"guidance_scale": guidance})
    clips = generate(pipeline, SPECS, settings)
    assert [clip.spec for clip in clips] == SPECS
    for clip in clips:
        assert clip.samples.dtype == np.float32
        assert clip.samples.shape == (2, clip.sample_rate)
        np.testing.assert_allclose(
            clip.samples, _by_the_pipeline(pipeline, clip.spec, settings), atol=ROUNDING
        )


def test_the_shift_is_that_of_the_settings_whatever_the_scheduler_adds(pipeline) -> None:
    settings = SETTINGS.model_copy(update={"shift": 2.0, "inference_steps": 4})
    (plain,) = generate(pipeline, SPECS[:1], settings)
    np.testing.assert_allclose(plain.samples, _by_the_pipeline(pipeline, SPECS[0], settings), atol=ROUNDING)
    scheduler = FlowMatchEulerDiscreteScheduler(num_train_timesteps=1, shift=3.0)
    shifting = type(pipeline)(**{**pipeline.components, "scheduler": scheduler})
    (clip,) = generate(shifting, SPECS[:1], settings)
    np.testing.assert_allclose(clip.samples, plain.samples, atol=ROUNDING)
    (other,) = generate(pipeline, SPECS[:1], settings.model_copy(update={"shift": 1.0}))
    assert np.abs(other.samples - plain.samples).max() > 10 * ROUNDING


def test_the_same_seeds_give_the_same_clips(pipeline) -> None:
    once, again = generate(pipeline, SPECS, SETTINGS), generate(pipeline, SPECS, SETTINGS)
    for one, other in zip(once, again, strict=True):
        np.testing.assert_array_equal(one.samples, other.samples)


def test_a_clip_does_not_depend_on_its_neighbours(pipeline) -> None:
    together = generate(pipeline, SPECS, SETTINGS)[3]
    (alone,) = generate(pipeline, [SPECS[3]], SETTINGS)
    np.testing.assert_allclose(alone.samples, together.samples, atol=ROUNDING)


def test_seed_prompt_tempo_and_key_all_matter(pipeline) -> None:
    variants = [
        SPECS[0],
        replace(SPECS[0], seed=9),
        replace(SPECS[0], prompt="lofi, violin, 82 bpm"),
        replace(SPECS[0], bpm=60),
        replace(SPECS[0], keyscale="C major"),
    ]
    first, *others = [clip.samples for clip in generate(pipeline, variants, SETTINGS)]
    for other in others:
        assert np.abs(first - other).max() > 10 * ROUNDING


def test_the_real_codec_class(pipeline) -> None:
    """Over AutoencoderOobleck, 25 latents a second at 48 kHz; an odd length is cut to what was asked."""
    settings = SETTINGS.model_copy(update={"clip_seconds": 0.99})
    (clip,) = generate(toy_pipeline(oobleck=True), SPECS[:1], settings)
    assert clip.sample_rate == 48_000 and clip.samples.shape == (2, 47_520)
    assert np.isfinite(clip.samples).all()


def test_the_given_pipeline_is_left_as_it_was(pipeline) -> None:
    before = _by_the_pipeline(pipeline, SPECS[0])
    generate(pipeline, SPECS, SETTINGS)
    np.testing.assert_array_equal(before, _by_the_pipeline(pipeline, SPECS[0]))


def _with_lora(pipeline) -> list[torch.Tensor]:
    """Give a pipeline of the test's own a LoRA that is heard; its parameters."""
    torch.manual_seed(1)
    pipeline.transformer.add_adapter(
        LoraConfig(r=4, lora_alpha=8, init_lora_weights=False, target_modules=["to_q", "to_v", "up_proj"])
    )
    return [*pipeline.transformer.parameters()]


def test_a_lora_is_heard_as_beside_the_weights_which_keep_their_bits() -> None:
    pipeline = toy_pipeline()
    without = generate(pipeline, SPECS, SETTINGS)
    parameters = _with_lora(pipeline)
    before = [parameter.detach().clone() for parameter in parameters]
    expected = [_by_the_pipeline(pipeline, spec) for spec in SPECS]
    found = generate(pipeline, SPECS, SETTINGS)
    for clip, other, alone in zip(found, without, expected, strict=True):
        np.testing.assert_allclose(clip.samples, alone, atol=ROUNDING)
        assert np.abs(clip.samples - other.samples).max() > 10 * ROUNDING
    assert all(map(torch.equal, before, parameters))
    again = generate(pipeline, SPECS, SETTINGS)
    assert all(np.array_equal(one.samples, two.samples) for one, two in zip(found, again, strict=True))


def test_the_weights_keep_their_bits_where_generating_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = toy_pipeline()
    parameters = _with_lora(pipeline)
    before = [parameter.detach().clone() for parameter in parameters]
    monkeypatch.setattr(module, "_sample", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        generate(pipeline, SPECS, SETTINGS)
    assert all(map(torch.equal, before, parameters))


def test_a_lora_that_is_switched_off_stays_off() -> None:
    pipeline = toy_pipeline()
    without = generate(pipeline, SPECS[:1], SETTINGS)
    _with_lora(pipeline)
    pipeline.transformer.disable_adapters()
    (clip,) = generate(pipeline, SPECS[:1], SETTINGS)
    np.testing.assert_array_equal(clip.samples, without[0].samples)


@pytest.mark.parametrize("changed", ["bfloat16", "large"])
def test_a_lora_stays_beside_the_weights_of_other_bases(
    changed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = toy_pipeline()
    _with_lora(pipeline)
    if changed == "bfloat16":
        pipeline.to(torch.bfloat16)
    else:
        monkeypatch.setattr(module, "SMALL_BASE", 1)
    monkeypatch.setattr(module, "merged", None)
    assert len(generate(pipeline, SPECS[:1], SETTINGS)) == 1


def test_progress_counts_every_clip(pipeline) -> None:
    said: list[str] = []
    generate(pipeline, SPECS, SETTINGS, said.append)
    assert said[-1] == "generated 5 of 5 clips"


def test_batches_that_are_made_together_have_the_bits_of_each_alone(
    pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = SETTINGS.model_copy(update={"batch_size": 1})
    with scoring_threads():
        monkeypatch.setattr(module, "MOST_AT_ONCE", 1)
        alone = generate(pipeline, SPECS, settings)
        monkeypatch.setattr(module, "MOST_AT_ONCE", 3)
        monkeypatch.setattr("os.cpu_count", lambda: 8)
        assert batches_at_once(pipeline) == 3
        together = generate(pipeline, SPECS, settings)
    for one, other in zip(alone, together, strict=True):
        assert one.spec == other.spec and np.array_equal(one.samples, other.samples)


def test_a_large_base_makes_one_batch_at_a_time(pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    monkeypatch.setattr(module, "SMALL_BASE", 1)
    with scoring_threads():
        assert batches_at_once(pipeline) == 1


def test_what_goes_wrong_in_a_batch_ends_the_rest(pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[str] = []

    def broken(sampler, specs: list[PromptSpec], settings) -> list[np.ndarray]:
        begun.append(specs[0].name)
        raise RuntimeError("no numbers")

    monkeypatch.setattr(module, "_sample", broken)
    with pytest.raises(RuntimeError, match="no numbers"):
        generate(pipeline, SPECS * 8, SETTINGS.model_copy(update={"batch_size": 1}))
    assert len(begun) < 8 * len(SPECS)
