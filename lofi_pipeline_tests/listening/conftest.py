"""Data roots with checkpoints to listen to, made once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from lofi_pipeline.storage import DataRoot
from lofi_pipeline_tests.listening.roots import listenable


@pytest.fixture(scope="session")
def scored_root(worked_on: DataRoot, tmp_path_factory: pytest.TempPathFactory) -> DataRoot:
    """Three scored checkpoints. Do not change it."""
    root = DataRoot(tmp_path_factory.mktemp("scored") / "data")
    shutil.copytree(worked_on.path, root.path)
    listenable(root, (60, 120, 180))
    return root


@pytest.fixture
def scored(scored_root: DataRoot, tmp_path: Path) -> DataRoot:
    """A copy of `scored_root`."""
    shutil.copytree(scored_root.path, tmp_path / "scored")
    return DataRoot(tmp_path / "scored")
