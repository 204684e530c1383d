"""Who gets through the guard, and who does not: every way in which a page of another site could drive the UI is shut."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import EmptyWorkspaceTarget
from dagster._daemon.asset_daemon import get_auto_materialize_paused
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from lofi_pipeline.storage import DataRoot
from lofi_pipeline.web.door import Door
from lofi_pipeline.web.guard import SECURITY_HEADERS, Guard
from lofi_pipeline.web.server import dagster_context, guarded_app

TOKEN = "0123456789abcdef"
OURS = "http://127.0.0.1:3000"
SOCKET = "ws://127.0.0.1:3000/graphql"
DOOR = Door(token=TOKEN)
OPEN = Door()
BEARER = {"Authorization": f"Bearer {TOKEN}"}
COOKIE = {"Cookie": f"{DOOR.cookie}={TOKEN}"}
PAGE = {**COOKIE, "Origin": OURS, "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}
"""What the UI's own page sends."""
JSON = {"Content-Type": "application/json"}
EVIL = {"Origin": "http://evil.example"}
MUTATION = "mutation { setAutoMaterializePaused(paused: false) }"
VERSION = {"query": "query { version }"}
HOSTS = [
    "evil.example",
    "evil.example:3000",
    "127.0.0.1",
    "127.0.0.1:3001",
    "localhost.evil.example:3000",
    "0.0.0.0:3000",
    "127.0.0.1:3000@evil.example",
    "",
]
ORIGINS = [
    "http://evil.example",
    "http://127.0.0.1",
    "http://127.0.0.1:3001",
    "http://localhost:3000",
    "https://127.0.0.1:3000.evil.example",
    "null",
    "",
    "file://",
]
TYPES = ["", "text/plain", "text/plain; application/json", "application/graphql", "multipart/form-data"]


class Recorder:
    """The app behind the guard: it lets everything happen, and knows what came."""

    def __init__(self) -> None:
        self.came: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.came.append(scope["path"])
        if scope["type"] == "websocket":
            socket = WebSocket(scope, receive, send)
            await socket.accept()
            await socket.close()
        else:
            await PlainTextResponse("through")(scope, receive, send)


@pytest.fixture
def behind() -> Recorder:
    return Recorder()


def client(app: Any, door: Door = DOOR) -> TestClient:
    """A client that sends no header of its own accord that matters here."""
    return TestClient(Guard(app, door), base_url=OURS, follow_redirects=False)


def rebound(host: str) -> dict[str, str]:
    """What the browser sends for a page whose own name was made to lead here: for it there is no other site."""
    return {**PAGE, "Host": host, "Origin": f"http://{host}"}


