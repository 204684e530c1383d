"""`lofi generate`: several clips in one call, beside the base without LoRA, each in a file that says what it is."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from diffusers.pipelines.ace_step.pipeline_ace_step import AceStepPipeline
from safetensors.numpy import load_file, save_file
from typer.testing import CliRunner, Result

from lofi_pipeline.cli.app import app
from lofi_pipeline.cli.generated_files import Names
from lofi_pipeline.entities import RecordError
from lofi_pipeline.environment import BASE_VARIABLE
from lofi_pipeline.errors import LofiError
from lofi_pipeline.storage import DataRoot

PROMPTS = ("lofi hip hop, mellow, rhodes, 82 bpm", "ambient, calm, pads")
PROMPT = ("--prompt", "lofi, mellow, rhodes, 80 bpm")
STEP_6 = "epoch=0-step=6_lora"
ROUNDING = 2e-4  # 16 bits and batches


def ask(root: DataRoot, base: Path, *options: str) -> Result:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(BASE_VARIABLE, "")  # what the command sets is taken back
        given = ["--base", str(base), "--seconds", "1", "--steps", "2", "--data", str(root.path), *options]
        return CliRunner().invoke(app, ["generate", *given])


def made(root: DataRoot, base: Path, said: Path, *options: str) -> list[dict[str, Any]]:
    done = ask(root, base, "--json", str(said), *options)
    assert done.exit_code == 0, done.output
    return json.loads(said.read_text())["clips"]


def music(path: str | Path) -> np.ndarray:
    return soundfile.read(path)[0]


def test_prompts_and_seeds_in_one_call_and_the_base_beside_them(
    trained: DataRoot, base: Path, tmp_path: Path
) -> None:
    asked = [part for prompt in PROMPTS for part in ("--prompt", prompt)]
    asked += ["--seed", "1", "--seed", "7", "--base-too", "--checkpoint", STEP_6]
    clips = made(trained, base, tmp_path / "said.json", *asked, "-o", str(tmp_path / "x.wav"))
    first, second = "x-01-lofi-hip-hop-mellow-rhodes-82-bpm", "x-02-ambient-calm-pads"
    names = [f"{words}-seed{seed}" for words in (first, second) for seed in (1, 7)]
    assert [Path(clip["wrote"]).name for clip in clips] == [
        *(f"{name}-base.wav" for name in names),
        *(f"{name}.wav" for name in names),
    ]
    assert [(clip["checkpoint"], clip["seed"], clip["bpm"]) for clip in clips[:5]] == [
        *[("base", 1, 82), ("base", 7, 82), ("base", 1, 80), ("base", 7, 80)],
        (STEP_6, 1, 82),
    ]
    heard = [music(clip["wrote"]) for clip in clips]
    for one, other in [(0, 1), (0, 2), (0, 4), (1, 5)]:
        assert np.abs(heard[one] - heard[other]).max() > 5 * ROUNDING, "seed, prompt and LoRA are heard"
    again = made(
        trained, base, tmp_path / "again.json",
        *("--prompt", PROMPTS[1], "--seed", "7", "--checkpoint", "base", "-o", str(tmp_path / "y.flac")),
    )  # fmt: skip
    assert [clip["wrote"] for clip in again] == [str(tmp_path / "y.flac")]
    np.testing.assert_allclose(music(tmp_path / "y.flac"), heard[3], atol=ROUNDING)


def test_the_strength_of_the_lora(trained: DataRoot, base: Path, tmp_path: Path) -> None:
    def at(scale: str) -> np.ndarray:
        target = tmp_path / f"{scale}.wav"
        asked = ("--prompt", PROMPTS[0], "--checkpoint", STEP_6, "--lora-scale", scale, "-o", str(target))
        (clip,) = made(trained, base, tmp_path / "said.json", *asked)
        assert clip["lora_scale"] == float(scale)
        return music(target)

    none, half, whole = at("0"), at("0.5"), at("1")
    made(trained, base, tmp_path / "s.json", "--prompt", PROMPTS[0], "--checkpoint", "base", "-o", str(tmp_path / "b.wav"))  # fmt: skip
    np.testing.assert_allclose(none, music(tmp_path / "b.wav"), atol=ROUNDING)
    assert np.abs(half - none).max() > 5 * ROUNDING and np.abs(whole - half).max() > 5 * ROUNDING


def test_a_turbo_base_has_its_own_settings_and_refuses_guidance(
    trained: DataRoot, base: Path, tmp_path: Path
) -> None:
    turbo = Path(shutil.copytree(base, tmp_path / "turbo"))
    config = turbo / "transformer" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"is_turbo": True}))
    asked = ("--prompt", PROMPTS[0], "--checkpoint", "base", "-o", str(tmp_path / "x.wav"))
    (clip,) = made(trained, turbo, tmp_path / "said.json", *asked, "--key", "c# MINOR", "--metre", "3")
    assert (clip["steps"], clip["guidance"], clip["shift"]) == (2, 1.0, 3.0)
    assert (clip["key"], clip["metre"], clip["seconds"]) == ("C# minor", "3", 1.0)
    refused = ask(trained, turbo, *asked, "--guidance", "3")
    assert refused.exit_code == 1
    assert "--guidance" in str(refused.exception) and "turbo" in str(refused.exception)
    assert ask(trained, base, *asked, "--key", "H minor").exit_code == 2


def test_a_checkpoint_of_another_base_is_named_and_neither_played_nor_lost(
    trained: DataRoot, other_base: Path, tmp_path: Path
) -> None:
    done = ask(trained, other_base, *PROMPT, "--checkpoint", STEP_6, "-o", str(tmp_path / "x.wav"))
    assert done.exit_code == 1 and isinstance(done.exception, LofiError)
    said = str(done.exception)
    assert f"{STEP_6}: was trained on the base toy" in said and "this is other" in said
    assert not (tmp_path / "x.wav").exists()
    assert trained.checkpoint(STEP_6).is_dir()


def test_a_model_that_gives_no_numbers_is_named_and_no_file_is_written(
    trained: DataRoot, base: Path, tmp_path: Path
) -> None:
    broken = Path(shutil.copytree(base, tmp_path / "broken"))
    (weights,) = (broken / "transformer").glob("*.safetensors")
    tensors = load_file(weights)
    save_file({name: np.full_like(tensor, np.nan) for name, tensor in tensors.items()}, weights)
    done = ask(trained, broken, *PROMPT, "--checkpoint", "base", "-o", str(tmp_path / "x.wav"))
    assert done.exit_code == 1 and isinstance(done.exception, LofiError)
    assert "the model gives NaN or infinity" in str(done.exception)
    assert not (tmp_path / "x.wav").exists()


def test_names_of_files(tmp_path: Path) -> None:
    names = Names(tmp_path, ["Lofi, Piano!"], [3], ["base", STEP_6])
    assert [path.name for path in names.of(STEP_6)] == [f"lofi-piano-seed3-{STEP_6}.flac"]
    assert [path.name for path in names.of("base")] == ["lofi-piano-seed3-base.flac"]
    alone = Names(tmp_path / "x.wav", ["夜"], [0], ["base"])
    assert alone.of("base") == [tmp_path / "x.wav"]
    several = Names(tmp_path / "x.wav", ["夜", "夜"], [0], ["base"])
    assert len({*several.of("base")}) == 2, "prompts without a letter of the alphabet"
    with pytest.raises(RecordError, match="x.mp3: write to a file ending in .wav or .flac"):
        Names(tmp_path / "x.mp3", PROMPTS, [0], ["base"]).of("base")


CODES = "<think>bpm: 82</think>" + "".join(f"<|audio_code_{7919 * number % 64000}|>" for number in range(10))


@pytest.mark.parametrize("offload", ["never", "always"])
def test_a_plan_of_the_language_model_is_played_as_diffusers_plays_it(
    offload: str, trained: DataRoot, planned_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOFI_TRAINING__OFFLOAD", offload)
    plan = tmp_path / "plan.txt"
    plan.write_text(CODES)
    with monkeypatch.context() as patch:
        patch.setenv(BASE_VARIABLE, "")
        asked = ["--prompt", PROMPTS[0], "--checkpoint", "base", "--base", str(planned_base), "--steps", "2", "--guidance", "1",
                 "--shift", "1", "--codes", str(plan), "-o", str(tmp_path / "x.wav"), "--data", str(trained.path)]  # fmt: skip
        done = CliRunner().invoke(app, ["generate", *asked, "--json", str(tmp_path / "said.json")])
    assert done.exit_code == 0, (done.output, done.exception)
    (clip,) = json.loads((tmp_path / "said.json").read_text())["clips"]
    assert clip["seconds"] == 2.0, "ten codes, five a second"
    pipeline: Any = AceStepPipeline.from_pretrained(planned_base)
    theirs = pipeline(
        prompt=clip["prompt"], lyrics=clip["lyrics"], vocal_language=clip["language"], bpm=clip["bpm"], keyscale=clip["key"],
        timesignature=clip["metre"], audio_codes=CODES, num_inference_steps=2, guidance_scale=1.0, shift=1.0,
        generator=torch.Generator().manual_seed(0), output_type="np",
    ).audios[0]  # fmt: skip
    np.testing.assert_allclose(music(clip["wrote"]), theirs.T, atol=2 * ROUNDING)


def test_a_plan_that_this_base_cannot_read_is_refused(
    trained: DataRoot, base: Path, planned_base: Path, tmp_path: Path
) -> None:
    plan = tmp_path / "plan.txt"

    def refused(text: str, by: Path = planned_base) -> str:
        plan.write_text(text)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(BASE_VARIABLE, "")
            asked = [
                "--prompt",
                "x",
                "--checkpoint",
                "base",
                "--base",
                str(by),
                "--codes",
                str(plan),
                "--data",
                str(trained.path),
            ]
            done = CliRunner().invoke(app, ["generate", *asked, "-o", str(tmp_path / "x.wav")])
        assert done.exit_code == 1 and not (tmp_path / "x.wav").exists()
        return str(done.exception)

    assert "plan.txt: holds no audio codes" in refused("[verse] rain")
    assert "64000 is no code of this base, whose codes go to 63999" in refused("<|audio_code_64000|>")
    assert "has no audio_tokenizer" in refused(CODES, base)
