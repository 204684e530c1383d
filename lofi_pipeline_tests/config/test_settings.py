"""Every setting says what it means; a file is read as its writer meant it; hashes made of settings stay what they are."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lofi_pipeline.config import (
    AudioSettings,
    DatasetSettings,
    EvaluationSettings,
    LicensingSettings,
    PipelineConfig,
    TaggingSettings,
    TrainingPreset,
    config_hash,
    config_root,
    load_config,
    read_yaml,
)
from lofi_pipeline.entities import Entity, RecordError
from lofi_pipeline.environment import Environment
from lofi_pipeline.installation import PROJECT_ROOT
from lofi_pipeline.storage import content_sha256

UNIT_OF_ENDING = {
    "_seconds": "s",
    "_lufs": "LUFS",
    "_dbtp": "dBTP",
    "_db": "dB",
    "_steps": "steps",
    "batch_size": None,
    "_interval": "steps",
}
"""What a name says of its unit, which the field must say too; None: any."""
BOUNDS = {"minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"}


def fields(model: type[PipelineConfig] | type[Environment]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every field that can be set, with its JSON Schema."""
    schema = model.model_json_schema()
    for section in [schema, *schema.get("$defs", {}).values()]:
        for name, field in section["properties"].items():
            if "$ref" not in field:
                yield f"{section['title']}.{name}", field


SETTINGS = dict(fields(PipelineConfig))


def test_all_sections_are_looked_at() -> None:
    sections = (type(section).__name__ for _, section in load_config())
    assert {name.partition(".")[0] for name in SETTINGS} >= set(sections)
    assert "TrainingPreset.learning_rate" in SETTINGS


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_has_meaning_range_and_unit(name: str) -> None:
    field = SETTINGS[name]
    about = field.get("description", "")
    assert len(about) > 3
    if field.get("type") in ("integer", "number") and not BOUNDS & field.keys():
        assert re.search("any (whole )?number", about), "a number without bounds says that any will do"
    ending = next((ending for ending in UNIT_OF_ENDING if name.endswith(ending)), None)
    if ending:
        assert field.get("unit")
        assert UNIT_OF_ENDING[ending] in (None, field["unit"])


@pytest.mark.parametrize("name", [name for name, _ in fields(Environment)])
def test_an_environment_variable_has_its_meaning(name: str) -> None:
    assert len(dict(fields(Environment))[name]["description"]) > 20


def test_every_variable_in_the_code_is_a_documented_one() -> None:
    known = {str(field.validation_alias) for field in Environment.model_fields.values()}
    texts = [(PROJECT_ROOT / "Makefile").read_text()]
    for room in ("lofi_pipeline", "benchmarks"):
        for path in (PROJECT_ROOT / room).rglob("*.py"):
            nodes = ast.walk(ast.parse(path.read_text()))
            texts += [
                node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)
            ]
    used = {name for text in texts for name in re.findall(r"\bLOFI_[A-Z0-9_]*[A-Z0-9]\b", text)}
    overrides = {name for name in used if "__" in name}
    assert used - overrides == known
    for name in overrides:
        place: Any = load_config().model_dump()
        for part in name.removeprefix("LOFI_").lower().split("__"):
            place = place[part]


@pytest.mark.parametrize(
    ("value", "digest"),
    [
        (AudioSettings(), "fb00cb8de040f968fb65468d91ea8572d0e5d20019d4cf9495c67798bc80fffb"),
        (TaggingSettings(), "4fd6e0003ed3e14c29d9ae7f205fa098d12ad4c688ad9fe11aad903af709cd0e"),
        (DatasetSettings(), "ce40825c272f57c5a5952910074da49b29021824f75edb488eae24359ee37fa3"),
        (LicensingSettings(), "e9426bf6dbabdffdd21d4f175670e360cb3d2e5c1078d13a4cb8454f537e1aa8"),
        (EvaluationSettings(), "beda27531b8bc3e347406866df4670fad6936ed2c0ed34ead0004bcbc3cf4e81"),
    ],
)
def test_the_hash_of_a_section_stays(value: Entity, digest: str) -> None:
    assert content_sha256(value) == digest, "tracks, data sets and scores that exist would be made again"


