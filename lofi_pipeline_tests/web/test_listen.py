"""A listening test as people take it: in a real browser, by a link or from a folder on disk, to its p-value in QualityMetrics."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page as RawPage
from scipy.stats import binomtest
from starlette.testclient import TestClient

from lofi_pipeline.checkpoints.folder import scan_checkpoints
from lofi_pipeline.listening import (
    Files,
    Sheet,
    Wanted,
    find_test,
    invite,
    make_test,
    open_sheet,
    read_answers,
    score_test,
    take_file,
)
from lofi_pipeline.listening.files import read_answers_file
from lofi_pipeline.listening.page import export_page
from lofi_pipeline.listening.records import CONSENT, Key, Part
from lofi_pipeline.storage import DataRoot, read_record
from lofi_pipeline.web.role import Role
from lofi_pipeline_tests.listening.roots import listen, listenable
from lofi_pipeline_tests.web.browser import CHROMIUM, browser
from lofi_pipeline_tests.web.listener import Listener
from lofi_pipeline_tests.web.serving import TOKENS, Studio, guarded_studio, studio_in_browser

OURS = "http://127.0.0.1:3000"
FROM_PAGE = {"Origin": OURS, "Sec-Fetch-Site": "same-origin", "Content-Type": "application/json"}
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="needs a browser: apt-get install chromium")


@pytest.fixture(scope="module")
def made_root(worked_on: DataRoot, tmp_path_factory: pytest.TempPathFactory) -> DataRoot:
    """With a test of one checkpoint, and a rating of three. Do not change it."""
    root = DataRoot(tmp_path_factory.mktemp("made") / "data")
    shutil.copytree(worked_on.path, root.path)
    found = listenable(root, (60, 120, 180))
    make_test(root, found[:1], Wanted(seed=1, trials=6))
    make_test(root, found, Wanted(seed=1, trials=6, headphones=False))
    return root


@pytest.fixture
def root(made_root: DataRoot, tmp_path: Path) -> DataRoot:
    shutil.copytree(made_root.path, tmp_path / "data")
    return DataRoot(tmp_path / "data")


def files_of(root: DataRoot, kind: str = "tell") -> Files:
    paths = (root.path / "listening").glob("*/test.json")
    name = next(path.parent.name for path in paths if json.loads(path.read_text())["kind"] == kind)
    return find_test(root, name)


def parts(files: Files) -> tuple[Sheet, Key]:
    return open_sheet(files), read_record(Key, files.key)


@pytest.fixture
def listener(root: DataRoot, tmp_path: Path) -> Iterator[Studio]:
    """A browser that came by no link of the owner."""
    if CHROMIUM is None:
        pytest.skip("needs a browser: apt-get install chromium")
    with studio_in_browser(root, tmp_path / "profile", Role.LISTENER) as found:
        yield found


def test_a_whole_test_taken_in_a_browser_ends_in_quality_metrics(
    root: DataRoot, listener: Studio, tmp_path: Path
) -> None:
    files = files_of(root)
    sheet, key = parts(files)
    code = invite(files, ["Ada"])[0].listener
    said: list[str] = []
    listener.raw.on("console", lambda message: said.append(message.text))
    asked: list[str] = []
    listener.raw.on("request", lambda request: asked.append(request.url))
    listener.open(f"/listen/{files.folder.name}/{code}")
    ear = Listener(listener.raw, key, wrong=1)
    ear.begin()
    for _ in range(9):
        ear.answer()
    listener.raw.reload()
    ear.set_volume()
    ear.finish()
    assert said == []
    assert all(url.startswith(listener.address) for url in asked if not url.startswith("data:"))
    kept = [it.trial for it in read_answers(files, code)]
    assert len(kept) == len(set(kept)) == len(sheet.trials) + 1 and kept[0] == CONSENT
    with studio_in_browser(root, tmp_path / "owner") as owner:
        owner.open("/listen")
        card = owner.raw.locator(f"section:has(#test-{files.folder.name})")
        card.get_by_role("button", name="Score the answers").click()
        card.get_by_text("p_value").wait_for()
        assert owner.page.violations() == []
    scores = json.loads((scan_checkpoints(root)[0].folder / "scores.json").read_text())
    found = scores["metrics"]["human_evaluation"]
    assert (found["evaluator_count"], found["accuracy"]) == (1, 5 / 6)
    assert found["p_value"] == pytest.approx(binomtest(5, 6).pvalue)


def test_on_a_phone_every_part_is_readable_and_accessible(root: DataRoot, listener: Studio) -> None:
    files = files_of(root)
    _, key = parts(files)
    code = invite(files, [None])[0].listener
    listener.page.set_width(375)
    listener.open(f"/listen/{files.folder.name}/{code}/")
    ear = Listener(listener.raw, key)
    seen = set()

    def look() -> None:
        seen.add(ear.part)
        assert listener.page.ask("document.documentElement.scrollWidth") <= 375
        assert listener.page.violations() == []
        small = "[...document.querySelectorAll('main > section:not([hidden]) button')].filter(b => b.offsetHeight < 44).length"
        assert listener.page.ask(small) == 0

    listener.raw.wait_for_selector("#welcome:not([hidden])")
    look()
    listener.raw.check("#consent")
    listener.raw.click("#begin")
    listener.raw.wait_for_selector("#volume:not([hidden])")
    look()
    ear.set_volume()
    look()
    for _ in range(7):
        ear.answer()
    look()
    ear.finish()
    look()
    assert seen == {"welcome", "volume", "headphones", "trial", "thanks"}


def test_the_keyboard_is_enough(root: DataRoot, listener: Studio) -> None:
    files = files_of(root)
    _, key = parts(files)
    code = invite(files, [None])[0].listener
    listener.open(f"/listen/{files.folder.name}/{code}/")
    ear = Listener(listener.raw, key, by_keyboard=True)
    ear.begin()
    ear.finish()
    result = score_test(root, files)
    assert result.evaluator_count == 1


def test_of_two_windows_the_first_answer_counts_and_none_is_lost_while_the_server_is_gone(
    root: DataRoot, listener: Studio
) -> None:
    files = files_of(root)
    _, key = parts(files)
    code = invite(files, [None])[0].listener
    address = f"/listen/{files.folder.name}/{code}/"
    listener.open(address)
    one = Listener(listener.raw, key)
    one.begin()
    other_window = listener.raw.context.new_page()
    other_window.goto(listener.address + address)
    two = Listener(other_window, key)
    two.set_volume()
    two.answer()
    one.answer()
    kept = [it.trial for it in read_answers(files, code)]
    assert len(kept) == 3 and kept[1] == kept[2], "both are kept, of which the first counts"

    listener.raw.route("**/answers", lambda asked: asked.abort())
    one.hear()
    one.choose(0)
    one.press(one.section.locator(".next"))
    listener.raw.wait_for_selector("#problem:has-text('the server does not answer. Try again.')")
    listener.raw.unroute("**/answers")
    one.answer()
    assert len(read_answers(files, code)) == 4


def rate(page: RawPage, key: Key) -> None:
    """Give each clip of each group what it is worth."""
    worth = {"held_out": "95", "anchor": "20", "generated": "60"}
    ear = Listener(page, key)
    ear.begin()
    while ear.part != "thanks":
        trial = next(it for it in key.trials if it.trial == ear.section.get_attribute("data-trial"))
        ear.hear()
        for slider in ear.section.locator("input[type=range]").all():
            slider.fill(worth[trial.clips[str(slider.get_attribute("data-clip"))].origin])
        ear.section.locator(".next:enabled").click()
        page.wait_for_function(
            "(before) => document.querySelector('main > section:not([hidden])').dataset.trial !== before",
            arg=trial.trial,
            polling=20,
        )
        if ear.part == "told":
            ear.section.locator(".next").click()


def test_a_rating_taken_in_a_browser(root: DataRoot, listener: Studio) -> None:
    files = files_of(root, "rate")
    _, key = parts(files)
    code = invite(files, [None])[0].listener
    listener.page.set_width(375)
    listener.open(f"/listen/{files.folder.name}/{code}/")
    rate(listener.raw, key)
    result = score_test(root, files)
    assert result.evaluator_count == 1
    assert [round(it.mean) for it in result.rated] == [60, 60, 60, 95, 20]  # pyright: ignore[reportAttributeAccessIssue]


@needs_browser
def test_a_folder_on_disk_is_taken_without_a_server_and_read_back(root: DataRoot, tmp_path: Path) -> None:
    files = files_of(root)
    sheet, key = parts(files)
    folder = export_page(root, files, tmp_path / "sent")
    with browser(tmp_path / "profile") as page:
        page.open((folder / "index.html").as_uri())
        ear = Listener(page.raw, key, wrong=2)
        ear.begin()
        for _ in range(10):
            ear.answer()
        page.raw.reload()
        ear.set_volume()
        ear.finish()
        assert page.violations() == []
        with page.raw.expect_download() as saving:
            page.raw.click("#save")
        saving.value.save_as(tmp_path / "answers.json")
    listener, new = take_file(files, sheet, read_answers_file(tmp_path / "answers.json"))
    assert listener.by_file and new == len(sheet.trials) + 1
    result = score_test(root, files)
    assert (result.evaluator_count, result.right) == (1, 4)  # pyright: ignore[reportAttributeAccessIssue]


def test_an_exported_folder_holds_no_key(root: DataRoot, tmp_path: Path) -> None:
    for kind in ("tell", "rate"):
        files = files_of(root, kind)
        folder = export_page(root, files, tmp_path / kind)
        names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
        clips = {f"clips/{path.name}" for path in (files.served / "clips").iterdir()}
        assert names == {"index.html", "listen.js", "listen.css"} | clips
        text = (folder / "index.html").read_text()
        data = json.loads(text.partition('id="data">')[2].partition("</script>")[0])
        assert set(data) == {"sheet", "mode"}
        for word in ("held_out", "generated", "attention", "checkpoint"):
            assert word not in text
        assert len({path.stat().st_mtime_ns for path in (folder / "clips").iterdir()}) == 1


def answered(client: TestClient, path: str, **headers: str) -> int:
    return client.get(path, headers=headers, follow_redirects=False).status_code


def test_a_link_opens_its_own_test_and_nothing_else(root: DataRoot) -> None:
    files, other = files_of(root), files_of(root, "rate")
    code = invite(files, [None])[0].listener
    client = TestClient(guarded_studio(root), base_url=OURS)
    mine, theirs = f"/studio/listen/{files.folder.name}", f"/studio/listen/{other.folder.name}"
    clip = next((files.served / "clips").iterdir()).name
    foreign = next((other.served / "clips").iterdir()).name
    assert answered(client, f"{mine}/{code}") == 308
    for name in ("", "listen.js", "listen.css", f"clips/{clip}"):
        assert answered(client, f"{mine}/{code}/{name}") == 200, name
        assert answered(client, f"{mine}/{'f' * 24}/{name}") == 404, name
        assert answered(client, f"{theirs}/{code}/{name}") == 404, name
    names = [
        "key.json",
        "test.json",
        "listeners.jsonl",
        "clips/key.json",
        "..%2fkey.json",
        "clips/..%2f..%2fkey.json",
    ]
    for name in [*names, f"clips/{foreign}", "clips/..%2F..%2F..%2Fkey.wav", "answers", "listen.html"]:
        assert answered(client, f"{mine}/{code}/{name}") in (404, 405), name
    for path in ("/studio/listen", "/studio/tracks", "/studio/"):
        assert answered(client, path) == 401
    for path in ("new", "invite", "score"):
        sent = client.post(f"/studio/listening/{path}", json={"test": files.folder.name}, headers=FROM_PAGE)
        assert sent.status_code == 401
    auditor = {"Authorization": f"Bearer {TOKENS[Role.AUDITOR]}"}
    shown = client.get("/studio/listen", headers=auditor)
    assert shown.status_code == 200 and code not in shown.text
    sent = client.post("/studio/listening/invite", json={"test": "a"}, headers={**FROM_PAGE, **auditor})
    assert sent.status_code == 403


def test_headers_and_parts_of_clips_tell_nothing(root: DataRoot) -> None:
    files = files_of(root)
    _, key = parts(files)
    code = invite(files, [None])[0].listener
    client = TestClient(guarded_studio(root), base_url=OURS)
    clips = {name for trial in key.trials if trial.role != "headphones" for name in trial.clips}
    found = [
        client.get(f"/studio/listen/{files.folder.name}/{code}/clips/{name}.wav") for name in sorted(clips)
    ]
    heads = [{name: value for name, value in it.headers.items() if name != "date"} for it in found]
    assert all(head == heads[0] for head in heads)
    part = client.get(str(found[0].url), headers={"Range": "bytes=10-19"})
    assert part.status_code == 206 and part.content == found[0].content[10:20]


def test_answers_that_no_page_sends_are_refused_with_a_sentence(root: DataRoot) -> None:
    files = files_of(root)
    sheet, _ = parts(files)
    code = invite(files, [None])[0].listener
    client = TestClient(guarded_studio(root), base_url=OURS)
    trial = sheet.of_part(Part.TRIAL)[0]

    def send(data: object, **headers: str) -> tuple[int, str]:
        path = f"/studio/listen/{files.folder.name}/{code}/answers"
        done = client.post(path, json=data, headers={**FROM_PAGE, **headers})
        return done.status_code, done.text

    status, said = send({"trial": trial.trial, "chosen": trial.clips[0]})
    assert status == 422 and "agree" in said
    assert send({"trial": CONSENT, "chosen": "yes"})[0] == 200
    for data in (
        {"trial": "0"},
        {"trial": "f" * 12, "chosen": "1"},
        [],
        {"trial": trial.trial, "chosen": "key"},
    ):
        status, said = send(data)
        assert status == 422 and "error" in said
    assert send({"trial": trial.trial, "chosen": trial.clips[0]}, Origin="http://evil.example")[0] == 403
    assert [it.trial for it in read_answers(files, code)] == [CONSENT]


def test_the_owner_sees_progress_results_and_links(root: DataRoot, studio: Studio) -> None:
    files = files_of(root)
    sheet, key = parts(files)
    studio.page.set_width(375)
    studio.open("/listen")
    assert studio.page.violations() == []
    card = studio.raw.locator(f"section:has(#test-{files.folder.name})")
    card.get_by_role("button", name="Make a link for a listener").click()
    link = card.locator("a[href*='/studio/listen/']")
    link.wait_for()
    href = str(link.get_attribute("href"))
    assert href.startswith(studio.address)
    card.get_by_role("button", name="Score the answers").click()
    toast = studio.raw.locator(".toast.bad")
    toast.wait_for()
    assert "nobody has answered yet" in toast.inner_text()
    listen(files, sheet, key)
    studio.open("/listen")
    card.get_by_role("button", name="Score the answers").click()
    card.get_by_text("evaluator_count").wait_for()
    assert "Not counted" in card.inner_text()
    assert studio.page.violations() == []
    assert studio.page.ask("document.documentElement.scrollWidth") <= 375
    studio.raw.get_by_text("Make a test").click()
    studio.raw.get_by_role("button", name="Of step 120").click()
    studio.raw.locator("h2:has-text('step000120'):has-text('Machine')").wait_for()
    link.first.click()
    studio.raw.wait_for_selector("#welcome:not([hidden])")
