"""JSON of another form than Dagster expects is answered with a sentence, never with an error 500, and a websocket is closed with one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from dagster._core.workspace.context import WorkspaceProcessContext
from starlette.routing import Route
from starlette.testclient import TestClient

from lofi_pipeline.storage import DataRoot
from lofi_pipeline.web.door import Door
from lofi_pipeline.web.pages import routes
from lofi_pipeline.web.server import guarded_app
from lofi_pipeline.web.well_formed import MOST_DEEP
from lofi_pipeline_tests.web.test_guard import OURS, SOCKET

_DEEP = 10_000
_JSON = {"Content-Type": "application/json"}
NO_OBJECT = {
    "a list": b'[{"query": "{ version }"}]',
    "a text": b'"x"',
    "a number": b"1",
    "null": b"null",
    "true": b"true",
    "a brace": b"{",
    "not UTF-8": b'{"query": "{ version }", "x": "\xff"}',
    "endless brackets": b"[" * _DEEP,
    "deep brackets": b'{"query": "{ version }", "variables": '
    + b'{"a":' * _DEEP
    + b"1"
    + b"}" * _DEEP
    + b"}",
    "a long number": b'{"query": "{ version }", "variables": {"a": ' + b"9" * 5000 + b"}}",
}
NO_QUERY = {
    "nothing": b"",
    "no query": b"{}",
    "query null": b'{"query": null}',
    "query 1": b'{"query": 1}',
    "query a list": b'{"query": ["{ version }"]}',
    "variables a list": b'{"query": "{ version }", "variables": [1]}',
    "variables a number": b'{"query": "{ version }", "variables": 3}',
    "variables a list in a text": b'{"query": "{ version }", "variables": "[1]"}',
    "variables with endless brackets": json.dumps(
        {"query": "{ version }", "variables": "[" * _DEEP}
    ).encode(),
    "a name that is a list": b'{"query": "{ version }", "operationName": []}',
    "a deep query": json.dumps({"query": "{a" * _DEEP + "}" * _DEEP}).encode(),
}
NO_REPORT = {
    "asset_key 3": b'{"asset_key": 3}',
    "asset_key [1]": b'{"asset_key": [1]}',
    "data_version a list": b'{"data_version": [1]}',
    "deep metadata": b'{"metadata": {"a": ' + b"[" * MOST_DEEP + b"]" * MOST_DEEP + b"}}",
}


@pytest.fixture(scope="module")
def server(
    context: WorkspaceProcessContext, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TestClient]:
    root = DataRoot(tmp_path_factory.mktemp("data")).create()
    with TestClient(
        guarded_app(context, Door(), root), base_url=OURS, raise_server_exceptions=False
    ) as found:
        yield found


@pytest.mark.parametrize("name", NO_OBJECT | NO_QUERY)
def test_what_is_no_query_is_refused(name: str, server: TestClient) -> None:
    answer = server.post("/graphql", content=(NO_OBJECT | NO_QUERY)[name], headers=_JSON)
    assert answer.status_code == 400
    assert re.match("what was sent: .{10}", answer.text) or "nested too deeply" in answer.text


@pytest.mark.parametrize(
    "path", ["/report_asset_materialization", "/report_asset_check", "/report_asset_observation"]
)
@pytest.mark.parametrize("name", NO_OBJECT | NO_REPORT)
def test_what_is_no_report_is_refused(path: str, name: str, server: TestClient) -> None:
    for key in ("/x", "/"):
        answer = server.post(path + key, content=(NO_OBJECT | NO_REPORT)[name], headers=_JSON)
        assert answer.status_code == 400 and answer.text.startswith("what was sent: ")


def test_what_dagster_takes_goes_on_unchanged(server: TestClient) -> None:
    for variables in ({}, None, "{}", {"x": json.loads("[" * 50 + "]" * 50)}):
        answer = server.post("/graphql", json={"query": "{ version }", "variables": variables, "more": 1})
        assert answer.json()["data"]["version"]
    assert server.post("/report_asset_observation/x", content=b"", headers=_JSON).status_code == 200
    assert server.post("/report_asset_observation/x", json={"metadata": {"a": 1}}).status_code == 200


def test_too_much_is_refused(server: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lofi_pipeline.web.well_formed.MOST_BYTES", 1000)
    assert server.post("/graphql", json={"query": "{ version }" + " " * 1000}).status_code == 413


def test_no_page_of_the_studio_fails_over_what_it_is_sent(server: TestClient) -> None:
    paths = [it.path for it in routes() if isinstance(it, Route) and "POST" in (it.methods or ())]
    assert len(paths) > 10
    for path in paths:
        for content in NO_OBJECT.values():
            address = "/studio" + re.sub(r"\{.*?\}", "x", path).replace("tracks/x/", "tracks/track_001/")
            assert 400 <= server.post(address, content=content, headers=_JSON).status_code < 500


@pytest.mark.parametrize(
    "message",
    [
        *(content.decode("latin-1") for content in NO_OBJECT.values()),
        '{"type": "start"}',
        '{"type": "start", "id": "1", "payload": []}',
        '{"type": "start", "id": "1", "payload": {"query": 1}}',
        '{"type": "start", "id": [1], "payload": {"query": "{ version }"}}',
        '{"type": "stop", "id": [1]}',
        '{"type": "start", "id": "1", "payload": {"query": "{ version }", "variables": [1]}}',
    ],
)
def test_a_websocket_is_closed_with_a_sentence(message: str, server: TestClient) -> None:
    with server.websocket_connect(SOCKET, subprotocols=["graphql-ws"], headers={"Origin": OURS}) as socket:
        socket.send_text(message)
        said = socket.receive()
    assert (said["type"], said["code"]) == ("websocket.close", 1003)
    assert said["reason"].startswith("what was sent: ")
