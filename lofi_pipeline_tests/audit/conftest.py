"""A data root with licences, evidence, a data set version and a scored checkpoint; each test gets its own copy."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from lofi_pipeline.entities import SourceType
from lofi_pipeline.storage import DataRoot
from lofi_pipeline_tests.audit.roots import trained
from lofi_pipeline_tests.drops import CONTRACT, GRANT, acceptance_of, facts, make_drop, song, work


@pytest.fixture(scope="session")
def audited(tmp_path_factory: pytest.TempPathFactory) -> DataRoot:
    """Two tracks under CC BY, two under a contract that lies in the drop; step 60 landed. Do not change it."""
    root = DataRoot(tmp_path_factory.mktemp("audited") / "data").create()
    commons = facts(
        source_id="commons",
        license_type="CC BY 4.0",
        provider="Free [bold]Music[/] Archive",
        verified_by="tests",
        url="https://example.org/album",
        defaults={"style_ids": ["CORE-01"], "artist": "=cmd()"},
        files={"a.wav": {"title": "<b>Rain</b>"}, "b.wav": {"title": "Snow"}},
    )
    make_drop(root, "commons", {"a.wav": song(0), "b.wav": song(1)}, commons)
    session = facts(
        SourceType.COMMISSIONED,
        source_id="session",
        license_type="AI Training Rights",
        verified_by="tests",
        cost=250.0,
        defaults={"style_ids": ["SEASON-01"]},
        grant=GRANT | {"validity": {"end": "2099-12-31"}},
        accepted=[acceptance_of("session", "end", "2099-12-31")],
    )
    files = {"c.wav": song(2), "d.wav": song(3), **CONTRACT}
    make_drop(root, "session", files, session, kind=SourceType.COMMISSIONED)
    work(root)
    trained(root)
    return root


@pytest.fixture
def data(audited: DataRoot, tmp_path: Path) -> DataRoot:
    """A copy of `audited`."""
    shutil.copytree(audited.path, tmp_path / "data")
    return DataRoot(tmp_path / "data")
