"""The page of one track: hear it, see what was heard and said of it and why, and accept, correct or reject it."""

from __future__ import annotations

import getpass
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from lofi_pipeline import styles
from lofi_pipeline.dataset import TrackFilter, TrackIndex, TrackOverview, TrackQuery
from lofi_pipeline.entities import (
    Edit,
    Entity,
    ProcessedFacts,
    RecordError,
    Review,
    StylePreset,
    SupportedTag,
    TaggedFacts,
    TagKind,
    TrackEdit,
    TrackRecord,
    TrackStatus,
)
from lofi_pipeline.entities.key import TONICS
from lofi_pipeline.entities.metre import BEATS_IN_A_BAR, METRES, Metre
from lofi_pipeline.entities.review import HIGHEST_BPM, LOWEST_BPM, Reason, Who
from lofi_pipeline.review import accept, edit, history, reject, review_of, shown, undo
from lofi_pipeline.web.asked import root_of, takes, track_list_of
from lofi_pipeline.web.media import media
from lofi_pipeline.web.pages.track_facts import facts, record_of
from lofi_pipeline.web.pages.tracks import address_of, query_of, what_to_do
from lofi_pipeline.web.rendering import render
from lofi_pipeline.web.track_list import ListBeingMade
from lofi_pipeline.web.waveform import waveform, with_clipping

MOST_STYLES = 5
"""Suggestions that are shown beside the styles that a track has."""
SUPPORT_IN_WORDS = {
    "declared": "declared in source.json",
    "measured": "measured",
    "tagged": "heard by a model",
    "verified": "said by a person",
    "suggested": "word of a suggested style, not heard",
    "claimed": "claimed by a model that writes captions",
    "nothing": "nothing is known: every track gets it",
}


class StyleShown(Entity):
    """A style that a track has or might have."""

    style_id: str
    name: str
    confidence: float | None
    chosen: bool
    why: list[str]


class Beats(Entity):
    """Where beats and bars lie, for the waveform. Seconds; a bar begins at every `in_a_bar`th beat from `first_bar` on."""

    offset: float
    interval: float
    first_bar: int
    in_a_bar: float


class Loaded(Entity):
    """What the page's script needs: see static/track.js."""

    track_id: str
    beats: Beats | None
    parts: list[str]
    following: str | None
    before: str | None


@dataclass(frozen=True)
class _Track:
    """All that the page says of a track."""

    record: TrackRecord
    tagged: TaggedFacts | None
    review: Review | None
    edits: list[Edit]
    row: TrackOverview | None


def track(request: Request) -> Response:
    """The page of a track."""
    root, record, query = root_of(request), record_of(request), query_of(request)
    track_id = record.track_id

    def question(index: TrackIndex) -> tuple[TrackOverview | None, str | None, str | None, int]:
        waiting = index.count(TrackQuery(only=[TrackFilter.UNSURE]))
        around = [index.neighbour(query, track_id, following=way) for way in (True, False)]
        return index.row(track_id), around[0], around[1], waiting

    row = following = before = waiting = None
    with suppress(ListBeingMade):  # the track itself can be shown
        row, following, before, waiting = track_list_of(request).ask(question).answer
    known = _Track(record, shown(root, track_id), review_of(root, track_id), history(root, track_id), row)
    presets = styles.load_presets()
    asked = address_of(query)
    links = {it: f"{it}?{asked}".rstrip("?") for it in (following, before) if it}
    loaded = Loaded(
        track_id=track_id,
        beats=_beats(known),
        parts=[part.name for part in record.processed.quality.parts] if record.processed else [],
        following=links.get(following or ""),
        before=links.get(before or ""),
    )
    return render(
        request,
        "track.html",
        **vars(known),
        loaded=loaded,
        waiting=waiting,
        back=f"?{asked}" if asked else "",
        styles_shown=_styles_shown(known, presets),
        presets=presets,
        kinds=_by_kind(known.tagged.tags if known.tagged else []),
        offered=_by_kind(known.tagged.offered if known.tagged else []),
        support=SUPPORT_IN_WORDS,
        vocabulary=[
            tag
            for kind in TagKind
            for tag in styles.load_vocabulary().tags(kind)
            if kind is not TagKind.TEMPO
        ],
        keys=[f"{tonic} {mode}" for mode in ("minor", "major") for tonic in TONICS],
        metres=METRES,
        bpms=(LOWEST_BPM, HIGHEST_BPM),
        lyrics=_lyrics(known.tagged.lyrics) if known.tagged else [],
        user=_user(),
        what_to_do=what_to_do,
        taken_up=_is_taken_up(known),
    )


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""


def _is_taken_up(known: _Track) -> bool:
    """Whether the record rests on what people said, so that nothing waits for the next run."""
    return known.review == known.record.review or known.record.status is TrackStatus.PENDING


