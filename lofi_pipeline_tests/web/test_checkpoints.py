"""The studio's pages of checkpoints: what they show to whom, what a person may say, and clips side by side in a real browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import pytest
from starlette.testclient import TestClient

from lofi_pipeline.checkpoints.manifest import activate_lineage
from lofi_pipeline.checkpoints.pins import read_kept, read_pins
from lofi_pipeline.checkpoints.votes import counted_preference, read_votes
from lofi_pipeline.entities import SCORES_RECORD, Side, checkpoint_id_of
from lofi_pipeline.evaluation import blind
from lofi_pipeline.storage import DataRoot
from lofi_pipeline.web.role import Role
from lofi_pipeline_tests.checkpoints.folders import make_lineage, make_record
from lofi_pipeline_tests.checkpoints.lineages import KEY, PROMPTS, SHORT, STEPS, make_trained
from lofi_pipeline_tests.web.browser import CHROMIUM
from lofi_pipeline_tests.web.serving import TOKENS, Studio, guarded_studio, studio_in_browser

PAGE = f"/checkpoints/{SHORT}"
SESSION = "/studio/compare/session/"


@pytest.fixture
def trained(root: DataRoot) -> DataRoot:
    return make_trained(root)


class Visitor:
    """Somebody who came in by the link of a role."""

    def __init__(self, root: DataRoot, role: Role = Role.OWNER) -> None:
        address = "http://127.0.0.1:3000"
        self._client = TestClient(guarded_studio(root), base_url=address)
        self._headers = {"Authorization": f"Bearer {TOKENS[role]}", "Origin": address}

    def get(self, path: str) -> str:
        answer = self._client.get(f"/studio{path}", headers={**self._headers, "Accept": "text/html"})
        assert answer.status_code == 200, answer.text
        return answer.text

    def bytes(self, path: str) -> bytes:
        answer = self._client.get(f"/studio{path}", headers=self._headers)
        assert answer.status_code == 200, answer.text
        return answer.content

    def status(self, path: str) -> int:
        return self._client.get(f"/studio{path}", headers=self._headers).status_code

    def headers(self, path: str) -> dict[str, str]:
        return dict(self._client.get(path, headers=self._headers).headers)

    def post(self, path: str, **data: object) -> tuple[int, dict[str, str]]:
        answer = self._client.post(f"/studio{path}", headers=self._headers, json=data)
        is_json = answer.headers["content-type"] == "application/json"
        return answer.status_code, answer.json() if is_json else {}


def test_a_lineage_s_page_has_warnings_first_and_errors_beside_numbers(trained: DataRoot) -> None:
    assert f'href="/studio{PAGE}"' in Visitor(trained).get("/checkpoints")
    page = Visitor(trained).get(PAGE)
    sections = [page.index(f'id="{name}"') for name in ("warnings", "chart-loss", "chart-fad", "chart-clap")]
    assert sections == sorted(sections) and sections[0] < page.index("<svg")
    assert "0.3000 ± 0.0300" in page and "not separable from the best" in page
    assert "Step 10: 1 sample repeats training music, of track_002" in page
    assert "<td>kept: " in page and 'class="band"' in page
    assert page.count('class="error-bar') == 8  # base and three checkpoints, FAD and CLAP


def test_a_row_has_the_base_first_equal_loudness_and_the_nearest_training_track(trained: DataRoot) -> None:
    owner = Visitor(trained)
    row = owner.get(f"{PAGE}/rows/2")
    heard = [part.split('"')[0] for part in row.split('data-audio="')[1:]]
    assert heard == [f"/studio{PAGE}/clips/{step}/2.flac" for step in (0, *STEPS)]
    gains = [float(part.split('"')[0]) for part in row.split('data-gain="')[1:]]
    assert gains == sorted(gains, reverse=True) and gains[0] - gains[-1] > 10  # later steps are louder
    assert row.count("/studio/tracks/track_002") == 5  # the nearest of each, and the one that is repeated
    assert all(owner.status(address.removeprefix("/studio")) == 200 for address in heard)
    assert owner.status(f"{PAGE}/clips/10/2.png") == 200
    for wrong in ("rows/9", "clips/99/1.flac", "clips/10/9.flac", "clips/10/1.json"):
        assert owner.status(f"{PAGE}/{wrong}") == 404
    assert owner.status("/checkpoints/ffffffff") == 404


def test_what_clips_of_styles_are_taken_for_is_a_picture_beside_the_table(trained: DataRoot) -> None:
    visitor = Visitor(trained, Role.AUDITOR)
    pictures = re.findall(rf'src="/studio({PAGE}/styles/\d+\.png)"', visitor.get(PAGE))
    assert pictures == [f"{PAGE}/styles/30.png"]
    assert visitor.bytes(pictures[0]).startswith(b"\x89PNG")
    assert visitor.status(f"{PAGE}/styles/20.png") == 404


def test_whoever_may_read_the_page_takes_it_along_as_files_and_nothing_is_written(
    trained: DataRoot, tmp_path: Path
) -> None:
    visitor = Visitor(trained, Role.AUDITOR)
    visitor.get(f"{PAGE}/rows/1")
    before = {path for path in trained.path.rglob("*") if not path.is_relative_to(trained.cache)}
    with ZipFile(BytesIO(visitor.bytes(f"{PAGE}/report.zip"))) as archive:
        assert archive.testzip() is None
        archive.extractall(tmp_path / "taken")
    (page,) = (tmp_path / "taken").glob("*/index.html")
    named = set(re.findall(r'(?:src|href)="([^"#]+)"', page.read_text()))
    assert "pictures/styles-30.png" in named
    assert all((page.parent / name).is_file() for name in named)
    assert {path for path in trained.path.rglob("*") if not path.is_relative_to(trained.cache)} == before


def test_what_others_wrote_is_text_and_never_markup(trained: DataRoot) -> None:
    owner = Visitor(trained)
    hostile = "<script>alert(1)</script>"
    assert owner.post(f"{PAGE}/10/pin", why=hostile)[0] == 200
    scores = trained.checkpoint(checkpoint_id_of(20)) / SCORES_RECORD
    scores.write_text(scores.read_text().replace('"embedder": "nano"', f'"embedder": "{hostile}"'))
    shown = owner.get(PAGE) + owner.get(f"{PAGE}/rows/2") + owner.get("/checkpoints")
    assert "<script>alert" not in shown and "<b>saxophone" not in shown
    assert "&lt;script&gt;alert(1)" in shown and "&lt;b&gt;saxophone" in shown


def test_the_owner_pins_and_names_the_best_with_a_reason_and_takes_it_back(trained: DataRoot) -> None:
    owner = Visitor(trained)
    assert owner.post(f"{PAGE}/10/pin", why="for the film")[0] == 200
    assert owner.post(f"{PAGE}/10/best", why="warmest bass")[0] == 200
    assert [read_kept(trained)[KEY[10]].why, read_pins(trained)[KEY[10]].why] == [
        "for the film",
        "warmest bass",
    ]
    assert "10: pinned by a person: warmest bass" in owner.get(PAGE)
    for word in ("unpin", "not-best"):
        assert owner.post(f"{PAGE}/10/{word}")[0] == 200
    assert not read_kept(trained) and not read_pins(trained)
    status, said = owner.post(f"{PAGE}/10/best", why="  ")
    assert status == 422 and "give the reason" in said["error"]
    assert owner.post(f"{PAGE}/99/best", why="it is")[0] == 404
    assert owner.post(f"{PAGE}/10/burn", why="it is")[0] == 404


def test_an_auditor_sees_all_and_can_say_and_vote_nothing(trained: DataRoot) -> None:
    auditor = Visitor(trained, Role.AUDITOR)
    assert "Name best" in Visitor(trained).get(PAGE)
    assert "Name best" not in auditor.get(PAGE) and "Begin" not in auditor.get(f"/compare/{SHORT}")
    session = blind.begin(trained, KEY[0], KEY[30], "Ada").session
    assert "data-side" not in auditor.get(f"/compare/session/{session}")
    for path, data in (
        (f"{PAGE}/10/pin", {"why": "mine"}),
        (f"/compare/{SHORT}", {"one": KEY[0], "other": KEY[30], "who": "Eve"}),
        (f"/compare/session/{session}/vote", {"trial": 1, "side": "A"}),
        (f"/compare/session/{session}/end", {}),
    ):
        assert auditor.post(path, **data)[0] == 403
    assert not read_votes(trained, KEY[0], KEY[30]) and not read_kept(trained)


def test_nothing_of_a_blind_pair_says_which_is_which(trained: DataRoot) -> None:
    owner = Visitor(trained)
    status, said = owner.post(f"/compare/{SHORT}", one=KEY[10], other=KEY[30], who="Ada")
    assert status == 200
    session = said["location"].removeprefix(SESSION)
    found = blind.comparison(trained, blind.read_session(trained, session))
    page = owner.get(f"/compare/session/{session}")
    for word in (KEY[10], KEY[30], "step", "epoch", "lora", found.session.secret):
        assert word not in page.split("<h1>")[1]
    trial = found.trials[0]
    sent = [owner.headers(f"{SESSION}{session}/clip/{it.token}") for it in (trial.a, trial.b)]
    for headers in sent:
        headers.pop("content-length")
    assert sent[0] == sent[1] and sent[0]["content-type"] == "audio/flac"
    assert owner.status(f"/compare/session/{session}/clip/0123") == 404
    assert owner.status("/compare/session/..%2F..%2Fpins") == 404
    status, said = owner.post(f"/compare/session/{session}/vote", trial=99, side="A")
    assert status == 422 and "there is no pair 99" in said["error"]
    status, said = owner.post(f"/compare/{SHORT}", one=KEY[10], other=KEY[10], who="Ada")
    assert status == 422 and "same checkpoint" in said["error"]


def test_an_empty_data_root_says_what_to_do(root: DataRoot) -> None:
    assert "<code>lofi run</code> trains" in Visitor(root).get("/checkpoints")


def test_a_training_of_which_nothing_landed_shows_no_empty_table_and_no_all_clear(root: DataRoot) -> None:
    lineage = make_lineage("b")
    activate_lineage(root, lineage)
    page = Visitor(root).get(f"/checkpoints/{lineage.lineage[:8]}")
    assert "<table" not in page and "None has landed yet" in page
    assert "warnings come with the scores" in page and "None." not in page


def test_on_a_phone_a_chart_shows_its_last_step(browsed: Studio) -> None:
    browsed.page.set_width(375)
    browsed.open(PAGE)
    for chart in browsed.raw.locator(".chart .wide").all():
        assert chart.evaluate("(it) => it.scrollWidth <= it.clientWidth")


@pytest.fixture
def browsed(trained: DataRoot, tmp_path: Path) -> Iterator[Studio]:
    if CHROMIUM is None:
        pytest.skip("needs a browser: apt-get install chromium")
    with studio_in_browser(trained, tmp_path / "profile") as found:
        yield found


PLAYING = "document.querySelector('.clip[aria-pressed=true]')?.dataset.audio"
HEARD = "document.querySelector('audio').currentTime > 0"


def test_in_a_browser_clips_are_heard_and_stepped_through_by_keys(browsed: Studio) -> None:
    said_by_the_browser: list[str] = []
    browsed.raw.on("console", lambda message: said_by_the_browser.append(message.text))
    browsed.raw.on("pageerror", lambda error: said_by_the_browser.append(str(error)))
    for width in (375, 1280):
        browsed.page.set_width(width)
        browsed.open(PAGE)
        browsed.raw.locator("#clips").scroll_into_view_if_needed()
        browsed.page.wait_for(f"document.querySelectorAll('.clip').length === {4 * len(PROMPTS)}")
        assert browsed.page.ask("document.documentElement.scrollWidth") <= width
        assert browsed.page.violations() == []
    keyboard = browsed.raw.keyboard
    keyboard.press("c")
    keyboard.press("Space")
    assert browsed.page.wait_for(PLAYING) == f"/studio{PAGE}/clips/0/1.flac"
    assert browsed.page.wait_for(HEARD)
    for key, step, row in (("ArrowRight", 10, 1), ("ArrowRight", 20, 1), ("ArrowDown", 20, 2)):
        keyboard.press(key)
        assert browsed.page.wait_for(PLAYING) == f"/studio{PAGE}/clips/{step}/{row}.flac"
    keyboard.press("Space")
    assert browsed.page.ask(PLAYING) is None
    browsed.raw.click("[data-audio$='/30/3.flac']")
    assert browsed.page.wait_for(PLAYING) == f"/studio{PAGE}/clips/30/3.flac"
    browsed.raw.click("[data-audio$='/30/3.flac']")
    assert browsed.page.ask(PLAYING) is None
    assert said_by_the_browser == []


def test_in_a_browser_the_best_is_named_with_a_reason(browsed: Studio, trained: DataRoot) -> None:
    row = f"[id='{checkpoint_id_of(10)}']"
    browsed.open(
        f"/checkpoints/{make_record(10).lineage.lineage}#{checkpoint_id_of(10)}"
    )  # as Dagster links to it
    assert browsed.raw.is_visible(f"{row}:target")
    browsed.raw.click(f"{row} summary")
    browsed.raw.fill(f"{row} input[name=why]", "warmest bass")
    browsed.raw.click(f"{row} button[value=best]")
    said = f"document.getElementById('{checkpoint_id_of(10)}').innerText.includes('named the best: warmest bass')"
    assert browsed.page.wait_for(said)
    browsed.raw.click(f"{row} [data-post$='/not-best']")
    assert browsed.page.wait_for(f"!{said}")
    assert not read_pins(trained)


def test_in_a_browser_two_are_compared_blind_by_keys_alone(browsed: Studio, trained: DataRoot) -> None:
    raw = browsed.raw
    browsed.page.set_width(375)
    browsed.open(f"/compare/{SHORT}")
    assert browsed.page.violations() == []
    raw.select_option("[name=one]", KEY[10])
    raw.focus("[name=who]")
    raw.keyboard.type("Ada")
    with raw.expect_navigation():
        raw.keyboard.press("Enter")
    session = blind.read_session(trained, raw.url.rsplit("/", 1)[-1])
    found = blind.comparison(trained, session)
    assert {session.one, session.other} == {KEY[10], KEY[30]} and session.who == "Ada"
    for trial in found.trials:
        assert raw.inner_text("h1") == f"Pair {trial.number} of 3"
        assert browsed.page.violations() == []
        raw.keyboard.press("a")
        assert str(browsed.page.wait_for(PLAYING)).endswith(trial.a.token)
        raw.keyboard.press("b")
        assert str(browsed.page.wait_for(PLAYING)).endswith(trial.b.token)
        with raw.expect_navigation():
            raw.keyboard.press("ArrowLeft" if trial.a.key == KEY[10] else "ArrowRight")
    assert not counted_preference(trained, KEY[10], KEY[30]).decided  # until it has ended nobody is to know
    assert "step" not in raw.inner_text("main")
    with raw.expect_navigation():
        raw.keyboard.press("e")
    assert "3 for step 10, 0 for step 30" in raw.inner_text("#outcome")
    assert browsed.page.violations() == []
    assert [it.side for it in read_votes(trained, KEY[10], KEY[30])] == [
        Side.A if trial.a.key == KEY[10] else Side.B for trial in found.trials
    ]
    assert counted_preference(trained, KEY[10], KEY[30]).for_one == 3
    browsed.open(PAGE)
    assert "step 10 and step 30" in raw.inner_text("main")
