"""Comparing two checkpoints blind: clips of the same prompt and seed as A and B, and votes. Which is which is said at the end."""

from __future__ import annotations

import os

from pydantic import Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from lofi_pipeline.checkpoints.errors import CheckpointError
from lofi_pipeline.entities import BlindSession, Entity, Side
from lofi_pipeline.evaluation import blind
from lofi_pipeline.web.asked import root_of, takes
from lofi_pipeline.web.media import Media, media
from lofi_pipeline.web.pages.checkpoints import lineage_of
from lofi_pipeline.web.rendering import render
from lofi_pipeline.web.role import STUDIO

NO_DAY = "Thu, 01 Jan 1970 00:00:00 GMT"


class Wanted(Entity):
    """Which two are compared, and by whom. Partition keys; step 0 is the base."""

    one: str
    other: str
    who: str = Field(max_length=80)
    clips: int = Field(default=blind.MOST_CLIPS, ge=1, le=400)


class Preferred(Entity):
    """What was preferred of a pair."""

    trial: int
    side: Side


class _Opaque(Media):
    """A clip whose headers do not tell it from the other: neither when it was made, nor by a tag of that."""

    def set_stat_headers(self, stat_result: os.stat_result) -> None:
        super().set_stat_headers(stat_result)
        self.headers["last-modified"], self.headers["etag"] = NO_DAY, '"clip"'


def choose(request: Request) -> Response:
    """Which two to compare."""
    root, folder = root_of(request), lineage_of(request)
    names = blind.comparable_models(root, folder.lineage.lineage)
    own = [key for key in names if blind.lineage_in(key) == folder.short]
    return render(
        request,
        "compare.html",
        lineage=folder,
        names=names,
        last=own[-1] if own else None,
        clips=blind.MOST_CLIPS,
        going_on=[it for it in blind.open_sessions(root) if folder.short in _lineages_of(it)],
    )


def _lineages_of(session: BlindSession) -> set[str]:
    return {blind.lineage_in(session.one), blind.lineage_in(session.other)}


@takes(Wanted)
def begin(request: Request, given: Wanted) -> Response:
    """Begin a comparison."""
    try:
        session = blind.begin(root_of(request), given.one, given.other, given.who, given.clips)
    except (blind.BlindError, CheckpointError) as error:
        raise HTTPException(422, str(error)) from error
    return JSONResponse({"location": f"{STUDIO}/compare/session/{session.session}"})


def trial(request: Request) -> Response:
    """The pair that is heard next, or what the votes come to."""
    root, session = root_of(request), _session(request)
    found = blind.comparison(root, session)
    asked = request.query_params.get("pair", "")
    chosen = next((it for it in found.trials if str(it.number) == asked), None) or found.next_trial
    if session.ended or chosen is None:
        one, other = session.one, session.other
        names = {one: blind.name_beside(one, other), other: blind.name_beside(other, one)}
        return render(
            request, "compare_end.html", found=found, names=names, lineage=blind.lineage_in(session.one)
        )
    gains = blind.trial_gains(root, chosen)
    return render(request, "compare_trial.html", found=found, trial=chosen, gains=gains)


def clip(request: Request) -> Response:
    """A clip of a comparison, by a name that says nothing."""
    root = root_of(request)
    found = blind.comparison(root, _session(request)).clip(request.path_params["token"])
    if found is None:
        raise HTTPException(404, "there is no such clip")
    sent = media(root, root.relative(found.file))
    headers = {name: sent.headers[name] for name in ("Cache-Control", "Content-Security-Policy")}
    return _Opaque(found.file, media_type=sent.media_type, headers=headers)


@takes(Preferred)
def vote(request: Request, given: Preferred) -> Response:
    """Write a vote down."""
    root, session = root_of(request), _session(request)
    found = blind.comparison(root, session)
    try:
        blind.vote(root, found, given.trial, given.side)
    except blind.BlindError as error:
        raise HTTPException(422, str(error)) from error
    return JSONResponse({"location": f"{STUDIO}/compare/session/{session.session}"})


@takes(Entity)
def end(request: Request, _given: Entity) -> Response:
    """End a comparison: from then on it is said which was which."""
    session = blind.end(root_of(request), _session(request))
    return JSONResponse({"location": f"{STUDIO}/compare/session/{session.session}"})


def _session(request: Request) -> BlindSession:
    try:
        return blind.read_session(root_of(request), request.path_params["session"])
    except blind.BlindError as error:
        raise HTTPException(404, str(error)) from error


routes: list[BaseRoute] = [
    Route("/compare/session/{session}", trial),
    Route("/compare/session/{session}/clip/{token}", clip),
    Route("/compare/session/{session}/vote", vote, methods=["POST"]),
    Route("/compare/session/{session}/end", end, methods=["POST"]),
    Route("/compare/{lineage}", choose),
    Route("/compare/{lineage}", begin, methods=["POST"]),
]
