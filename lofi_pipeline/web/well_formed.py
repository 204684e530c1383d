"""What is sent to Dagster's webserver, looked at before it: JSON of another form than it expects would end in an error 500 there.

Who may send something at all is decided in guard.py.
"""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import ConfigDict, Field, field_validator
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lofi_pipeline.entities import Entity
from lofi_pipeline.entities.errors import RecordError
from lofi_pipeline.storage.json_text import loads
from lofi_pipeline.web.asked import SENT, parsed, sent_bytes
from lofi_pipeline.web.guard import GRAPHQL

MOST_BYTES = 20_000_000
"""Of one request to Dagster: the configuration of a run is far smaller."""
MOST_DEEP = 100
"""How deep brackets may be nested; what Dagster's own page sends is nested less than 20 deep."""
_UNSUPPORTED_DATA = 1003
_REPORT = "/report_asset_"


class _Sent(Entity):
    model_config = ConfigDict(extra="ignore")


class _Query(_Sent):
    query: str
    variables: dict[str, Any] | None = None
    operationName: str | None = None

    @field_validator("variables", mode="before")
    @classmethod
    def _given_as_text(cls, value: object) -> object:
        return _shallow(loads(value)) if isinstance(value, str) else value


class _Report(_Sent):
    asset_key: list[str] | None = Field(default=None, min_length=1)
    data_version: str | None = None


class _SocketMessage(_Sent):
    type: str
    id: str | int | None = None
    payload: dict[str, Any] | None = None


Form = TypeVar("Form", bound=_Sent)


class WellFormed:
    """An ASGI app before Dagster's: what Dagster could not make sense of is answered with 400 and a sentence."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, one websocket, or the lifespan."""
        if scope["type"] == "websocket":
            await self._app(scope, _well_formed_messages(receive, send), send)
        elif scope["type"] == "http" and scope["method"] == "POST" and (form := _form_of(scope["path"])):
            try:
                body = await sent_bytes(Request(scope, receive), MOST_BYTES)
                if body or form is _Query:
                    _take(form, body)
            except (RecordError, HTTPException) as error:
                status = error.status_code if isinstance(error, HTTPException) else 400
                said = error.detail if isinstance(error, HTTPException) else str(error)
                await PlainTextResponse(f"{said}\n", status)(scope, receive, send)
            else:
                await self._app(scope, _again(body or b"{}", receive), send)
        else:
            await self._app(scope, receive, send)


def _form_of(path: str) -> type[_Sent] | None:
    if path.rstrip("/") == GRAPHQL:
        return _Query
    return _Report if path.startswith(_REPORT) else None


def _take(form: type[Form], text: bytes | str) -> Form:
    """What was sent, as that form.

    Raises:
        RecordError: it has another one.
    """
    return parsed(form, text, _shallow)


def _shallow(value: Any) -> Any:
    """The value.

    Raises:
        ValueError: its brackets are nested too deeply.
    """
    level, depth = [value], 0
    while level:
        if (depth := depth + 1) > MOST_DEEP:
            raise ValueError(f"its brackets are nested more than {MOST_DEEP} deep")
        inside = (it.values() if isinstance(it, dict) else it for it in level if isinstance(it, dict | list))
        level = [item for items in inside for item in items]
    return value


def _again(body: bytes, receive: Receive) -> Receive:
    """A body that was read already, and then what comes after it."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receiving() -> Message:
        return waiting.pop() if waiting else await receive()

    return receiving


def _well_formed_messages(receive: Receive, send: Send) -> Receive:
    """The messages of a websocket; at one of another form it is closed with a sentence, and the app hears that it ended."""

    async def receiving() -> Message:
        message = await receive()
        if message["type"] == "websocket.receive":
            try:
                said = _take(_SocketMessage, message.get("text") or message.get("bytes") or "")
                if said.type == "start":
                    _Query.parse(said.payload, where=SENT)
            except RecordError as error:
                # A reason has 123 bytes at most
                reason = str(error).encode()[:120].decode(errors="ignore")
                await send({"type": "websocket.close", "code": _UNSUPPORTED_DATA, "reason": reason})
                return {"type": "websocket.disconnect", "code": _UNSUPPORTED_DATA}
        return message

    return receiving
