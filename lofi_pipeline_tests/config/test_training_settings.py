"""Layers and the trigger are checked when the configuration is read, and reach the training from there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from lofi_pipeline.config import PipelineConfig, config_hash, load_config, read_yaml
from lofi_pipeline.config.files import config_file
from lofi_pipeline.entities import RecordError, Trigger
from lofi_pipeline.storage import content_sha256

BASE = "0" * 64


def configured(tmp_path: Path, *, preset: dict[str, Any] | None = None, **training: Any) -> PipelineConfig:
    """The shipped configuration with changes to the section `training`, and to its preset `nano`."""
    data: Any = read_yaml(config_file())
    data["training"] |= training
    data["training"]["presets"]["nano"] |= preset or {}
    path = tmp_path / content_sha256(data)[:8] / "pipeline.yaml"  # read once for each path
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    return load_config(path)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (["q_proj", "k_proj", "v_proj", "o_proj"], ("to_q", "to_k", "to_v", "to_out.0")),
        (
            ["self_attn.q_proj", "layers.3.cross_attn.o_proj"],
            ("self_attn.to_q", "layers.3.cross_attn.to_out.0"),
        ),
        (["to_q", "q_proj", "mlp.up_proj"], ("to_q", "mlp.up_proj")),
        (["time_embed_r.linear_1", "condition_embedder"], ("time_embed_r.linear_1", "condition_embedder")),
    ],
    ids=str,
)
def test_ace_steps_names_of_layers_are_taken_for_the_same(
    tmp_path: Path, written: list[str], meant: tuple[str, ...]
) -> None:
    assert configured(tmp_path, preset={"lora_targets": written}).training.preset.lora_targets == meant


@pytest.mark.parametrize(
    "wrong", ["query", "to_out", "layers.3.to_q", "proj_in_conv", "self_attn", "", "to_q.weight"]
)
def test_a_layer_that_the_transformer_does_not_have_is_named_with_its_field(
    tmp_path: Path, wrong: str
) -> None:
    with pytest.raises(RecordError) as raised:
        configured(tmp_path, preset={"lora_targets": ["to_q", wrong]})
    said = str(raised.value)
    assert "pipeline.yaml" in said and "training.presets.nano.lora_targets" in said
    assert f"no layer {wrong!r}; there are: to_q, to_k, to_v, to_out.0, gate_proj" in said


def test_no_layer_at_all_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="training.presets.nano.lora_targets"):
        configured(tmp_path, preset={"lora_targets": []})


def test_the_trigger_is_that_of_all_presets_unless_one_has_its_own(tmp_path: Path) -> None:
    training = configured(tmp_path, trigger=" dusty_tape ", trigger_position="append").training
    assert training.preset.trigger_in_captions == Trigger(word="dusty_tape", position="append")
    own = configured(tmp_path, trigger="dusty_tape", preset={"trigger": "vinyl_room"}).training
    assert own.preset.trigger_in_captions == Trigger(word="vinyl_room")
    assert own.complete("ace-step").trigger == "dusty_tape"


@pytest.mark.parametrize("wrong", ["", "two, tags", "two\nlines", "x" * 101])
def test_a_trigger_is_one_tag(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(RecordError, match="training.trigger: "):
        configured(tmp_path, trigger=wrong)


def test_a_trigger_makes_another_lineage_and_none_makes_the_former_one(tmp_path: Path) -> None:
    plain = configured(tmp_path).training.preset
    asked: list[dict[str, Any]] = [
        {"trigger": "a"},
        {"trigger": "b"},
        {"trigger": "a", "trigger_position": "append"},
    ]
    hashes = {config_hash(configured(tmp_path, **trigger).training.preset, BASE) for trigger in asked}
    assert len(hashes) == 3 and config_hash(plain, BASE) not in hashes
    unused = configured(tmp_path, trigger_position="append").training.preset
    assert config_hash(unused, BASE) == config_hash(plain, BASE)


def test_where_a_trigger_stands_in_a_caption() -> None:
    caption = "lofi hip hop, rhodes"
    assert Trigger(word="dusty_tape").put_into(caption) == "dusty_tape, lofi hip hop, rhodes"
    assert (
        Trigger(word="dusty_tape", position="append").put_into(caption) == "lofi hip hop, rhodes, dusty_tape"
    )
    assert Trigger(word="Rhodes").put_into(caption) == caption, "it is there already"
    assert Trigger(word="dusty_tape").put_into("") == "dusty_tape"


TRANSFORMER_XL = 4.17e9
"""Parameters of the larger transformer."""
MID_RANGE = 9e12
"""FLOP a second that such a GPU keeps up: a third of the 25 TFLOP/s in bfloat16 of a card with 12 GB."""
TOKENS_A_SECOND = 12.5


def test_the_preset_for_ace_step_saves_its_first_checkpoint_within_the_hour() -> None:
    """By the operations of a step: forward, again for checkpointing, and the way back, of 2 FLOP for each weight and token."""
    preset = load_config().training.presets["ace-step"]
    passes = 3 if preset.gradient_checkpointing else 2
    tokens = TOKENS_A_SECOND * preset.crop_seconds * preset.batch_size
    with_attention = 1.1
    seconds_a_step = 2 * TRANSFORMER_XL * tokens * passes * with_attention / MID_RANGE
    assert seconds_a_step * preset.checkpoint_interval < 45 * 60, "and the tracks are encoded before"
    assert preset.max_steps % preset.checkpoint_interval == 0
