"""The configuration: what is there loads, and a wrong key or value is refused with its name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from lofi_pipeline.config import config_root, load_config
from lofi_pipeline.entities import RecordError
from lofi_pipeline.environment import CONFIG_ROOT_VARIABLE


def written(folder: Path, *changes: tuple[str, Any]) -> Path:
    """The project's configuration with some keys (dotted) set, as a file."""
    config = yaml.safe_load((config_root() / "pipeline.yaml").read_text())
    for dotted, value in changes:
        *parents, last = dotted.split(".")
        place = config
        for name in parents:
            place = place[name]
        place[last] = value
    path = folder / "pipeline.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


def test_the_projects_configuration_says_what_was_asked_for() -> None:
    config = load_config()
    assert config.audio.target_lufs == -14
    assert config.dataset.validation_ratio == 0.1
    assert config.retention.keep_best == 3
    assert config.licensing.profile == "cc"
    assert config.training.presets["ace-step"].checkpoint_interval == 1000
    assert config.training.preset is config.training.presets[config.training.active]
    assert {"nano", "ace-step"} <= config.training.presets.keys()


def test_what_is_left_out_has_its_default(tmp_path: Path) -> None:
    preset = {"max_steps": 10, "batch_size": 1, "crop_seconds": 5.0, "learning_rate": 1e-3}
    path = tmp_path / "pipeline.yaml"
    path.write_text(yaml.safe_dump({"training": {"presets": {"nano": preset}}}))
    config = load_config(path)
    assert config.training.preset.checkpoint_interval == 5000
    assert config.quality.min_score == 40


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("audio.target_luf", -14),
        ("audio.target_lufs", "loud"),
        ("audio.target_lufs", 3),
        ("audio.min_seconds", 10),
        ("audio.max_seconds", 600),
        ("audio.true_peak_ceiling_dbtp", 1.0),
        ("quality.min_score", 101),
        ("dataset.validation_ratio", 0),
        ("dataset.validation_ratio", 1.5),
        ("licensing.profile", "anything goes"),
        ("ingest.batch_size", 0),
        ("ingest.workers", -1),
        ("ingest.workers", True),
        ("audio.max_seconds", True),
        ("training.presets.nano.learning_rate", True),
        ("training.active", "nanno"),
        ("training.presets.nano.learning_rate", 0),
        ("training.presets.nano.learning_rate", float("nan")),
        ("training.presets.nano.lora_ranks", 8),
        ("training.presets.nano.precision", "fp8"),
        ("evaluation.embedder", "ears"),
        ("retention.keep_best", 0),
        ("colours", {}),
    ],
)
def test_a_wrong_key_or_value_is_named(tmp_path: Path, key: str, value: object) -> None:
    path = written(tmp_path, (key, value))
    with pytest.raises(RecordError) as caught:
        load_config(path)
    assert str(path) in str(caught.value)
    assert key.rsplit(".", 1)[-1] in str(caught.value)


def test_every_wrong_key_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(RecordError) as caught:
        load_config(written(tmp_path, ("audio.loudness", 1), ("retention.keep", 1)))
    assert "audio.loudness" in str(caught.value)
    assert "retention.keep" in str(caught.value)


@pytest.mark.parametrize("text", ["audio: [", "\x00", "just words", "- a\n- b\n", ""])
def test_what_is_no_configuration(tmp_path: Path, text: str) -> None:
    path = tmp_path / "pipeline.yaml"
    path.write_text(text)
    with pytest.raises(RecordError, match=r"pipeline\.yaml"):
        load_config(path)


def test_a_configuration_that_is_not_there_says_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=CONFIG_ROOT_VARIABLE):
        load_config(tmp_path / "pipeline.yaml")


def test_the_folder_can_be_named_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, ("retention.keep_best", 7))
    monkeypatch.setenv(CONFIG_ROOT_VARIABLE, str(tmp_path))
    assert load_config().retention.keep_best == 7


def test_styles_licences_and_configuration_import_nothing_heavy() -> None:
    code = (
        "import sys, lofi_pipeline.styles, lofi_pipeline.licensing, lofi_pipeline.config\n"
        "print([m for m in ('torch', 'librosa', 'scipy', 'dagster', 'diffusers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
