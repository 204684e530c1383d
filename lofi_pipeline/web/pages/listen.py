"""Listening tests: what the owner sees and does at /studio/listen, and the page of each listener behind a code of its own.

The guard lets anybody through to /studio/listen/...: every route there asks for the listener's code first. What the owner does
lies elsewhere, so that no listener's link reaches it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pydantic import Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from lofi_pipeline import listening
from lofi_pipeline.checkpoints.folder import scan_checkpoints
from lofi_pipeline.entities import Entity
from lofi_pipeline.errors import LofiError
from lofi_pipeline.listening import (
    AnswerRefused,
    Files,
    Given,
    Listener,
    ListeningError,
    ListeningTest,
    RateResult,
    TellResult,
)
from lofi_pipeline.listening.page import BESIDE, PAGE, served_page
from lofi_pipeline.storage import DataRoot
from lofi_pipeline.web.asked import may_change, root_of, takes
from lofi_pipeline.web.media import Media
from lofi_pipeline.web.rendering import render
from lofi_pipeline.web.role import STUDIO

_CLIP = re.compile(r"[0-9a-f]{12}")
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; media-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'"
)
MOST_INVITED = 100


@dataclass(frozen=True)
class _Row:
    """A test as the owner sees it."""

    test: ListeningTest
    listeners: list[tuple[Listener, int, bool]]
    result: TellResult | RateResult | None
    verdict: str | None

    @property
    def finished(self) -> int:
        return sum(done for _, _, done in self.listeners)


class Invited(Entity):
    """For how many listeners links are made."""

    test: str
    count: int = Field(default=1, ge=1, le=MOST_INVITED)


class Made(Entity):
    """Which checkpoint a test is made of."""

    checkpoint: str


class Scored(Entity):
    """Which test is scored."""

    test: str


def overview(request: Request) -> Response:
    """All tests: who was asked, who has finished, and what was found."""
    root, rows, broken = root_of(request), [], []
    for name in listening.known_tests(root):
        try:
            rows.append(_row(root_of(request), name))
        except LofiError as error:
            broken.append(str(error))
    rows.sort(key=lambda row: row.test.made, reverse=True)
    base = f"{request.url.scheme}://{request.headers.get('host', '')}{STUDIO}/listen"
    testable = [found for found in scan_checkpoints(root) if found.scores and found.record]
    return render(
        request, "listen.html", rows=rows, broken=broken, base=base, told=_is_told, testable=testable
    )


def _row(root: DataRoot, name: str) -> _Row:
    files = listening.find_test(root, name)
    test = listening.read_test(root, files)
    result = listening.read_result(files)
    verdict = listening.verdict_of(result) if isinstance(result, TellResult) else None
    return _Row(test, listening.progress_of(files, listening.read_sheet(files, test)), result, verdict)


def _is_told(result: object) -> bool:
    return isinstance(result, TellResult)


@takes(Made)
def make(request: Request, given: Made) -> Response:
    """Make a test of a checkpoint against recordings."""
    _require_owner(request)
    root = root_of(request)
    found = [item for item in scan_checkpoints(root) if item.key == given.checkpoint]
    if not found:
        raise HTTPException(404, f"{given.checkpoint}: there is no such checkpoint")
    try:
        return JSONResponse({"test": listening.make_test(root, found, listening.Wanted()).test})
    except ListeningError as error:
        raise HTTPException(422, str(error)) from error


@takes(Invited)
def invite(request: Request, given: Invited) -> Response:
    """Make links."""
    _require_owner(request)
    invited = listening.invite(_named(request, given.test), [None] * given.count)
    return JSONResponse({"listeners": [it.listener for it in invited]})


@takes(Scored)
def score(request: Request, given: Scored) -> Response:
    """Score the answers so far, and keep the result."""
    _require_owner(request)
    root, files = root_of(request), _named(request, given.test)
    try:
        result = listening.score_test(root, files)
        listening.keep_result(root, files, result)
    except ListeningError as error:
        raise HTTPException(422, str(error)) from error
    return JSONResponse(result.model_dump(mode="json"))


def _named(request: Request, test: str) -> Files:
    """The files of a test. Raises: HTTPException, 404."""
    try:
        return listening.find_test(root_of(request), test)
    except ListeningError as error:
        raise HTTPException(404, str(error)) from error


def _require_owner(request: Request) -> None:
    if not may_change(request):
        raise HTTPException(403, "only the owner's link changes something")


def _listener_of(request: Request) -> tuple[Files, Listener]:
    """Who asks, by the code in the address. A wrong one is told no more than that."""
    test, code = request.path_params["test"], request.path_params["code"]
    try:
        if test not in listening.known_tests(root_of(request)):
            raise AnswerRefused("there is no such listening test: open the link as it was sent")
        files = listening.find_test(root_of(request), test)
        return files, listening.find_listener(files, code)
    except AnswerRefused as error:
        raise HTTPException(404, str(error)) from error


def page(request: Request) -> Response:
    """The listener's page, where it was left."""
    files, listener = _listener_of(request)
    answered = listening.counting(listening.read_answers(files, listener.listener))
    shown = served_page(listening.open_sheet(files), listener.plan, answered)
    return HTMLResponse(shown, headers={"Content-Security-Policy": _POLICY, "Cache-Control": "no-store"})


def with_slash(request: Request) -> Response:
    """To the page itself: what it loads lies beneath it."""
    _listener_of(request)
    return RedirectResponse(f"{request.url.path}/", 308)


def beside(request: Request) -> Response:
    """The page's script and look."""
    _listener_of(request)
    name = request.path_params["name"]
    if name not in BESIDE:
        raise HTTPException(404, "there is no such file")
    return FileResponse(PAGE / name, media_type=BESIDE[name], headers={"Cache-Control": "no-cache"})


def clip(request: Request) -> Response:
    """A clip, under its random name. Size, type and times are those of every other."""
    files, _ = _listener_of(request)
    name = request.path_params["clip"]
    path = files.clip(name)
    if not (_CLIP.fullmatch(name) and path.is_file()):
        raise HTTPException(404, "there is no such clip")
    return Media(path, media_type="audio/wav", headers={"Cache-Control": "private, max-age=3600"})


@takes(Given)
def answer(request: Request, given: Given) -> Response:
    """Keep an answer."""
    files, listener = _listener_of(request)
    try:
        listening.take_answer(files, listening.open_sheet(files), listener.listener, given)
    except AnswerRefused as error:
        raise HTTPException(422, str(error)) from error
    return JSONResponse({"kept": given.trial})


_LISTENER = "/listen/{test}/{code}"
routes: list[BaseRoute] = [
    Route("/listen", overview),
    Route("/listening/new", make, methods=["POST"]),
    Route("/listening/invite", invite, methods=["POST"]),
    Route("/listening/score", score, methods=["POST"]),
    Route(_LISTENER, with_slash),
    Route(f"{_LISTENER}/", page),
    Route(f"{_LISTENER}/answers", answer, methods=["POST"]),
    Route(f"{_LISTENER}/clips/{{clip}}.wav", clip),
    Route(f"{_LISTENER}/{{name}}", beside),
]
