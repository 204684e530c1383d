"""A base that is not whole, or another one than is thought, is named file by file: by the doctor, and before it is used."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from lofi_pipeline.cli.doctor_base import examine_base
from lofi_pipeline.cli.doctor_finding import Finding
from lofi_pipeline.config import PipelineConfig, load_config
from lofi_pipeline.environment import BASE_VARIABLE
from lofi_pipeline.storage import DataRoot
from lofi_pipeline.training.base_files import expected_bytes
from lofi_pipeline.training.bases import describe_base, load_base
from lofi_pipeline.training.errors import BaseModelError
from lofi_pipeline.training.memory import Shape
from lofi_pipeline.training.weights import CheckpointError, load_checkpoint_into
from lofi_pipeline_tests.training.toy import save_toy_base

WEIGHTS = "transformer/diffusion_pytorch_model.safetensors"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def copy(base: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(base, tmp_path / "toy"))


def examined(base: Path | str, monkeypatch: pytest.MonkeyPatch, **evaluation: Any) -> dict[str, Finding]:
    monkeypatch.setenv(BASE_VARIABLE, str(base))
    config = load_config()
    settings = PipelineConfig.parse(
        config.model_dump(exclude={"evaluation"}) | {"evaluation": evaluation}, where="test"
    )
    found = examine_base(settings)
    return {"base" if item.what.startswith("base model") else item.what: item for item in found}


def changed_json(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))


def in_shards(folder: Path) -> list[Path]:
    """The transformer's weights in three files, as large models have them."""
    whole = folder / WEIGHTS
    tensors = load_file(whole)
    names = sorted(tensors)
    files = [whole.with_name(f"diffusion_pytorch_model-{n:05d}-of-00003.safetensors") for n in (1, 2, 3)]
    for number, path in enumerate(files):
        save_file({name: tensors[name] for name in names[number::3]}, path)
    index = {
        "metadata": {"total_size": sum(tensor.nbytes for tensor in tensors.values())},
        "weight_map": {name: files[place % 3].name for place, name in enumerate(names)},
    }
    whole.with_name(f"{whole.name}.index.json").write_text(json.dumps(index))
    whole.unlink()
    return files


