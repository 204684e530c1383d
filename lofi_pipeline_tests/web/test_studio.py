"""What holds for every page of the studio: who sees it, what it lets run, and how it says what went wrong."""

from __future__ import annotations

from hashlib import sha256

import numpy as np
import pytest
import soundfile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.testclient import TestClient

from lofi_pipeline.entities import Entity
from lofi_pipeline.errors import LofiError
from lofi_pipeline.storage import DataRoot
from lofi_pipeline.web import pages
from lofi_pipeline.web.asked import MOST_BYTES, root_of, takes
from lofi_pipeline.web.media import media
from lofi_pipeline.web.role import Role
from lofi_pipeline_tests.web.serving import TOKENS, Studio, guarded_studio
from lofi_pipeline_tests.web.vendor import LIBRARIES

OURS = "http://127.0.0.1:3000"
FROM_PAGE = {"Origin": OURS, "Sec-Fetch-Site": "same-origin", "Content-Type": "application/json"}


class Word(Entity):
    word: str


@takes(Word)
def said(_request: Request, given: Word) -> Response:
    return JSONResponse({"said": given.word})


def broken(_request: Request) -> Response:
    raise LofiError("<b>file.json</b>: it is broken; do this")


def heard(request: Request) -> Response:
    return media(root_of(request), request.path_params["path"])


class SamplePage:
    routes: list[BaseRoute] = [
        Route("/said", said, methods=["POST"]),
        Route("/broken", broken),
        Route("/listen/test/said", said, methods=["GET", "POST"]),
        Route("/heard/{path:path}", heard),
    ]


