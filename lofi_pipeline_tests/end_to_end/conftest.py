"""One whole way from music to scored checkpoints on a toy base; each test that changes a data root gets its own copy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lofi_pipeline.entities import SourceType
from lofi_pipeline.storage import DataRoot
from lofi_pipeline_tests.drops import CONTRACT, GRANT, facts, make_drop, song
from lofi_pipeline_tests.end_to_end.lofi import Lofi, write_config
from lofi_pipeline_tests.training.toy import save_toy_base

TRACKS = 6


@dataclass(frozen=True)
class Way:
    """A data root, and what `lofi run --json` said about it."""

    lofi: Lofi
    said: dict[str, Any]

    @property
    def root(self) -> DataRoot:
        return self.lofi.root


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A toy AceStepPipeline with the real Oobleck VAE and Qwen3 classes, in diffusers layout."""
    return save_toy_base(tmp_path_factory.mktemp("bases") / "toy")


@pytest.fixture(scope="session")
def prepared(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Way:
    """Six good tracks of two licences and three files that are refused, encoded for the toy base. Do not change it."""
    folder = tmp_path_factory.mktemp("prepared")
    root = DataRoot(folder / "data").create()
    make_drop(
        root, "commons", {f"c{n}.wav": song(n) for n in range(4)} | {"short.wav": song(20, 6.0)}, facts()
    )
    commissioned = facts(
        SourceType.COMMISSIONED,
        license_type="AI Training Rights",
        verified_by="tests",
        grant=GRANT,
        defaults={"style_ids": ["INST-01"]},
    )
    files = CONTRACT | {f"m{n}.wav": song(n) for n in range(4, TRACKS)}
    files["text.mp3"] = b"no music at all\n" * 500
    make_drop(root, "sessions", files, commissioned, kind=SourceType.COMMISSIONED)
    make_drop(root, "forbidden", {"nd.wav": song(21)}, facts(source_id="nd", license_type="CC BY-NC-ND 4.0"))
    lofi = Lofi(root, write_config(folder / "config"), base)
    return Way(lofi, lofi.run("--to", "encoded_dataset"))


@pytest.fixture(scope="session")
def trained(prepared: Way, tmp_path_factory: pytest.TempPathFactory) -> Way:
    """`prepared`, trained and scored by one more `lofi run`. Do not change it."""
    lofi = prepared.lofi.copy(tmp_path_factory.mktemp("trained") / "data")
    return Way(lofi, lofi.run())