def _styles_shown(known: _Track, presets: Mapping[str, StylePreset]) -> list[StyleShown]:
    chosen = known.tagged.style_ids if known.tagged else []
    measured = known.record.processed.measurements if known.record.processed else None
    ranked = styles.suggest(measured, presets) if measured else []
    sure = {it.style_id: it.confidence for it in ranked}
    listed = [*chosen, *[it.style_id for it in ranked[:MOST_STYLES] if it.style_id not in chosen]]
    return [
        StyleShown(
            style_id=it,
            name=presets[it].name if it in presets else "no such style any more",
            confidence=sure.get(it),
            chosen=it in chosen,
            why=styles.why(measured, presets[it]) if measured and it in presets else [],
        )
        for it in listed
    ]


def _by_kind(tags: list[SupportedTag]) -> dict[str, list[SupportedTag]]:
    """By category in the order of a prompt."""
    vocabulary = styles.load_vocabulary()
    found: dict[str, list[SupportedTag]] = {}
    for tag in tags:
        try:
            kind = str(vocabulary.kind_of(tag.tag)).replace("_", " ")
        except RecordError:
            kind = "not in the vocabulary"
        found.setdefault(kind, []).append(tag)
    return found


def _lyrics(text: str) -> list[tuple[bool, str]]:
    """(whether it is a section mark, line)."""
    return [(line.startswith("[") and line.endswith("]"), line) for line in text.splitlines()]


def _beats(known: _Track) -> Beats | None:
    """The grid as it was measured; the tempo and metre that a person said go before what was measured."""
    processed, tagged, review = known.record.processed, known.tagged, known.review
    if processed is None:
        return None
    measured = processed.measurements
    metre: Metre = (tagged.time_signature if tagged else None) or measured.time_signature
    tempo = review.bpm if review and review.bpm else measured.tempo_bpm
    if review and review.bpm and abs(review.bpm / measured.tempo_bpm - 1) < 0.01:
        tempo = measured.tempo_bpm  # said in whole numbers
    return Beats(
        offset=measured.beat_offset_s or 0.0,
        interval=60 / tempo,
        first_bar=measured.downbeat,
        in_a_bar=BEATS_IN_A_BAR[metre],
    )


def _processed(request: Request) -> ProcessedFacts:
    record = record_of(request)
    if record.processed is None:
        raise HTTPException(
            404, f"{record.track_id}: has no processed audio: {record.reason or 'not worked on yet'}"
        )
    return record.processed


def heard(request: Request) -> FileResponse:
    """The processed audio."""
    return media(root_of(request), _processed(request).audio_path)


def peaks(request: Request) -> Response:
    """What the player draws."""
    root, processed = root_of(request), _processed(request)
    try:
        found = waveform(root, processed.audio_path, processed.audio_sha256)
    except FileNotFoundError as error:
        raise HTTPException(
            404, f"{processed.audio_path}: is missing; the next run makes it again"
        ) from error
    found = with_clipping(root, record_of(request), found)
    return Response(
        found.model_dump_json(),
        media_type="application/json",
        headers={"Cache-Control": "private, max-age=3600"},
    )


def picture(request: Request) -> FileResponse:
    """The small waveform of the list."""
    root = root_of(request)
    return media(root, root.relative(root.thumbnail(record_of(request).track_id)))


class Looked(Entity):
    """Somebody who looked at a track."""

    who: Who


class Rejected(Looked):
    """Why a track is kept out."""

    reason: Reason


class Corrected(Looked):
    """What is true of a track."""

    changes: TrackEdit


def _done(made: Edit | None) -> Response:
    return JSONResponse({"done": made.action if made else "nothing changed"})


@takes(Looked)
def accept_track(request: Request, given: Looked) -> Response:
    """Say that it is right as it is."""
    return _done(accept(root_of(request), request.path_params["track_id"], given.who))


@takes(Looked)
def undo_last(request: Request, given: Looked) -> Response:
    """Take the last change back."""
    return _done(undo(root_of(request), request.path_params["track_id"], given.who))


@takes(Rejected)
def reject_track(request: Request, given: Rejected) -> Response:
    """Keep it out."""
    return _done(reject(root_of(request), request.path_params["track_id"], given.who, given.reason))


@takes(Corrected)
def correct_track(request: Request, given: Corrected) -> Response:
    """Say what is true of it."""
    return _done(edit(root_of(request), request.path_params["track_id"], given.who, given.changes))


routes: list[BaseRoute] = [
    Route("/tracks/{track_id}", track),
    Route("/tracks/{track_id}/audio", heard),
    Route("/tracks/{track_id}/peaks", peaks),
    Route("/tracks/{track_id}/picture", picture),
    Route("/tracks/{track_id}/facts", facts),
    Route("/tracks/{track_id}/accept", accept_track, methods=["POST"]),
    Route("/tracks/{track_id}/reject", reject_track, methods=["POST"]),
    Route("/tracks/{track_id}/edit", correct_track, methods=["POST"]),
    Route("/tracks/{track_id}/undo", undo_last, methods=["POST"]),
]