@pytest.fixture
def sample(root: DataRoot, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    monkeypatch.setattr(pages, "_PAGES", (*pages._PAGES, SamplePage))
    return TestClient(guarded_studio(root), base_url=OURS)


def as_(role: Role) -> dict[str, str]:
    return {"Authorization": f"Bearer {TOKENS[role]}"} if role in TOKENS else {}


@pytest.mark.parametrize(
    ("role", "method", "path", "status"),
    [
        (Role.OWNER, "GET", "/studio/", 200),
        (Role.OWNER, "POST", "/studio/said", 200),
        (Role.AUDITOR, "GET", "/studio/", 200),
        (Role.AUDITOR, "POST", "/studio/said", 403),
        (Role.AUDITOR, "POST", "/studio/listen/test/said", 403),
        (Role.AUDITOR, "GET", "/", 403),
        (Role.AUDITOR, "POST", "/graphql", 403),
        (Role.AUDITOR, "GET", "/studiox", 403),
        (Role.LISTENER, "GET", "/studio/", 401),
        (Role.LISTENER, "POST", "/studio/said", 401),
        (Role.LISTENER, "GET", "/studio/listen", 401),
        (Role.LISTENER, "GET", "/studio/listen/../", 401),
        (Role.LISTENER, "GET", "/studio/static/studio.js", 200),
        (Role.LISTENER, "POST", "/studio/listen/test/said", 200),
        (Role.LISTENER, "GET", "/", 401),
    ],
)
def test_each_link_is_that_of_a_role(
    sample: TestClient, role: Role, method: str, path: str, status: int
) -> None:
    json = {"word": "yes"} if method == "POST" else None
    answer = sample.request(
        method, path, headers={**FROM_PAGE, **as_(role)}, json=json, follow_redirects=False
    )
    assert answer.status_code == status, answer.text


def test_the_cookie_of_a_link_is_that_of_its_role(sample: TestClient) -> None:
    assert sample.get(f"/studio/?token={TOKENS[Role.AUDITOR]}").status_code == 200
    assert sample.post("/studio/said", headers=FROM_PAGE, json={"word": "no"}).status_code == 403
    assert sample.get(f"/studio/?token={TOKENS[Role.OWNER]}").status_code == 200
    assert sample.post("/studio/said", headers=FROM_PAGE, json={"word": "yes"}).json() == {"said": "yes"}


def test_what_a_page_sends_is_parsed_as_strictly_as_a_file(sample: TestClient) -> None:
    owner = {**FROM_PAGE, **as_(Role.OWNER)}
    for sent, sentence in {
        b'{"word": 1}': "word",
        b'{"word": "a", "word": "b"}': "more than once",
        b'{"word": "a", "other": "b"}': "other",
        b"no": "what was sent",
        b"": "empty",
    }.items():
        answer = sample.post("/studio/said", headers=owner, content=sent)
        assert answer.status_code == 422 and sentence in answer.json()["error"], answer.text
        assert answer.json()["error"].count("what was sent") == 1
    answer = sample.post("/studio/said", headers=owner, content=b" " * (MOST_BYTES + 1))
    assert answer.status_code == 413


def test_what_went_wrong_is_a_sentence_and_never_markup(sample: TestClient) -> None:
    answer = sample.get("/studio/broken", headers=as_(Role.OWNER))
    assert answer.status_code == 500
    assert "&lt;b&gt;file.json&lt;/b&gt;: it is broken; do this" in answer.text
    none = sample.get("/studio/none", headers=as_(Role.OWNER))
    assert none.status_code == 404 and "there is no such page" in none.text
    bare = sample.get("/studio", headers=as_(Role.OWNER), follow_redirects=False)
    assert bare.is_redirect and bare.headers["location"] == "/studio/"
    asked = {**as_(Role.OWNER), "Accept": "application/json"}
    assert "broken" in sample.get("/studio/broken", headers=asked).json()["error"]


def test_audio_is_sent_in_parts_and_nothing_else_is_sent(sample: TestClient, root: DataRoot) -> None:
    soundfile.write(root.final / "a.wav", np.zeros(1000, np.int16), 48_000)
    (root.metadata / "secret.json").write_text("{}")
    (root.path.parent / "outside.wav").write_bytes(b"RIFF")
    whole = sample.get("/studio/heard/final/a.wav", headers=as_(Role.OWNER))
    part = sample.get("/studio/heard/final/a.wav", headers={**as_(Role.OWNER), "Range": "bytes=10-19"})
    assert part.status_code == 206 and part.content == whole.content[10:20]
    assert part.headers["content-range"] == f"bytes 10-19/{len(whole.content)}"
    for nonsense in (
        "bytes=5-2",
        "bytes=abc",
        "bytes=",
        "items=0-5",
        "bytes=1-2-3",
        "bytes=" + "9" * 5000 + "-",
        "x",
    ):
        asked = sample.get("/studio/heard/final/a.wav", headers={**as_(Role.OWNER), "Range": nonsense})
        assert asked.status_code == 200 and asked.content == whole.content, nonsense
    beyond = sample.get("/studio/heard/final/a.wav", headers={**as_(Role.OWNER), "Range": "bytes=9999999-"})
    assert beyond.status_code == 416 and beyond.headers["content-range"] == f"bytes */{len(whole.content)}"
    for tag in (whole.headers["etag"], f'"other", W/{whole.headers["etag"]}', "*"):
        again = sample.get("/studio/heard/final/a.wav", headers={**as_(Role.OWNER), "If-None-Match": tag})
        assert again.status_code == 304 and not again.content, tag
    other = sample.get("/studio/heard/final/a.wav", headers={**as_(Role.OWNER), "If-None-Match": '"other"'})
    assert other.status_code == 200
    for path in ("metadata/secret.json", "..%2Foutside.wav", "%2Fetc%2Fpasswd", "final", "final/none.wav"):
        assert sample.get(f"/studio/heard/{path}", headers=as_(Role.OWNER)).status_code == 404, path


def test_a_static_file_is_none_of_another_folder(sample: TestClient) -> None:
    for path in ("../studio.py", "..%2Fstudio.py", "%2e%2e/studio.py", "vendor/../../studio.py"):
        assert sample.get(f"/studio/static/{path}").status_code in (401, 404), path


def test_only_own_scripts_run(sample: TestClient) -> None:
    policy = sample.get("/studio/", headers=as_(Role.OWNER)).headers.get_list("content-security-policy")[0]
    assert "default-src 'none'" in policy and "script-src 'self';" in policy
    assert "unsafe" not in policy


def test_the_browser_libraries_are_those_that_were_looked_at() -> None:
    for library in LIBRARIES:
        for name, expected in library.files.values():
            assert sha256((library.folder / name).read_bytes()).hexdigest() == expected, name


def test_in_a_browser_it_is_there_for_everybody(studio: Studio) -> None:
    said_by_the_browser: list[str] = []
    studio.raw.on("console", lambda message: said_by_the_browser.append(message.text))
    for width in (375, 1280):
        studio.page.set_width(width)
        studio.open("/")
        assert studio.raw.inner_text("h1")
        assert studio.page.ask("document.documentElement.scrollWidth") <= width
        assert studio.page.violations() == []
    assert said_by_the_browser == []
    studio.raw.keyboard.press("?")
    assert studio.raw.is_visible("dialog#keys")