Attack = tuple[str, str, dict[str, str]]
ATTACKS: dict[str, Attack] = {
    **{f"foreign Host {host!r}": ("GET", "/", rebound(host)) for host in HOSTS},
    **{
        f"foreign Origin {origin!r}": ("POST", "/graphql", {**PAGE, **JSON, "Origin": origin})
        for origin in ORIGINS
    },
    **{
        f"script, foreign Origin {origin!r}": ("GET", "/", {**BEARER, "Origin": origin}) for origin in ORIGINS
    },
    **{
        f"{site} {mode} as {kind}": (
            "GET",
            "/",
            {**COOKIE, "Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": kind},
        )
        for site in ("cross-site", "same-site", "unheard-of")
        for mode, kind in [
            ("no-cors", "image"),
            ("no-cors", "script"),
            ("cors", "empty"),
            ("navigate", "iframe"),
        ]
    },
    "cross-site form": (
        "POST",
        "/",
        {**COOKIE, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
    ),
    "mutation by GET from our page": ("GET", f"/graphql?query={MUTATION}", PAGE),
    "mutation by GET of a script": ("GET", f"/graphql?query={MUTATION}", BEARER),
    "mutation by GET with the token": ("GET", f"/graphql?token=no&query={MUTATION}", PAGE),
    "mutation by navigation": (
        "GET",
        f"/graphql?query={MUTATION}",
        {
            **COOKIE,
            "Sec-Fetch-Site": "cross-site",
            "Sec-Fetch-Mode": "navigate",
            "Sec-Fetch-Dest": "document",
        },
    ),
    "HEAD of GraphQL": ("HEAD", "/graphql", PAGE),
    "GraphQL with a slash": ("GET", "/graphql/", PAGE),
    **{
        f"POST as {kind!r}": ("POST", f"/graphql?query={MUTATION}", {**PAGE, "Content-Type": kind})
        for kind in TYPES
    },
    **{
        f"report of {what} as {kind!r}": ("POST", f"/report_asset_{what}/x", {**PAGE, "Content-Type": kind})
        for what in ("materialization", "check", "observation")
        for kind in TYPES
    },
    "POST with the cookie and without a word on its origin": ("POST", "/graphql", {**COOKIE, **JSON}),
    "POST that the user's address bar made": (
        "POST",
        "/graphql",
        {**COOKIE, **JSON, "Sec-Fetch-Site": "none"},
    ),
    "preflight": ("OPTIONS", "/graphql", {**EVIL, "Access-Control-Request-Method": "POST"}),
}
UNKNOWN: dict[str, Attack] = {
    "no token": ("GET", "/", {}),
    "no token for a file": ("GET", "/favicon.png", {}),
    "no token from our page": ("POST", "/graphql", {**PAGE, **JSON, "Cookie": ""}),
    "wrong token": ("GET", "/?token=0123456789abcdeF", {}),
    "empty token": ("GET", "/?token=", {}),
    "wrong cookie": ("GET", "/", {"Cookie": f"{DOOR.cookie}=wrong"}),
    "the cookie of another port": ("GET", "/", {"Cookie": f"{Door(port=3001).cookie}={TOKEN}"}),
    "wrong bearer": ("GET", "/", {"Authorization": "Bearer wrong"}),
    "token as another kind": ("GET", "/", {"Authorization": f"Basic {TOKEN}"}),
    "token with letters beyond ASCII": ("GET", "/?token=%C3%A9", {}),
    "navigation without the cookie": (
        "GET",
        "/runs",
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"},
    ),
}


WITHOUT_TOKEN = ATTACKS.keys() - {"POST with the cookie and without a word on its origin"}
"""Without a token any program may send what a script sends."""


@pytest.mark.parametrize(
    ("name", "door"), [(name, DOOR) for name in ATTACKS] + [(name, OPEN) for name in sorted(WITHOUT_TOKEN)]
)
def test_what_another_site_could_send_is_refused_with_a_sentence(
    name: str, door: Door, behind: Recorder
) -> None:
    method, path, headers = ATTACKS[name]
    answer = client(behind, door).request(method, path, headers=headers)
    assert answer.status_code == 403
    assert method == "HEAD" or answer.text.startswith("Refused: ")
    assert not behind.came
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("name", UNKNOWN)
def test_who_has_no_token_is_told_where_it_is(name: str, behind: Recorder) -> None:
    method, path, headers = UNKNOWN[name]
    answer = client(behind).request(method, path, headers=headers)
    assert answer.status_code == 401
    assert "open the link that `lofi ui` printed" in answer.text
    assert "set-cookie" not in answer.headers and not behind.came


SOCKETS = {
    **{f"foreign Origin {origin!r}": {**COOKIE, "Origin": origin} for origin in ORIGINS},
    "no Origin": COOKIE,
    "foreign Host": rebound("evil.example:3000"),
    "cross-site": {**PAGE, "Sec-Fetch-Site": "cross-site"},
    "same-site": {
        **PAGE,
        "Sec-Fetch-Site": "same-site",
        "Sec-Fetch-Mode": "navigate",
        "Sec-Fetch-Dest": "document",
    },
}


@pytest.mark.parametrize("name", SOCKETS)
def test_a_websocket_of_another_site_is_refused(name: str, behind: Recorder) -> None:
    with pytest.raises(WebSocketDenialResponse) as refused:
        with client(behind).websocket_connect(SOCKET, headers=SOCKETS[name]):
            pass
    assert refused.value.status_code == 403
    assert not behind.came


def test_a_websocket_without_the_token_is_refused(behind: Recorder) -> None:
    with pytest.raises(WebSocketDenialResponse) as refused:
        with client(behind).websocket_connect(SOCKET, headers={**PAGE, "Cookie": ""}):
            pass
    assert refused.value.status_code == 401
    assert not behind.came


@pytest.mark.parametrize("headers", [PAGE, BEARER], ids=["our page", "a script"])
def test_a_websocket_of_ours_gets_through(headers: dict[str, str], behind: Recorder) -> None:
    with client(behind).websocket_connect(SOCKET, headers=headers):
        pass
    assert behind.came == ["/graphql"]


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/", "/"),
        ("/runs", "/runs"),
        ("/assets?view=a%26b", "/assets?view=a%26b"),
        ("//evil.example/x", "/evil.example/x"),
        ("/\\evil.example", "/evil.example"),
        ("/a%0d%0aSet-Cookie:%20x", "/a%0D%0ASet-Cookie%3A%20x"),
    ],
)
def test_the_link_gives_the_cookie_and_leads_to_the_page_without_the_token(
    path: str, target: str, behind: Recorder
) -> None:
    asked = client(behind)
    address = f"{OURS}{path}{'&' if '?' in path else '?'}token={TOKEN}"
    answer = asked.get(address)
    assert (answer.status_code, answer.headers["location"]) == (303, target)
    cookie = answer.headers["set-cookie"]
    assert cookie == f"{DOOR.cookie}={TOKEN}; HttpOnly; Path=/; SameSite=strict"
    assert not behind.came
    assert asked.get("/runs").text == "through"


