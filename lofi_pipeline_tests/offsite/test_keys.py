"""Which keys of a bucket may become files, and which files go there. No server is needed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from lofi_pipeline.config import StorageSettings
from lofi_pipeline.offsite.contents import is_written_once, may_be_evicted
from lofi_pipeline.offsite.errors import StoreError
from lofi_pipeline.offsite.keys import why_refused
from lofi_pipeline.offsite.pull import inside
from lofi_pipeline.storage import DataRoot
from lofi_pipeline_tests.drops import settings

LEADING_OUT = [
    "../evil.wav",
    "raw/creative-commons/x/../../../../etc/passwd",
    "/etc/passwd",
    "raw//x.wav",
    "raw/creative-commons/x/",
    "raw/./x.wav",
    "raw\\creative-commons\\x.wav",
    "C:/x.wav",
    "raw/creative-commons/x/.hidden",
    "raw/creative-commons/.tmp-x/a.wav",
    "raw/creative-commons/x/a\0.wav",
    "raw/creative-commons/x/a\n.wav",
    "raw/creative-commons/x/\u202egpj.wav",
    "raw/creative-commons/x/a\u200b.wav",
    "raw/creative-commons/x/\ud800.wav",
    "raw/creative-commons/x/a.wav ",
    f"raw/creative-commons/x/{'a' * 256}.wav",
    "",
]


@pytest.mark.parametrize("key", LEADING_OUT)
def test_a_key_that_could_lead_elsewhere_becomes_no_file(key: str, tmp_path: Path) -> None:
    assert why_refused(key)
    with pytest.raises(StoreError, match="no file is made of it"):
        inside(DataRoot(tmp_path).create(), key)


@pytest.mark.parametrize(
    "key", ["raw/creative-commons/x/Träume, 夢 (1).wav", "raw/partnerships/a b/c.source.json", "final/t.mp3"]
)
def test_an_ordinary_name_is_taken(key: str, tmp_path: Path) -> None:
    root = DataRoot(tmp_path).create()
    assert why_refused(key) is None and inside(root, key) == root.path / key


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    root = DataRoot(tmp_path / "data").create()
    (tmp_path / "outside").mkdir()
    (root.raw / "creative-commons" / "linked").symlink_to(tmp_path / "outside")
    (root.raw / "creative-commons" / "x.wav").symlink_to(tmp_path / "outside" / "x.wav")
    for key in ("raw/creative-commons/linked/a.wav", "raw/creative-commons/x.wav"):
        with pytest.raises(StoreError, match="behind a link"):
            inside(root, key)


def test_weights_and_shards_are_written_once_and_records_of_checkpoints_stay() -> None:
    weights = "checkpoints/archive/x/epoch=0-step=2_lora/adapter_model.safetensors"
    assert is_written_once(weights) and is_written_once("cache/latents/x/shards/y.safetensors")
    assert not is_written_once("processed/core/track_001.mp3")
    assert may_be_evicted(weights, ("archive",)) and not may_be_evicted(weights, ("latents", "music"))
    assert not may_be_evicted("checkpoints/archive/x/epoch=0-step=2_lora/checkpoint.json", ("archive",))
    assert not may_be_evicted("checkpoints/epoch=0-step=2_lora/adapter_model.safetensors", ("archive",))


@pytest.mark.parametrize("value", ["music", "https://x/y", "s3://", "s3://B", "s3://a\\b", "file:///x"])
def test_only_a_place_in_a_bucket_is_taken_as_a_setting(value: str) -> None:
    with pytest.raises(ValidationError, match="object_store"):
        StorageSettings.model_validate({"object_store": value})


def test_a_store_changes_no_hash_of_the_configuration_and_loads_nothing() -> None:
    assert "storage" not in settings().model_dump()
    code = "import sys, lofi_pipeline.definitions; print([m for m in ('boto3', 'botocore', 'lofi_pipeline.offsite') if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert found.stdout.strip().endswith("[]"), found.stdout + found.stderr
