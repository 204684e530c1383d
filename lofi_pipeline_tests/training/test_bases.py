"""Base models: found, described by content, refused with advice."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from lofi_pipeline.training.bases import describe_base, load_base
from lofi_pipeline.training.errors import BaseModelError


def test_hash_is_of_the_content_wherever_it_lies(base: Path, tmp_path: Path):
    copy = shutil.copytree(base, tmp_path / "elsewhere" / base.name)
    (copy / "README.md").write_text("not part of the model")
    (copy / ".cache").mkdir()
    assert describe_base(str(copy)) == describe_base(str(base))


def test_hash_changes_with_a_weight_and_with_a_setting(base: Path, tmp_path: Path):
    copy = shutil.copytree(base, tmp_path / base.name)
    before = describe_base(str(copy)).sha256
    weights = copy / "transformer" / "diffusion_pytorch_model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    changed = describe_base(str(copy)).sha256
    config = copy / "vae" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"decoder_channels": 5}))
    assert len({before, changed, describe_base(str(copy)).sha256}) == 3


@pytest.mark.parametrize("name", ["model_index.json", "vae/config.json", "transformer/config.json"])
def test_a_configuration_that_gives_a_key_twice_is_refused_by_both_names(
    base: Path, tmp_path: Path, name: str
):
    copy = shutil.copytree(base, tmp_path / base.name)
    text = (copy / name).read_text().strip()
    (copy / name).write_text(text[:-1] + ', "_class_name": "AceStepPipeline", "_class_name": "Other"}')
    with pytest.raises(BaseModelError, match=rf'{name}.*"_class_name" is given more than once'):
        describe_base(str(copy))


@pytest.mark.parametrize(
    ("card", "licence"),
    [
        ("---\nlicense: apache-2.0\ntags: [a]\n---\n# Model", "apache-2.0"),
        ('---\r\nlicense: "MIT"  # as the authors say\r\n---\r\n', "MIT"),
        ("---\nlicense: other\nlicense_name: house-licence-2\n---\n", "house-licence-2"),
        ("---\nlicense: unknown\n---\n", None),
        ("---\nlicense: [mit, apache-2.0]\n---\n", None),
        ("---\ntags: [lofi]\n---\nlicense: mit\n", None),
        ("license: mit\n", None),
        ("---\nlicense: mit\nlicense: apache-2.0\n---\n", None),
        ("---\nlicense: mit\n", None),
        ("---\nlicense: \x1b[31mmit\n---\n", None),
        ('---\nlicense: "\\u202emit"\n---\n', None),
        ("---\nlicense: " + "m" * 300 + "\n---\n", None),
        ("---\n" + "[" * 5000 + "\n---\n", None),
        ("---\nlicense: !!python/object/apply:os.getcwd []\n---\n", None),
        (
            "---\na: &a {k: v}\n"
            + "".join(
                f"{n}: &{n} {{<<: [{', '.join([f'*{chr(ord(n) - 1)}'] * 9)}]}}\n" for n in "bcdefghijklmn"
            )
            + "license: mit\n---\n",
            "mit",
        ),
    ],
)
def test_the_licence_is_what_the_front_matter_of_the_model_card_says(
    base: Path, tmp_path: Path, card: str, licence: str | None
):
    copy = shutil.copytree(base, tmp_path / base.name)
    (copy / "README.md").write_bytes(card.encode())
    facts = describe_base(str(copy))
    assert (facts.licence, facts.licence_from) == (licence, "README.md" if licence else None)
    assert facts.sha256 == describe_base(str(base)).sha256
    configured = describe_base(str(copy), licence="GPL-3.0-only")
    assert configured.licence == licence or (configured.licence, configured.licence_from) == (
        "GPL-3.0-only",
        "training.base_licence",
    )


def test_the_embedded_base_says_its_licence():
    assert describe_base("nano").licence == "apache-2.0"


def test_rates_are_those_of_the_codec(base: Path):
    facts = describe_base(str(base))
    assert (facts.sampling_rate, facts.latents_per_second) == (48_000, 25.0)


@pytest.mark.parametrize("name", ["./no/such/folder", "/nowhere", "just-a-word", "a\\b/c"])
def test_what_is_neither_folder_nor_hub_id_is_refused_with_advice(name: str):
    with pytest.raises(BaseModelError, match="no such folder.*hf download"):
        load_base(name)


def test_hub_id_that_is_not_cached_says_what_to_do_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(BaseModelError, match="HF_HUB_OFFLINE is set.*--local-dir"):
        describe_base("someone/some-model")


def test_folder_without_index_or_of_another_pipeline_is_refused(base: Path, tmp_path: Path):
    with pytest.raises(BaseModelError, match=r"model_index\.json"):
        describe_base(str(tmp_path))
    copy = shutil.copytree(base, tmp_path / "copy")
    index = json.loads((copy / "model_index.json").read_text())
    (copy / "model_index.json").write_text(json.dumps(index | {"_class_name": "FluxPipeline"}))
    with pytest.raises(BaseModelError, match="is a FluxPipeline"):
        describe_base(str(copy))


def test_pickled_weights_are_not_read(base: Path, tmp_path: Path):
    copy = shutil.copytree(base, tmp_path / "copy")
    weights = copy / "transformer" / "diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_suffix(".bin"))
    with pytest.raises(BaseModelError, match="safetensors"):
        load_base(str(copy))
