"""One toy base, one encoded data set and one undisturbed training for all tests here; each test gets its own copy."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from lofi_pipeline.entities import DatasetVersion
from lofi_pipeline.storage import DataRoot
from lofi_pipeline.training.encode import encode_dataset
from lofi_pipeline.training.records import TrainingEvent, TrainingJob
from lofi_pipeline.training.run import train
from lofi_pipeline_tests.training.toy import make_dataset, save_planned_base, save_toy_base, toy_preset

os.environ["LOFI_TORCH_THREADS"] = "1"

Train = Callable[..., list[TrainingEvent]]


def job_for(root: DataRoot, version: DatasetVersion, base: Path, **changes: object) -> TrainingJob:
    """A training of the toy base; `preset` holds changes to the toy preset."""
    preset = toy_preset(**changes.pop("preset", {}))  # pyright: ignore[reportCallIssue]
    facts = {"data_root": root.path, "dataset_hash": version.dataset.hash, "base": str(base), "device": "cpu"}
    return TrainingJob.model_validate(facts | {"preset_name": "toy", "preset": preset} | changes)


def run_job(job: TrainingJob) -> list[TrainingEvent]:
    """Train in this process; the events are returned."""
    events: list[TrainingEvent] = []
    train(job, events.append, lambda: False)
    return events


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_toy_base(tmp_path_factory.mktemp("base") / "toy")


@pytest.fixture(scope="session")
def other_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_toy_base(tmp_path_factory.mktemp("base") / "other", seed=1)


@pytest.fixture(scope="session")
def planned_base(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy base with what makes plans."""
    return save_planned_base(tmp_path_factory.mktemp("planned") / "base", base)


@pytest.fixture(scope="session")
def encoded(base: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[DataRoot, DatasetVersion]:
    root = DataRoot(tmp_path_factory.mktemp("encoded") / "data")
    version = make_dataset(root)
    encode_dataset(version, root, str(base), toy_preset())
    return root, version


@pytest.fixture(scope="session")
def version(encoded: tuple[DataRoot, DatasetVersion]) -> DatasetVersion:
    return encoded[1]


@pytest.fixture(scope="session")
def undisturbed(
    encoded: tuple[DataRoot, DatasetVersion], base: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[DataRoot, list[TrainingEvent]]:
    root = DataRoot(tmp_path_factory.mktemp("undisturbed") / "data")
    shutil.copytree(encoded[0].path, root.path)
    return root, run_job(job_for(root, encoded[1], base))


@pytest.fixture
def root(encoded: tuple[DataRoot, DatasetVersion], tmp_path: Path) -> DataRoot:
    """A data root with an encoded data set, nothing trained."""
    shutil.copytree(encoded[0].path, tmp_path / "data")
    return DataRoot(tmp_path / "data")


@pytest.fixture
def trained(undisturbed: tuple[DataRoot, list[TrainingEvent]], tmp_path: Path) -> DataRoot:
    """A data root whose training has ended: checkpoints at steps 2, 4 and 6."""
    shutil.copytree(undisturbed[0].path, tmp_path / "data")
    return DataRoot(tmp_path / "data")


@pytest.fixture
def run(root: DataRoot, version: DatasetVersion, base: Path) -> Train:
    """Train in `root` in this process, with changes to the job."""
    return lambda **changes: run_job(job_for(root, version, base, **changes))
