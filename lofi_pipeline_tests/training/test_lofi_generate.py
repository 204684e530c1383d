"""`lofi generate`: several clips in one call, beside the base without LoRA, each in a file that says what it is."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner, Result

from lofi_pipeline.cli.app import app
from lofi_pipeline.cli.generated_files import Names
from lofi_pipeline.entities import RecordError
from lofi_pipeline.environment import BASE_VARIABLE
from lofi_pipeline.storage import DataRoot

PROMPTS = ("lofi hip hop, mellow, rhodes, 82 bpm", "ambient, calm, pads")
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
