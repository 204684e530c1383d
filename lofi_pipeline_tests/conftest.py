"""One worked-on data root for the whole session; each test that changes it gets its own copy."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from lofi_pipeline.entities import SourceType
from lofi_pipeline.storage import DataRoot
from lofi_pipeline_tests.drops import CONTRACT, GRANT, facts, make_drop, song, work


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests of a room run in one process, one after the other: they share what is dear to make."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group(item.path.parent.name))


@pytest.fixture
def root(tmp_path: Path) -> DataRoot:
    """An empty data root."""
    return DataRoot(tmp_path / "data").create()


@pytest.fixture(scope="session")
def worked_on(tmp_path_factory: pytest.TempPathFactory) -> DataRoot:
    """Four tracks that are ready, from two drops; and one that is too short. Do not change it."""
    root = DataRoot(tmp_path_factory.mktemp("worked-on") / "data").create()
    make_drop(root, "first", {"a.wav": song(0), "b.wav": song(1), "short.wav": song(9, 5.0)}, facts())
    source = facts(
        SourceType.COMMISSIONED,
        license_type="AI Training Rights",
        verified_by="tests",
        grant=GRANT,
        defaults={"style_ids": ["SEASON-01"]},
    )
    files = {"c.wav": song(2), "d.wav": song(3), **CONTRACT}
    make_drop(root, "second", files, source, kind=SourceType.COMMISSIONED)
    work(root)
    return root


@pytest.fixture
def ready(worked_on: DataRoot, tmp_path: Path) -> DataRoot:
    """A copy of `worked_on`."""
    shutil.copytree(worked_on.path, tmp_path / "ready")
    return DataRoot(tmp_path / "ready")
