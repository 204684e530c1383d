"""A toy pipeline and a toy data root, made once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lofi_pipeline.entities import DatasetVersion
from lofi_pipeline.storage import DataRoot

if TYPE_CHECKING:
    from diffusers import AceStepPipeline  # pyright: ignore[reportPrivateImportUsage]


@pytest.fixture(scope="session")
def pipeline() -> AceStepPipeline:
    import torch

    from lofi_pipeline_tests.evaluation.toys import toy_pipeline

    torch.set_num_threads(1)
    return toy_pipeline()


@pytest.fixture
def rooted(tmp_path) -> tuple[DataRoot, DatasetVersion]:
    from lofi_pipeline_tests.evaluation.toys import toy_root

    return toy_root(tmp_path / "data")
