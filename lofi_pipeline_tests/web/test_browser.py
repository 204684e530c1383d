"""What pages of other sites can do to `lofi ui` in a real browser in which the user is signed in: nothing; and the UI works."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import PythonFileTarget
from dagster_webserver.app import create_app_from_workspace_process_context
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from lofi_pipeline.web.door import Door
from lofi_pipeline.web.guard import Guard
from lofi_pipeline.web.server import dagster_context
from lofi_pipeline_tests.web.browser import CHROMIUM, Page, browser
from lofi_pipeline_tests.web.serving import listening, serving

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs a browser: apt-get install chromium")
TOKEN = "0123456789abcdef"
MUTATION = "mutation{setAutoMaterializePaused(paused:false)}"
MARK = "of-the-attack"
"""In the address of every request that an attack makes: the UI's own page, left a moment ago, may still ask for its pictures."""
ATTACKS = """
window.attack = async (ui) => {
    const mutation = `${ui}/graphql?MARK&query=MUTATION`;
    const report = `${ui}/report_asset_materialization/x?MARK`;
    const body = JSON.stringify({query: 'MUTATION'});
    const said = {};
    const settle = (name, promise) => promise.then(
        (value) => { said[name] = value; }, (error) => { said[name] = 'refused: ' + error; });
    const loaded = (element, address) => new Promise((yes, no) => {
        element.onload = () => yes('loaded'); element.onerror = () => no('error');
        element.src = element.href = address; document.body.append(element);
    });
    const form = (name, address, type) => new Promise((yes) => {
        const frame = document.createElement('iframe'); frame.name = name; document.body.append(frame);
        const made = document.createElement('form');
        Object.assign(made, {target: name, method: 'POST', action: address, enctype: type});
        document.body.append(made); frame.onload = () => yes('sent'); made.submit();
    });
    const websocket = (address) => new Promise((yes, no) => {
        const made = new WebSocket(address, 'graphql-ws');
        made.onopen = () => yes('open'); made.onerror = () => no('error');
    });
    const post = (address, options) => fetch(address, {method: 'POST', credentials: 'include', ...options}).then(
        (answer) => answer.type === 'opaque' ? 'sent' : answer.text());
    await Promise.all([
        settle('image', loaded(new Image(), mutation)),
        settle('script', loaded(document.createElement('script'), mutation)),
        settle('frame', loaded(document.createElement('iframe'), `${ui}/?MARK`)),
        settle('form', form('a', mutation, 'text/plain')),
        settle('form to report', form('b', report, 'application/x-www-form-urlencoded')),
        settle('fetch', post(mutation, {mode: 'cors'})),
        settle('fetch of JSON', post(`${ui}/graphql?MARK`, {headers: {'Content-Type': 'application/json'}, body})),
        settle('fetch without cors', post(mutation, {mode: 'no-cors', body: new Blob([body])})),
        settle('fetch by GET', fetch(mutation, {mode: 'no-cors', credentials: 'include'}).then(() => 'sent')),
        settle('report', post(report, {mode: 'no-cors'})),
        settle('check', post(`${ui}/report_asset_check/x?MARK&check_name=c&passed=true`, {mode: 'no-cors'})),
        settle('beacon', Promise.resolve(navigator.sendBeacon(report, body) ? 'sent' : 'no')),
        settle('websocket', websocket(ui.replace('http', 'ws') + '/graphql?MARK')),
    ]);
    return said;
};
""".replace("MUTATION", MUTATION).replace("MARK", MARK)
NOT_READ = {"image", "script", "fetch", "fetch of JSON", "websocket"}
"""What the page itself notices of the refusal; of the others it sees nothing."""


class Recorder:
    """The app it stands before, every request that got that far, and those of them that an attack made."""

    def __init__(self, app: ASGIApp) -> None:
        self._app, self.came, self.attacks = app, list[str](), list[str]()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            request = f"{scope.get('method', 'websocket')} {scope['path']}"
            self.came.append(request)
            if MARK.encode() in scope["query_string"]:
                self.attacks.append(request)
        await self._app(scope, receive, send)