@pytest.mark.parametrize(
    ("variants", "digest"),
    [
        (0, "b45270f53372640a1ffacda0fd4534236e9cf40892eb6ee2fea3a729ab898ebf"),
        (2, "f6c86df2c4219fc29ee1054224f78cd42a21fbbea0c63fbff9c65726028a9016"),
    ],
)
def test_the_hash_of_a_preset_stays(variants: int, digest: str) -> None:
    preset = TrainingPreset(
        max_steps=10, batch_size=1, crop_seconds=5.0, learning_rate=0.001, caption_variants=variants
    )
    assert config_hash(preset, "0" * 64) == digest, "checkpoints that exist would belong to another lineage"


def changed(folder: Path, before: str, after: str) -> Path:
    """The project's pipeline.yaml with one place of its text changed."""
    text = (config_root() / "pipeline.yaml").read_text()
    assert before in text
    path = folder / "pipeline.yaml"
    path.write_text(text.replace(before, after))
    return path


def test_off_is_a_word_and_no_boolean(tmp_path: Path) -> None:
    assert load_config(changed(tmp_path, "zero_shot: clap", "zero_shot: off")).tagging.zero_shot == "off"


@pytest.mark.parametrize(
    ("word", "value"), [("no", False), ("off", False), ("false", False), ("yes", True), ("TRUE", True)]
)
def test_where_a_boolean_is_asked_for_the_same_words_are_one(tmp_path: Path, word: str, value: bool) -> None:
    config = load_config(changed(tmp_path, "commercial: true", f"commercial: {word}"))
    assert config.licensing.commercial is value


@pytest.mark.parametrize("word", ["on", "no", "y", "2025-01-01", "Norway"])
def test_a_word_that_yaml_takes_for_something_else_can_be_a_name(tmp_path: Path, word: str) -> None:
    path = tmp_path / "pipeline.yaml"
    preset = "{max_steps: 1, batch_size: 1, crop_seconds: 1, learning_rate: 1e-3}"
    path.write_text(f"training: {{active: {word}, base_licence: {word}, presets: {{{word}: {preset}}}}}")
    training = load_config(path).training
    assert (training.active, training.base_licence, list(training.presets)) == (word, word, [word])


@pytest.mark.parametrize("value", ["2.0", "4", "true"])
def test_what_must_be_text_and_is_none_says_to_quote_it(tmp_path: Path, value: str) -> None:
    path = changed(tmp_path, "  base: nano", f"  base: nano\n  base_licence: {value}")
    with pytest.raises(RecordError, match=r"training\.base_licence: .*put it in quotes"):
        load_config(path)
    quoted = changed(tmp_path, "  base: nano", f"  base: nano\n  base_licence: '{value}' ")
    assert load_config(quoted.rename(tmp_path / "quoted.yaml")).training.base_licence == value


def test_a_key_that_is_there_twice_is_named(tmp_path: Path) -> None:
    path = changed(tmp_path, "retention:", "audio: {min_seconds: 60}\nretention:")
    with pytest.raises(RecordError, match="audio: is there twice"):
        load_config(path)


@pytest.mark.parametrize("key", ["_env_file: x", "1: x", "_case_sensitive: true"])
def test_no_key_reaches_the_library_that_reads_settings(tmp_path: Path, key: str) -> None:
    path = changed(tmp_path, "retention:", f"{key}\nretention:")
    with pytest.raises(RecordError, match=f"{key.partition(':')[0]}: no such section"):
        load_config(path)


@pytest.mark.parametrize("text", ["[" * 20_000, "a: " + "9" * 5000, "{a: " * 20_000])
def test_yaml_that_cannot_be_read_is_refused_by_its_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "some.yaml"
    path.write_text(text)
    with pytest.raises(RecordError, match=r"some\.yaml: "):
        read_yaml(path)


def test_anchors_and_merges_of_yaml_work(tmp_path: Path) -> None:
    path = tmp_path / "some.yaml"
    path.write_text("a: &a {x: 1, y: off}\nb: {<<: *a, x: 2}\n")
    assert read_yaml(path) == {"a": {"x": 1, "y": "off"}, "b": {"x": 2, "y": "off"}}
