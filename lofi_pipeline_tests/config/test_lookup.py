"""Where the configuration comes from: a file or folder that is named, single values from the environment, else the project."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from lofi_pipeline.config import PIPELINE_FILE, config_file, config_root, load_config
from lofi_pipeline.entities import RecordError
from lofi_pipeline.environment import CONFIG_ROOT_VARIABLE, CONFIG_VARIABLE, THREADS_VARIABLE
from lofi_pipeline.installation import PROJECT_ROOT
from lofi_pipeline.licensing import load_policy
from lofi_pipeline.storage import DataRoot
from lofi_pipeline.styles import load_presets, load_vocabulary
from lofi_pipeline.training.bases import torch_threads

POLICY, PRESETS, VOCABULARY = "licence_policy.yaml", "style_presets.yaml", "tag_categories.yaml"


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (CONFIG_VARIABLE, CONFIG_ROOT_VARIABLE):
        monkeypatch.delenv(name, raising=False)


def with_keep_best(path: Path, number: int) -> Path:
    """The project's pipeline.yaml that keeps so many checkpoints, at `path`."""
    text = (PROJECT_ROOT / "config" / PIPELINE_FILE).read_text()
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(text.replace("keep_best: 3", f"keep_best: {number}"))
    return path


def test_without_a_word_it_is_the_checkouts() -> None:
    assert config_root() == PROJECT_ROOT / "config"
    assert config_file() == PROJECT_ROOT / "config" / PIPELINE_FILE
    assert DataRoot.find().path == PROJECT_ROOT / "data"


def test_a_file_of_ones_own_takes_the_others_from_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CONFIG_VARIABLE, str(with_keep_best(tmp_path / "mine.yaml", 8)))
    assert load_config().retention.keep_best == 8
    for name in (POLICY, PRESETS, VOCABULARY):
        assert config_file(name) == PROJECT_ROOT / "config" / name


def test_a_file_of_ones_own_takes_the_others_from_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CONFIG_VARIABLE, str(with_keep_best(tmp_path / "mine.yaml", 8)))
    before = load_policy().sha256
    text = (PROJECT_ROOT / "config" / POLICY).read_text()
    assert "strictness: 10\n" in text
    (tmp_path / POLICY).write_text(text.replace("strictness: 10\n", "strictness: 11\n"))
    assert load_policy().sha256 != before
    assert config_file(PRESETS) == PROJECT_ROOT / "config" / PRESETS


def test_presets_are_held_against_the_vocabulary_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (PROJECT_ROOT / "config" / VOCABULARY).read_text()
    assert "vinyl crackle" in text
    (tmp_path / VOCABULARY).write_text(text.replace("vinyl crackle", "vinyl hiss"))
    monkeypatch.setenv(CONFIG_VARIABLE, str(with_keep_best(tmp_path / "mine.yaml", 8)))
    assert "vinyl hiss" in load_vocabulary()
    with pytest.raises(RecordError, match="unknown tag 'vinyl crackle'"):
        load_presets()


def test_a_file_goes_before_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(PROJECT_ROOT / "config", tmp_path / "folder")
    with_keep_best(tmp_path / "folder" / PIPELINE_FILE, 5)
    monkeypatch.setenv(CONFIG_ROOT_VARIABLE, str(tmp_path / "folder"))
    assert load_config().retention.keep_best == 5
    monkeypatch.setenv(CONFIG_VARIABLE, str(with_keep_best(tmp_path / "elsewhere" / "mine.yaml", 8)))
    assert load_config().retention.keep_best == 8
    assert config_file(POLICY) == tmp_path / "folder" / POLICY


def test_a_file_that_is_not_there_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CONFIG_VARIABLE, str(tmp_path / "mine.yaml"))
    with pytest.raises(RecordError, match=f"mine.yaml: no such file; .*--config or {CONFIG_VARIABLE}"):
        load_config()


def test_a_variable_goes_before_the_file_and_is_read_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    for number in (7, 9):
        monkeypatch.setenv("LOFI_RETENTION__KEEP_BEST", str(number))
        monkeypatch.setenv("LOFI_TRAINING__PRESETS__NANO__LORA_TARGETS", '["to_q"]')
        config = load_config()
        assert config.retention.keep_best == number
        assert config.training.presets["nano"].lora_targets == ("to_q",)
        assert config.training.presets["nano"].max_steps == 240
    monkeypatch.undo()
    assert load_config().retention.keep_best == 3


def test_an_empty_variable_counts_as_not_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOFI_RETENTION__KEEP_BEST", CONFIG_VARIABLE, THREADS_VARIABLE):
        monkeypatch.setenv(name, "")
    assert load_config().retention.keep_best == 3
    assert torch_threads() >= 1


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("LOFI_RETENTION__KEEP_BEST", "0", r"retention\.keep_best: .*greater than or equal to 1"),
        ("LOFI_RETENTION__KEEP_BETS", "4", r"retention\.keep_bets: Extra inputs"),
        ("LOFI_RETENTOIN__KEEP_BEST", "4", "no such section"),
        ("LOFI_TRAINING__PRESETS__NANO__LORA_TARGETS", "to_q", "error parsing value"),
        ("LOFI_TRAINING", "7", r"training: must be fields with their values"),
    ],
)
def test_a_wrong_variable_is_named(name: str, value: str, rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(RecordError, match=rule) as caught:
        load_config()
    assert name in str(caught.value)


@pytest.mark.parametrize("value", ["0", "many"])
def test_a_wrong_number_of_threads_is_named(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(THREADS_VARIABLE, value)
    with pytest.raises(RecordError, match=THREADS_VARIABLE):
        torch_threads()