def test_the_link_may_stand_on_another_site(behind: Recorder) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    answer = client(behind).get(f"/?token={TOKEN}", headers=headers)
    # A redirect would still be the other site's, and the browser would hold back the cookie.
    assert (answer.status_code, answer.headers["refresh"]) == (200, "0; url=/")


def test_the_cookies_of_two_ports_do_not_meet() -> None:
    assert Door(port=3000).cookie != Door(port=3001).cookie


@pytest.mark.parametrize(
    ("door", "host"),
    [
        (DOOR, "127.0.0.1:3000"),
        (DOOR, "localhost:3000"),
        (DOOR, "LOCALHOST:3000"),
        (DOOR, "[::1]:3000"),
        (Door(token=TOKEN, port=80), "127.0.0.1"),
        (Door(token=TOKEN, host="10.1.2.3"), "10.1.2.3:3000"),
        (Door(token=TOKEN, names=["lofi.example"]), "lofi.example"),
    ],
)
def test_its_own_names_get_through(door: Door, host: str, behind: Recorder) -> None:
    answer = client(behind, door).get("/", headers={**BEARER, "Host": host, "Origin": f"http://{host}"})
    assert answer.text == "through"


@pytest.mark.parametrize(
    "headers", [{**BEARER, **JSON}, {**PAGE, **JSON}, {**COOKIE, **JSON, "Origin": OURS}]
)
@pytest.mark.parametrize("path", ["/graphql", "/report_asset_check/x"])
def test_our_page_and_a_script_with_the_token_may_post(
    path: str, headers: dict[str, str], behind: Recorder
) -> None:
    assert client(behind).post(path, headers=headers, json=VERSION).text == "through"


def test_without_a_token_a_script_may_post(behind: Recorder) -> None:
    assert client(behind, OPEN).post("/graphql", json=VERSION).text == "through"


def test_read_only_shuts_everything_that_changes_but_graphql_which_dagster_shuts(behind: Recorder) -> None:
    asked = client(behind, DOOR.model_copy(update={"read_only": True}))
    for what in ("materialization", "check", "observation"):
        answer = asked.post(f"/report_asset_{what}/x", headers={**PAGE, **JSON}, json={})
        assert (answer.status_code, answer.text) == (403, "Refused: this server is read-only.\n")
    assert not behind.came
    assert asked.post("/graphql", headers={**PAGE, **JSON}, json=VERSION).text == "through"


