"""From an empty data root to a verified track: what is dropped waits for a person, is corrected in the browser, and stays so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lofi_pipeline.entities import TrackState
from lofi_pipeline.storage import DataRoot
from lofi_pipeline_tests.drops import facts, make_drop, song
from lofi_pipeline_tests.end_to_end.lofi import Lofi, write_config
from lofi_pipeline_tests.web.browser import CHROMIUM
from lofi_pipeline_tests.web.serving import studio_in_browser

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs a browser: apt-get install chromium"),
]


def said_of_tracks(lofi: Lofi, target: Path) -> dict[str, dict[str, object]]:
    """What `lofi tracks --json` says, by track."""
    assert lofi("tracks", "--json", str(target)).code == 0
    return {row["track_id"]: row for row in json.loads(target.read_bytes()) if row["track_id"]}


def test_a_dropped_track_is_heard_corrected_and_verified_in_the_browser_and_stays_so(tmp_path: Path) -> None:
    lofi = Lofi(DataRoot(tmp_path / "data").create(), write_config(tmp_path / "config"), Path("nowhere"))
    make_drop(lofi.root, "mine", {f"{n}.wav": song(n) for n in range(3)}, facts(defaults={}))
    assert lofi("run", "--to", "tagged_prompts").code == 0
    waiting = [it for it, row in said_of_tracks(lofi, tmp_path / "a.json").items() if row["unsure"]]
    assert waiting, "no track was unsure: this test needs one that waits for a person"

    with studio_in_browser(lofi.root, tmp_path / "profile") as studio:
        studio.open("/tracks?only=unsure")
        studio.raw.click(f"a[href*='{waiting[0]}']")
        studio.raw.wait_for_selector("#track[data-ready=yes]")
        studio.raw.focus("#main")
        studio.raw.keyboard.press(" ")
        studio.page.wait_for("document.querySelector('#time').textContent !== '0:00'")
        studio.raw.fill("#who", "kim")
        studio.raw.fill("[name=bpm]", "77")
        studio.raw.click("#save")
        studio.raw.wait_for_selector("#prompt:has-text('77 bpm')")

    heard = lofi.root.track_record(waiting[0]).read_text()
    assert lofi("run", "--to", "dataset_manifest").code == 0
    again = said_of_tracks(lofi, tmp_path / "b.json")[waiting[0]]
    assert (again["bpm"], again["verified"], again["verified_by"]) == (77, True, "kim")
    assert again["state"] == TrackState.TRAINING_READY and "77 bpm" in str(again["prompt"])
    assert (
        json.loads(heard)["processed"]
        == json.loads(lofi.root.track_record(waiting[0]).read_text())["processed"]
    )
    others = {it: row for it, row in said_of_tracks(lofi, tmp_path / "c.json").items() if it in waiting[1:]}
    assert all(row["split"] is None for row in others.values())