class Scene:
    """The UI behind its guard, another site that is hostile, and a browser."""

    def __init__(self, page: Page, door: Door, ui: Recorder, seen: Recorder, hostile_port: int) -> None:
        self.page, self.door, self.ui, self.seen, self.hostile_port = page, door, ui, seen, hostile_port
        self.address = f"http://127.0.0.1:{door.port}"


async def hostile_page(_request: Request) -> HTMLResponse:
    return HTMLResponse(f"<body><script>{ATTACKS}</script></body>")


@pytest.fixture(params=[TOKEN, None], ids=["with a token", "without"], scope="module")
def scene(
    request: pytest.FixtureRequest, context: WorkspaceProcessContext, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scene]:
    (ours, port), (theirs, hostile_port) = listening(), listening()
    door = Door(port=port, token=request.param)
    ui = Recorder(create_app_from_workspace_process_context(context))
    seen = Recorder(Guard(ui, door))
    hostile = Starlette(routes=[Route("/", hostile_page)])
    profile: Path = tmp_path_factory.mktemp("profile")
    with serving(seen, ours), serving(hostile, theirs), browser(profile) as page:
        yield Scene(page, door, ui, seen, hostile_port)


def sign_in(scene: Scene) -> None:
    scene.page.open(scene.door.link)
    scene.page.wait_for("document.querySelector('#root')?.children.length")


def test_the_ui_is_shown_to_who_opens_the_link(scene: Scene) -> None:
    sign_in(scene)
    assert scene.page.ask("location.href.includes('token')") is False
    assert scene.page.ask("document.cookie") == ""
    version = """fetch('/graphql', {method: 'POST', headers: {'Content-Type': 'application/json'},
        body: '{"query": "query { version }"}'}).then((answer) => answer.json()).then((said) => said.data.version)"""
    assert scene.page.ask(version)
    websocket = """new Promise((yes) => { const made = new WebSocket(`ws://${location.host}/graphql`, 'graphql-ws');
        made.onopen = () => made.send('{"type": "connection_init"}'); made.onerror = () => yes('refused');
        made.onmessage = (event) => yes(event.data); })"""
    assert scene.page.ask(websocket) == '{"type":"connection_ack"}'
    assert "POST /graphql" in scene.ui.came and "websocket /graphql" in scene.ui.came


AT_ONCE = {"module": "dagster.core.run_coordinator", "class": "DefaultRunCoordinator"}
"""No daemon runs here that would take a run from the queue."""
LAUNCH = """
(async () => {
    const ask = (query) => fetch('/graphql', {method: 'POST', headers: {'Content-Type': 'application/json'},
        body: JSON.stringify({query})}).then((answer) => answer.json());
    const launched = await ask(`mutation { launchRun(executionParams: {runConfigData: {}, selector: {jobName: "sample",
        repositoryName: "__repository__", repositoryLocationName: "sample"}}) {
        __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }`);
    const run = launched.data?.launchRun?.run?.runId;
    if (!run) return JSON.stringify(launched);
    return new Promise((done) => {
        setTimeout(() => done(`${run} ${heard}`), 60000);
        const logs = new WebSocket(`ws://${location.host}/graphql`, 'graphql-ws');
        let heard = '';
        logs.onopen = () => logs.send('{"type": "connection_init"}');
        logs.onerror = () => done('refused');
        logs.onmessage = (event) => {
            heard += event.data;
            if (JSON.parse(event.data).type === 'connection_ack') logs.send(JSON.stringify({id: '1', type: 'start', payload: {
                query: `subscription { pipelineRunLogs(runId: "${run}") { __typename ... on
                    PipelineRunLogsSubscriptionSuccess { messages { __typename ... on MessageEvent { message } } } } }`}}));
            if (heard.includes('RunSuccessEvent') || heard.includes('RunFailureEvent')) done(`${run} ${heard}`);
        };
    });
})()
"""