def refused_everywhere(folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """What doctor says, which describing (before a run) and loading say, too."""
    said = examined(folder, monkeypatch)["base"]
    assert said.level == "broken"
    for use in (describe_base, load_base):
        with pytest.raises(BaseModelError, match=re.escape(said.found)):
            use(str(folder))
    return said.found


def test_a_missing_file_is_named_with_the_size_that_it_should_have(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = {}
    for part, file in (("vae", "diffusion_pytorch_model"), ("text_encoder", "model")):
        path = copy / part / f"{file}.safetensors"
        sizes[part] = sum(2 * tensor.numel() for tensor in load_file(path).values())
        path.unlink()
        assert expected_bytes(copy, part) == sizes[part]
    (copy / "tokenizer" / "tokenizer.json").unlink()
    said = refused_everywhere(copy, monkeypatch)
    for part, file in (("vae", "diffusion_pytorch_model"), ("text_encoder", "model")):
        assert f"{part}/{file}.safetensors is missing (about {sizes[part] / 1e3:.3g} kB)" in said
    assert "tokenizer/tokenizer.json is missing" in said


def test_of_shards_each_missing_one_is_named(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shards = in_shards(copy)
    assert examined(copy, monkeypatch)["base"].level == "good"
    load_base(str(copy))
    size = sum(tensor.nbytes for tensor in load_file(shards[1]).values())
    shards[1].unlink()
    said = refused_everywhere(copy, monkeypatch)
    assert said == f"transformer/{shards[1].name} is missing ({size / 1e3:.3g} kB)"


def test_a_file_that_is_cut_off_is_named_with_both_sizes(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = (copy / WEIGHTS).read_bytes()
    (copy / WEIGHTS).write_bytes(data[:-1000])
    said = refused_everywhere(copy, monkeypatch)
    assert said == f"{WEIGHTS} is cut off: it has {len(data) - 1000} bytes of {len(data)}"
    (copy / WEIGHTS).write_bytes(data[:100])
    assert f"{WEIGHTS} is cut off: it has 100 bytes, its head alone" in refused_everywhere(copy, monkeypatch)


NO_HEADS = [
    b"",
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b"[]",
    b'{"a": {"data_offsets": [0, 4]}}',
    b'{"a": {"shape": ["x"], "data_offsets": [0, 4]}}',
    b'{"a": {"shape": [-1], "data_offsets": [0, 4]}}',
    b'{"a": {"shape": [1], "data_offsets": [0]}}',
]


@pytest.mark.parametrize("head", NO_HEADS, ids=range(len(NO_HEADS)))
def test_a_head_that_is_none_is_named_and_nothing_fails_over_it(
    head: bytes, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (copy / WEIGHTS).write_bytes(len(head).to_bytes(8, "little") + head + bytes(4) if head else b"")
    assert f"{WEIGHTS} is no safetensors file" in refused_everywhere(copy, monkeypatch)
    with pytest.raises(BaseModelError, match="is no safetensors file; fetch the base model again"):
        Shape.of_base(copy)


def test_a_base_of_another_architecture_is_named(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changed_json(
        copy / "model_index.json",
        lambda index: index.update(transformer=["diffusers", "ACEStepTransformer2DModel"]),
    )
    said = refused_everywhere(copy, monkeypatch)
    assert "transformer is a ACEStepTransformer2DModel, not an AceStepTransformer1DModel" in said
    changed_json(copy / "model_index.json", lambda index: index.pop("condition_encoder"))
    assert "model_index.json names no condition_encoder" in refused_everywhere(copy, monkeypatch)


def test_ace_steps_own_layout_is_known(tmp_path: Path) -> None:
    (tmp_path / "acestep-v15-turbo").mkdir()
    with pytest.raises(BaseModelError, match="ACE-Step's own layout.*name ends in -diffusers"):
        describe_base(str(tmp_path))


def test_doctor_reads_no_weights(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    head = json.dumps(
        {"a": {"dtype": "BF16", "shape": [3_000_000_000], "data_offsets": [0, 6_000_000_000]}}
    ).encode()
    with (copy / WEIGHTS).open("wb") as file:  # a file with a hole: reading all of it would take minutes
        file.write(len(head).to_bytes(8, "little") + head)
        file.truncate(8 + len(head) + 6_000_000_000)
    found = examined(copy, monkeypatch)
    assert "3e+03 M parameters" in found["base"].found and "6 GB of weights" in found["base"].found
    assert "12 GB to train" in found["base in memory"].found


def test_doctor_says_kind_licence_memory_and_how_is_generated(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = examined(copy, monkeypatch)
    assert found["base"].found.startswith("base, whole: ")
    assert (found["licence of the base"].level, found["base in memory"].level) == ("optional", "good")
    changed_json(copy / "transformer" / "config.json", lambda config: config.update(is_turbo=True))
    (copy / "README.md").write_text("---\nlicense: mit\n---\n")
    monkeypatch.setattr("lofi_pipeline.cli.doctor_base.os.sysconf", lambda name: 100)
    found = examined(copy, monkeypatch, inference_steps=12, clip_seconds=30.0)
    assert found["base"].found.startswith("turbo, whole: ")
    assert found["licence of the base"].found == "mit, says its README.md"
    assert found["base in memory"].level == "broken"
    assert found["generating"].found == "12 steps, guidance 1, shift 3, clips of 30 s"
    assert found["generating"].level == "optional"
    assert found["generating"].advice.endswith("evaluation.inference_steps (suits it: 8)")


def test_a_revision_of_a_hub_id_is_asked_for_and_recorded_by_its_commit(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = Path(shutil.copytree(base, tmp_path / "models--a--b" / "snapshots" / COMMIT))
    asked = []

    def snapshot_download(repository: str, *, revision: str | None, **_options: object) -> str:
        asked.append((repository, revision))
        return str(there)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    facts = describe_base("a/b@refs/pr/3")
    assert (facts.name, facts.revision, facts.sha256) == (
        "a/b@refs/pr/3",
        COMMIT,
        describe_base(str(base)).sha256,
    )
    describe_base("a/b")
    assert asked == [("a/b", "refs/pr/3"), ("a/b", None)]
    assert f"training.base: a/b@{COMMIT}" in examined("a/b", monkeypatch)["base"].advice
    assert not examined(f"a/b@{COMMIT}", monkeypatch)["base"].advice
    assert describe_base(str(base)).revision is None


@pytest.mark.parametrize("name", ["a/b@", "b@main", "../a/b@main"])
def test_what_is_no_hub_id_is_refused(name: str) -> None:
    with pytest.raises(BaseModelError, match="not a hub id .owner/name or owner/name@revision."):
        describe_base(name)


def test_a_lora_of_a_base_of_another_size_says_where_it_does_not_fit(
    trained: DataRoot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lofi_pipeline_tests.training.toy.WIDTH", 48)
    wide = load_base(str(save_toy_base(tmp_path / "wide")))
    with pytest.raises(CheckpointError, match=r"to_. has 48 inputs in this base, and 32 in the LoRA's; copy"):
        load_checkpoint_into(wide, trained.checkpoint("epoch=0-step=6_lora"))