def test_no_page_may_frame_it_and_no_address_leaks_also_where_dagster_says_otherwise() -> None:
    lax = {"Referrer-Policy": "unsafe-url", "Content-Security-Policy": "script-src 'self'"}
    app = Starlette(routes=[Route("/", lambda _: PlainTextResponse("page", headers=lax))])
    for headers in (BEARER, {}, {**BEARER, **EVIL}):
        answer = client(app).get("/", headers=headers)
        assert {name: answer.headers[name] for name in SECURITY_HEADERS} == SECURITY_HEADERS
        assert answer.headers.get_list("content-security-policy")[-1] == "frame-ancestors 'none'"
    assert answer.headers["referrer-policy"] == "no-referrer"


# Dagster itself behind the guard


@pytest.fixture(scope="module")
def dagster(
    context: WorkspaceProcessContext, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TestClient]:
    with TestClient(
        guarded_app(context, DOOR, DataRoot(tmp_path_factory.mktemp("data"))), base_url=OURS
    ) as found:
        yield found


def reported(instance: dg.DagsterInstance) -> object:
    return instance.get_latest_materialization_event(dg.AssetKey("x"))


def test_the_ui_works_for_who_opened_the_link(dagster: TestClient) -> None:
    page = dagster.get(f"/?token={TOKEN}")
    assert page.status_code == 200 and '<div id="root">' in page.text
    assert page.url == f"{OURS}/"
    headers = {"Origin": OURS, "Sec-Fetch-Site": "same-origin"}
    answer = dagster.post("/graphql", json=VERSION, headers=headers)
    assert answer.json()["data"]["version"]
    with dagster.websocket_connect(SOCKET, subprotocols=["graphql-ws"], headers=headers) as socket:
        socket.send_json({"type": "connection_init"})
        assert socket.receive_json() == {"type": "connection_ack"}
        query = 'subscription { pipelineRunLogs(runId: "none") { __typename } }'
        socket.send_json({"type": "start", "id": "1", "payload": {"query": query}})
        answer = socket.receive_json()
        assert (
            answer["payload"]["data"]["pipelineRunLogs"]["__typename"] == "PipelineRunLogsSubscriptionFailure"
        )
    dagster.cookies.clear()


@pytest.mark.parametrize("name", ATTACKS)
def test_dagster_never_hears_of_an_attack(
    name: str, dagster: TestClient, context: WorkspaceProcessContext
) -> None:
    method, path, headers = ATTACKS[name]
    assert dagster.request(method, path, headers=headers).status_code == 403
    assert get_auto_materialize_paused(context.instance)
    assert reported(context.instance) is None


def test_without_the_guard_these_attacks_succeed(tmp_path: Path) -> None:
    """What the tests above rest on: the same requests do what they are meant to do."""
    with (
        dg.DagsterInstance.local_temp(str(tmp_path)) as instance,
        dagster_context(instance, EmptyWorkspaceTarget(), read_only=False) as found,
    ):
        app = TestClient(guarded_app(found, OPEN, DataRoot(tmp_path))._app, base_url=OURS)
        app.get(
            f"/graphql?query={MUTATION}",
            headers={**EVIL, "Host": "evil.example", "Sec-Fetch-Site": "cross-site"},
        )
        assert not get_auto_materialize_paused(instance)
        assert app.post("/report_asset_materialization/x", headers=EVIL).status_code == 200
        assert reported(instance)


def test_read_only_refuses_mutations_and_reports(context: WorkspaceProcessContext, tmp_path: Path) -> None:
    door = DOOR.model_copy(update={"read_only": True})
    with dagster_context(context.instance, EmptyWorkspaceTarget(), read_only=True) as found:
        asked = TestClient(guarded_app(found, door, DataRoot(tmp_path)), base_url=OURS, headers=BEARER)
        answer = asked.post("/graphql", json={"query": MUTATION})
        assert "UnauthorizedError" in answer.text
        assert asked.post("/report_asset_materialization/x", json={}).status_code == 403
        assert asked.post("/graphql", json=VERSION).json()["data"]["version"]
    assert get_auto_materialize_paused(context.instance) and reported(context.instance) is None
