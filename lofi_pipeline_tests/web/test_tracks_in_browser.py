"""The studio's pages of tracks as people use them: in a real browser, by keys, by touch, at the width of a phone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from lofi_pipeline.review import history, review_of
from lofi_pipeline.storage import DataRoot
from lofi_pipeline_tests.web.browser import CHROMIUM
from lofi_pipeline_tests.web.serving import Studio, studio_in_browser

PHONE, LAPTOP = 375, 1280


@pytest.fixture(scope="module")
def library(worked_on: DataRoot, tmp_path_factory: pytest.TempPathFactory) -> DataRoot:
    """Four tracks that are ready, and a file that is too short."""
    path = tmp_path_factory.mktemp("library") / "data"
    shutil.copytree(worked_on.path, path)
    return DataRoot(path)


@pytest.fixture(scope="module")
def studio(library: DataRoot, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    if CHROMIUM is None:
        pytest.skip("needs a browser: apt-get install chromium")
    with studio_in_browser(library, tmp_path_factory.mktemp("profile")) as found:
        yield found


def open_track(studio: Studio, track_id: str) -> None:
    studio.open(f"/tracks/{track_id}")
    studio.raw.wait_for_selector("#track[data-ready=yes]")


def shown_id(studio: Studio) -> str:
    return studio.page.ask("JSON.parse(document.querySelector('#track').dataset.loaded).track_id")


@pytest.mark.parametrize("path", ["/tracks", "/tracks?only=refused", "/tracks/track_001"])
@pytest.mark.parametrize("width", [PHONE, LAPTOP])
def test_the_pages_are_there_for_everybody(studio: Studio, path: str, width: int) -> None:
    said: list[str] = []
    studio.raw.on("console", lambda message: said.append(message.text))
    studio.page.set_width(width)
    studio.open(path)
    if "track_" in path:
        studio.raw.wait_for_selector("#track[data-ready=yes]")
        studio.raw.wait_for_selector("#licence-title")
    assert studio.page.ask("document.documentElement.scrollWidth") <= width
    assert studio.page.violations() == []
    assert said == []
    studio.raw.screenshot(path=f"/tmp/w/p_shots/{path.replace('/', '_').replace('?', '_')}-{width}.png", full_page=True)
