"""While the list of tracks is made or brought up to date, no page waits for it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event

import pytest
from starlette.testclient import TestClient

from lofi_pipeline.dataset import track_refresh
from lofi_pipeline.dataset.track_tables import index_path
from lofi_pipeline.storage import DataRoot
from lofi_pipeline.web import track_list
from lofi_pipeline_tests.drops import facts, make_drop, register, song
from lofi_pipeline_tests.web.browser import WAIT_SECONDS
from lofi_pipeline_tests.web.serving import Studio
from lofi_pipeline_tests.web.test_tracks import FROM_PAGE, client, copied, library

__all__ = ["copied", "library"]

LONGEST_SECONDS = 40.0
"""Until a page that waits for the list after all is let go."""


@contextmanager
def held_up(monkeypatch: pytest.MonkeyPatch, part: str) -> Iterator[None]:
    """Until the end of the block, a part of the work on the list takes longer than anybody waits."""
    goes_on, real = Event(), getattr(track_refresh, part)

    def held(*given: object) -> object:
        assert goes_on.wait(LONGEST_SECONDS)
        return real(*given)

    with monkeypatch.context() as patched:
        patched.setattr(track_refresh, part, held)
        patched.setattr(track_list, "PATIENCE_SECONDS", 0.05)
        try:
            yield
        finally:
            goes_on.set()


def shown_at_last(asked: TestClient) -> str:
    """The list once it is up to date."""
    deadline = time.monotonic() + WAIT_SECONDS
    while "being " in (page := asked.get("/studio/tracks").text):
        assert time.monotonic() < deadline, page
        time.sleep(0.05)
    return page


def test_while_it_is_made_pages_say_how_far_it_is_and_tracks_are_heard(
    copied: DataRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = client(copied)
    with held_up(monkeypatch, "load_worked"):
        for path in ("/tracks?q=b.wav", "/"):
            page = asked.get(f"/studio{path}").text
            assert "being made: read 0 of 6" in page and f'hx-get="/studio{path}"' in page
        assert "track_001" in asked.get("/studio/tracks/track_001").text
        assert asked.get("/studio/tracks/track_001/audio", headers={"Range": "bytes=0-9"}).status_code == 206
        assert asked.get("/studio/checkpoints").status_code == 200
        for answer in (
            asked.get("/studio/tracks.csv"),
            asked.post(
                "/studio/tracks/accept-surest", json={"who": "kim", "confidence": 0.5}, headers=FROM_PAGE
            ),
        ):
            assert answer.status_code == 503 and "read 0 of 6" in answer.text
    assert "7 tracks and files" in shown_at_last(asked)


def test_while_it_is_brought_up_to_date_it_is_shown_as_it_was(
    copied: DataRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = client(copied)
    assert "7 tracks and files" in asked.get("/studio/tracks").text
    make_drop(copied, "new", {"new.wav": song(7)}, facts(source_id="new"))
    register(copied)
    with held_up(monkeypatch, "eligibility_of"):
        page = asked.get("/studio/tracks").text
        assert "7 tracks and files" in page and "being brought up to date" in page
        assert asked.get("/studio/tracks.csv").status_code == 503, "a table that lacks tracks is none"
    assert "8 tracks and files" in shown_at_last(asked)


def test_in_a_browser_it_shows_itself_when_it_is_done(
    copied: DataRoot, studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    index_path(copied).unlink()
    with held_up(monkeypatch, "load_worked"):
        studio.open("/tracks")
        studio.raw.wait_for_selector("#being-made:has-text('being made')")
        assert not studio.page.violations()
    studio.raw.wait_for_selector(".tracks > li")
    studio.raw.fill("#q", "b.wav")
    studio.raw.wait_for_selector("#list:has-text('1 track')")


@pytest.fixture
def root(copied: DataRoot) -> DataRoot:
    return copied
