"""A bucket on a real S3 server of this machine, and a data root with music in it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lofi_pipeline.dataset import build_dataset
from lofi_pipeline.offsite import Bucket
from lofi_pipeline.storage import DataRoot
from lofi_pipeline_tests.drops import facts, make_drop, settings, song, work
from lofi_pipeline_tests.offsite.server import BUCKET, Faults, s3_server

URL = f"s3://{BUCKET}/lofi"


@pytest.fixture(scope="session")
def server() -> Iterator[tuple[str, Faults]]:
    pytest.importorskip("moto", reason="the extra `dev` brings an S3 server for tests")
    pytest.importorskip("boto3")
    with s3_server() as found:
        yield found


@pytest.fixture
def faults(server: tuple[str, Faults], monkeypatch: pytest.MonkeyPatch) -> Faults:
    """What goes wrong on the way to the server, whose bucket is empty; credentials are set for it."""
    import boto3
    from botocore.retries import standard

    address, faults = server
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", address)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "very-secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setattr(standard.ExponentialBackoff, "delay_amount", lambda *_: 0.0)
    vars(faults).update(vars(Faults()))
    client = boto3.client("s3")
    client.create_bucket(Bucket=BUCKET)
    for item in client.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        client.delete_object(Bucket=BUCKET, Key=item["Key"])
    faults.seen.clear()
    return faults


@pytest.fixture
def bucket(faults: Faults) -> Bucket:
    return Bucket(URL)


@pytest.fixture
def client(faults: Faults) -> Any:
    """Somebody else who works with the same bucket."""
    import boto3

    return boto3.client("s3")


@pytest.fixture(scope="session")
def worked_once(tmp_path_factory: pytest.TempPathFactory) -> DataRoot:
    """One drop of two songs, worked on and published. Do not change it."""
    root = DataRoot(tmp_path_factory.mktemp("offsite") / "data").create()
    make_drop(root, "album", {"a.wav": song(0), "b.wav": song(1)}, facts(source_id="album"))
    config = settings(dataset={"validation_ratio": 0.25})
    work(root, config)
    build_dataset(root, config)
    return root


@pytest.fixture
def root(worked_once: DataRoot, tmp_path: Path) -> DataRoot:
    """A copy of `worked_once`."""
    shutil.copytree(worked_once.path, tmp_path / "data")
    return DataRoot(tmp_path / "data")