def test_a_run_is_launched_followed_and_shown(tmp_path: Path) -> None:
    ours, port = listening()
    door, home = Door(port=port, token=TOKEN), tmp_path / "home"
    home.mkdir()
    file = Path(__file__).with_name("sample_job.py")
    target = PythonFileTarget(
        str(file), attribute=None, working_directory=str(tmp_path), location_name="sample"
    )
    with (
        dg.DagsterInstance.local_temp(str(home), {"run_coordinator": AT_ONCE}) as instance,
        dagster_context(instance, target, read_only=False) as context,
        serving(Guard(create_app_from_workspace_process_context(context), door), ours),
        browser(tmp_path / "profile") as page,
    ):
        page.open(door.link)
        page.wait_for("document.querySelector('#root')?.children.length")
        run, _, heard = page.ask(LAUNCH).partition(" ")
        assert "said by the op" in heard and "RunSuccessEvent" in heard
        page.open(f"http://127.0.0.1:{port}/runs/{run}")
        page.wait_for("document.body.innerText.includes('said by the op')")


def test_without_the_guard_the_same_page_gets_through(
    context: WorkspaceProcessContext, tmp_path: Path
) -> None:
    """What the test below rests on."""
    (ours, port), (theirs, hostile_port) = listening(), listening()
    ui = Recorder(create_app_from_workspace_process_context(context))
    hostile = Starlette(routes=[Route("/", hostile_page)])
    with serving(ui, ours), serving(hostile, theirs), browser(tmp_path) as page:
        page.open(f"http://localhost:{hostile_port}/")
        page.wait_for("window.attack && document.readyState === 'complete'")
        page.ask(f"attack('http://127.0.0.1:{port}')")
    through = {"GET /graphql", "POST /graphql", "websocket /graphql", "POST /report_asset_materialization/x"}
    assert through < set(ui.attacks)


@pytest.mark.parametrize("site", ["127.0.0.1", "localhost"], ids=["same-site", "cross-site"])
def test_a_page_of_another_origin_gets_nothing_through(scene: Scene, site: str) -> None:
    sign_in(scene)
    scene.page.open(f"http://{site}:{scene.hostile_port}/")
    scene.page.wait_for("window.attack && document.readyState === 'complete'")
    scene.seen.attacks.clear()
    said = scene.page.ask(f"attack({scene.address!r})")
    assert len(said) == 13
    assert all(said[name].startswith("refused") for name in NOT_READ), said
    assert scene.ui.attacks == []
    assert len(scene.seen.attacks) >= len(said) - 1, scene.seen.attacks  # the beacon may be late


def test_a_name_that_was_made_to_lead_here_gets_nothing_through(scene: Scene) -> None:
    """DNS rebinding: the hostile page's own name leads to this server, so that for the browser there is no other site."""
    scene.page.open(f"http://evil.localhost:{scene.door.port}/?{MARK}")
    scene.page.wait_for("document.body?.innerText.includes('Refused: the Host')")
    rebound = f"""fetch('/graphql?{MARK}', {{method: 'POST', headers: {{'Content-Type': 'application/json'}},
        body: JSON.stringify({{query: '{MUTATION}'}})}}).then((answer) => answer.status)"""
    scene.seen.attacks.clear()
    assert scene.page.ask(rebound) == 403
    assert "POST /graphql" in scene.seen.attacks
    assert scene.ui.attacks == []


def test_a_link_on_another_site_may_lead_to_the_ui(scene: Scene) -> None:
    scene.page.open(f"http://localhost:{scene.hostile_port}/")
    scene.page.wait_for("document.readyState === 'complete'")
    scene.page.ask_unless_left(f"location.href = {scene.door.link!r}")
    scene.page.wait_for("document.querySelector('#root')?.children.length")
    assert scene.page.ask("location.href.includes('token')") is False
