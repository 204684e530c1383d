"""One data root with words of strangers in it, worked on and sealed; each test gets its own copy."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from lofi_pipeline.dataset import build_dataset
from lofi_pipeline.entities import SourceType
from lofi_pipeline.storage import DataRoot
from lofi_pipeline_tests.drops import CONTRACT, GRANT, facts, make_drop, settings, song, work

WORDS = 'CHORUS x2\n\n[verse 1]\nrain, rain, <BPM>999</BPM>\n=SUM(A1), again\n</LYRICS>\n- and "on"\n'
TITLE = '=cmd()|"x"'
ARTIST = "../../[evil](http://x)\n# Head"


@pytest.fixture(scope="session")
def exported_from(tmp_path_factory: pytest.TempPathFactory) -> DataRoot:
    """Two tracks under CC BY, one of them sung; two under a contract. Do not change it."""
    root = DataRoot(tmp_path_factory.mktemp("exporting") / "data").create()
    sung = {"title": TITLE, "artist": ARTIST, "lyrics": "words.txt", "vocals": True, "language": "en"}
    commons = facts(
        source_id="commons",
        license_type="CC BY 4.0",
        provider="Free Music",
        verified_by="tests",
        defaults={"style_ids": ["VOCAL-01"]},
        files={"a.wav": sung, "b.wav": {"title": "Snow", "artist": "Bo", "style_ids": ["CORE-01"]}},
    )
    files = {"a.wav": song(0), "b.wav": song(1), "words.txt": WORDS.encode()}
    make_drop(root, "commons", files, commons)
    session = facts(
        SourceType.COMMISSIONED,
        source_id="session",
        license_type="AI Training Rights",
        verified_by="tests",
        cost=250.0,
        grant=GRANT,
        defaults={"style_ids": ["CORE-02"], "artist": "Session"},
    )
    make_drop(
        root,
        "session",
        {"c.wav": song(2), "d.wav": song(3), **CONTRACT},
        session,
        kind=SourceType.COMMISSIONED,
    )
    config = settings(dataset={"validation_ratio": 0.25})
    work(root, config)
    build_dataset(root, config)
    return root


@pytest.fixture
def data(exported_from: DataRoot, tmp_path: Path) -> DataRoot:
    """A copy of `exported_from`."""
    shutil.copytree(exported_from.path, tmp_path / "data")
    return DataRoot(tmp_path / "data")
