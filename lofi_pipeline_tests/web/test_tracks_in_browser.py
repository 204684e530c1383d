"""The studio's pages of tracks as people use them: in a real browser, by keys, by touch, at the width of a phone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

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
    assert said == []
    assert studio.page.violations() == []


def test_a_track_is_accepted_by_key_the_next_one_comes_and_undo_goes_back(
    studio: Studio, library: DataRoot
) -> None:
    studio.page.set_width(LAPTOP)
    open_track(studio, "track_001")
    studio.raw.fill("#who", "kim")
    studio.raw.focus("#main")
    studio.raw.keyboard.press("a")
    studio.raw.wait_for_selector("#track[data-id=track_002]")
    assert studio.raw.url.endswith("/tracks/track_002")
    review = review_of(library, "track_001")
    assert review and review.verified and review.by["verified"] == "kim"
    studio.raw.keyboard.press("u")
    studio.raw.wait_for_selector("#track[data-id=track_001]")
    assert review_of(library, "track_001") is None
    assert [made.action for made in history(library, "track_001")] == ["accept", "undo"]


def test_a_rejection_asks_for_the_reason_and_the_list_says_it(studio: Studio) -> None:
    open_track(studio, "track_004")
    studio.raw.fill("#who", "kim")
    studio.raw.focus("#main")
    studio.raw.keyboard.press("r")
    studio.raw.fill("#rejecting [name=reason]", "not lofi")
    studio.raw.keyboard.press("Enter")
    studio.raw.wait_for_selector("#track[data-id=track_005]")
    studio.open("/tracks?only=refused")
    assert "Left out: rejected by kim: not lofi" in studio.raw.inner_text(".tracks")
    open_track(studio, "track_004")
    assert "Rejected by kim: not lofi" in studio.raw.inner_text("#standing")
    studio.raw.focus("#main")
    studio.raw.keyboard.press("u")
    studio.raw.wait_for_selector("#standing:not(:has-text('Rejected'))")


def test_corrections_are_still_there_after_a_reload(studio: Studio) -> None:
    open_track(studio, "track_002")
    studio.raw.fill("#who", "kim")
    studio.raw.click("#halve")
    halved = studio.raw.input_value("[name=bpm]")
    studio.raw.click("#double")
    studio.raw.fill("[name=bpm]", "91")
    studio.raw.fill("[name=caption]", "A walk <b>home</b>")
    studio.raw.fill("[name=add_tag]", "rain")
    studio.raw.click("#save")
    studio.raw.wait_for_selector("#prompt:has-text('rain')")
    open_track(studio, "track_002")
    assert (halved, studio.raw.input_value("[name=bpm]")) == ("43", "91")
    assert studio.raw.input_value("[name=caption]") == "A walk <b>home</b>"
    assert "91 bpm" in studio.raw.inner_text("#prompt") and "rain" in studio.raw.inner_text("#prompt")
    assert "said by a person: kim" in studio.raw.inner_text(".chip:has-text('rain')")


def test_keys_play_seek_loop_and_step(studio: Studio) -> None:
    open_track(studio, "track_002")
    studio.raw.focus("#main")
    studio.raw.keyboard.press("ArrowRight")
    studio.page.wait_for("document.querySelector('#time').textContent === '0:05'")
    studio.raw.keyboard.press("l")
    assert studio.raw.get_attribute("#loop", "aria-pressed") == "true"
    studio.raw.keyboard.press(" ")
    studio.page.wait_for("document.querySelector('#play').textContent === 'Pause'")
    studio.raw.keyboard.press(" ")
    studio.page.wait_for("document.querySelector('#play').textContent === 'Play'")
    studio.raw.keyboard.press("ArrowUp")
    studio.raw.wait_for_selector("#track[data-id=track_001][data-ready=yes]")
    studio.raw.go_back()
    studio.raw.wait_for_selector("#track[data-id=track_002]")


def test_the_list_is_searched_as_one_types_and_plays(studio: Studio) -> None:
    studio.open("/tracks")
    studio.raw.type("#q", "b.wa")
    studio.page.wait_for("document.querySelectorAll('.tracks > li').length === 1")
    assert "b.wav" in studio.raw.inner_text(".tracks") and "q=b.wa" in studio.raw.url
    studio.raw.click("button.play")
    studio.page.wait_for("document.querySelector('#listen').currentTime > 0")
    assert studio.raw.get_attribute("button.play", "aria-pressed") == "true"


def test_a_search_ends_the_music_keeps_the_name_and_is_undone_by_the_back_button(studio: Studio) -> None:
    studio.open("/tracks")
    studio.raw.click(".several summary")
    studio.raw.fill("#several [name=who]", "lee")
    studio.page.ask("localStorage.setItem('lofi-who', 'lee')")
    studio.raw.click("button.play")
    studio.page.wait_for("document.querySelector('#listen').currentTime > 0")
    studio.raw.type("#q", "b.wa")
    studio.page.wait_for("document.querySelectorAll('.tracks > li').length === 1")
    studio.page.wait_for("document.querySelector('#listen').paused")
    assert studio.raw.get_attribute("button.play", "aria-pressed") == "false"
    assert studio.page.ask("document.querySelector('#several [name=who]').value") == "lee"
    studio.raw.go_back(wait_until="load")
    studio.page.wait_for("document.querySelectorAll('.tracks > li').length > 1")
    studio.raw.click("button.play")
    studio.page.wait_for("document.querySelector('#listen').currentTime > 0")


def test_once_the_link_no_longer_holds_the_list_stays_and_it_is_said_why(studio: Studio) -> None:
    studio.open("/tracks")
    rows = studio.page.ask("document.querySelectorAll('.tracks > li').length")
    cookies = studio.raw.context.cookies()
    studio.raw.context.clear_cookies()
    try:
        for text in ("b", "b.", "b.w"):
            with studio.raw.expect_response("**/tracks?*"):
                studio.raw.fill("#q", text)
        studio.raw.wait_for_selector(".toast.bad:has-text('open the link')")
        assert studio.page.ask("document.querySelectorAll('.tracks > li').length") == rows
        assert studio.raw.locator(".toast.bad").count() == 1
    finally:
        studio.raw.context.add_cookies(cookies)  # pyright: ignore[reportArgumentType]


def test_several_are_changed_at_once(studio: Studio, library: DataRoot) -> None:
    studio.open("/tracks")
    studio.raw.click(".several summary")
    studio.raw.fill("#several [name=who]", "lee")
    for track_id in ("track_001", "track_003"):
        studio.raw.check(f"[name=pick][value={track_id}]")
    studio.raw.select_option("#several [name=style]", "CORE-02")
    with studio.raw.expect_navigation():
        studio.raw.click("[data-bulk=style]")
    found = [review_of(library, track_id) for track_id in ("track_001", "track_002", "track_003")]
    assert [review.style_ids if review else None for review in found] == [["CORE-02"], None, ["CORE-02"]]
