"""What a page of the studio is asked: by whom, of which data root, and with what data."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from lofi_pipeline.entities import Entity
from lofi_pipeline.entities.errors import RecordError
from lofi_pipeline.storage import DataRoot
from lofi_pipeline.storage.json_text import loads
from lofi_pipeline.web.guard import ROLE
from lofi_pipeline.web.role import Role
from lofi_pipeline.web.track_list import TrackList

MOST_BYTES = 2_000_000
"""Of what a page sends: lyrics, or a table of edits."""
SENT = "what was sent"
Given = TypeVar("Given", bound=Entity)
Endpoint = Callable[[Request], Coroutine[Any, Any, Response]]


def root_of(request: Request) -> DataRoot:
    """The data root that the studio shows."""
    return request.app.state.root


def track_list_of(request: Request) -> TrackList:
    """The list of its tracks."""
    return request.app.state.track_list


def role_of(request: Request) -> Role:
    """Who asks. The guard has seen to what each may do; a page leaves out what would be refused."""
    return request.scope.get(ROLE, Role.LISTENER)


def may_change(request: Request) -> bool:
    """Whether to show the controls that change something."""
    return role_of(request) is Role.OWNER and not request.app.state.read_only


async def sent_bytes(request: Request, most: int) -> bytes:
    """The body of a request.

    Raises:
        HTTPException: 413, there is more of it.
    """
    sent = bytearray()
    async for chunk in request.stream():
        sent += chunk
        if len(sent) > most:
            raise HTTPException(413, f"more than {most // 1_000_000} MB were sent")
    return bytes(sent)


def parsed(
    model: type[Given], sent: bytes | str, looked_at: Callable[[object], object] = lambda value: value
) -> Given:
    """What was sent as JSON; `looked_at` may refuse the value that it holds with a ValueError.

    Raises:
        RecordError: it is no such entity; names each field and rule.
    """
    try:
        return model.parse(looked_at(loads(sent)), where=SENT)
    except RecordError:
        raise
    except ValueError as error:
        raise RecordError(f"{SENT}: {error}") from error


async def body(request: Request, model: type[Given]) -> Given:
    """The data that a page sent, as JSON.

    Raises:
        HTTPException: 413, there is too much of it.
        RecordError: it is no such entity; names each field and rule.
    """
    return parsed(model, await sent_bytes(request, MOST_BYTES))


def takes(model: type[Given]) -> Callable[[Callable[[Request, Given], Response]], Endpoint]:
    """Make a function of a request and of the entity that it carries an endpoint, run beside the server's loop."""

    def endpoint(answer: Callable[[Request, Given], Response]) -> Endpoint:
        async def answered(request: Request) -> Response:
            return await run_in_threadpool(answer, request, await body(request, model))

        return answered

    return endpoint
