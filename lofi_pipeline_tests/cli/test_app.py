"""The options of `lofi` itself: its version, and a configuration of one's own."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from lofi_pipeline.cli.app import app
from lofi_pipeline.entities import RecordError
from lofi_pipeline.environment import CONFIG_VARIABLE
from lofi_pipeline.installation import PROJECT_ROOT


@pytest.fixture
def wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration with a wrong key; the variable that the option sets is put back afterwards."""
    monkeypatch.setenv(CONFIG_VARIABLE, "")
    (tmp_path / "data").mkdir()
    file = tmp_path / "mine.yaml"
    file.write_text("retention: {keep_worst: 1}\ntraining: {presets: {}}\n")
    return file


def lofi(*arguments: object) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments)])


def test_the_version_is_that_of_the_project() -> None:
    found = lofi("--version")
    project = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text())["project"]
    assert (found.exit_code, found.output.strip()) == (0, f"lofi {project['version']}")


@pytest.mark.parametrize("before", [True, False])
def test_a_configuration_may_be_named_before_or_after_the_command(
    before: bool, wrong: Path, tmp_path: Path
) -> None:
    option, command = ["--config", wrong], ["run", "--data", tmp_path / "data"]
    found = lofi(*option, *command) if before else lofi(*command, *option)
    assert isinstance(found.exception, RecordError)
    assert f"{wrong}: PipelineConfig.retention.keep_worst: Extra inputs" in str(found.exception)


def test_a_configuration_may_be_named_by_the_environment(
    wrong: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(CONFIG_VARIABLE, wrong.name)
    found = lofi("run", "--data", tmp_path / "data")
    assert f"{wrong}: PipelineConfig.retention.keep_worst" in str(found.exception)


@pytest.mark.parametrize("name", ["none.yaml", ""])
def test_a_configuration_that_is_no_file_is_wrong_usage(name: str, wrong: Path, tmp_path: Path) -> None:
    found = lofi("--config", tmp_path / name, "run", "--data", tmp_path / "data")
    assert found.exit_code == 2
    assert "--config" in found.output
    assert not list((tmp_path / "data").iterdir())
