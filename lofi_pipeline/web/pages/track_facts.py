"""The part of a track's page that takes a look at large files: licence and evidence, versions and checkpoints, and other takes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from lofi_pipeline.checkpoints.folder import all_checkpoints
from lofi_pipeline.config import load_config
from lofi_pipeline.dataset import current_hash, eligibility_of, state_of_inputs
from lofi_pipeline.dataset.duplicates import TrackPair, load_comparisons
from lofi_pipeline.entities import Entity, Provenance, RecordError, TrackRecord
from lofi_pipeline.ingest import load_record
from lofi_pipeline.storage import DataRoot, version_files
from lofi_pipeline.web.asked import root_of
from lofi_pipeline.web.rendering import render

_TRACK = re.compile(r"track_[0-9]{3,}")


class Version(Entity):
    """A data set version that a track is in, and the checkpoints that were trained on it."""

    dataset_hash: str
    current: bool
    checkpoints: list[str]


class OtherTake(Entity):
    """Another track that is the same music, or alike."""

    track_id: str
    title: str
    relation: str


def record_of(request: Request) -> TrackRecord:
    """The record of the track that the address names.

    Raises:
        HTTPException: 404, there is none.
    """
    track_id = request.path_params["track_id"]
    record = load_record(root_of(request), track_id) if _TRACK.fullmatch(track_id) else None
    if record is None:
        raise HTTPException(
            404, f"{track_id:.60}: no track of that id was worked on; the list shows which there are"
        )
    return record


def facts(request: Request) -> Response:
    """The part, as HTML for the page that asks for it."""
    root, record = root_of(request), record_of(request)
    state = state_of_inputs(root, load_config())
    known = _provenance(root, state)
    return render(
        request,
        "track_facts.html",
        record=record,
        origins=[(origin, known.get(origin.source_id)) for origin in record.origins],
        licence_in_words=_in_words,
        versions=versions_with(root, record.track_id),
        takes=other_takes(root, record, _pairs(root, state)),
    )


def _in_words(provenance: Provenance | None) -> str:
    if provenance is None:
        return "nothing is known of this source at present; scan the drops again"
    verdict = provenance.verdict
    return f"{'may' if verdict.permitted else 'may not'} be used: {verdict.reason}"


def versions_with(root: DataRoot, track_id: str) -> list[Version]:
    """The data set versions that a track is in. They may be large, so they are searched as text."""
    named = re.compile(rb'"track_id":\s*"' + re.escape(track_id.encode()) + rb'"')
    hashes = [path.stem for path in version_files(root) if named.search(path.read_bytes())]
    trained: dict[str, list[str]] = {}
    for checkpoint in all_checkpoints(root) if hashes else []:
        for dataset_hash in checkpoint.record.lineage.datasets if checkpoint.record else []:
            trained.setdefault(dataset_hash, []).append(checkpoint.key)
    try:
        current = current_hash(root)
    except RecordError:
        current = None
    return [Version(dataset_hash=it, current=it == current, checkpoints=trained.get(it, [])) for it in hashes]


@lru_cache(maxsize=1)
def _provenance(root: DataRoot, _state: str) -> Mapping[str, Provenance]:
    """By source, what the policy says of it; kept while the files that it rests on stay as they are."""
    return eligibility_of(root, load_config()).provenance


@lru_cache(maxsize=1)
def _pairs(root: DataRoot, _state: str) -> list[TrackPair]:
    found = load_comparisons(root)
    return [*found.pairs, *found.parts]


def other_takes(root: DataRoot, record: TrackRecord, pairs: Iterable[TrackPair]) -> list[OtherTake]:
    """What was found to be the same music, or alike."""
    ours = [pair for pair in pairs if record.track_id in (pair.track_id, pair.other)]
    return [_take(root, record.track_id, pair) for pair in ours]


def _take(root: DataRoot, track_id: str, pair: TrackPair) -> OtherTake:
    other = pair.other if pair.track_id == track_id else pair.track_id
    known = load_record(root, other) if other.startswith("track_") else None
    title = (known.origins[0].title or known.filename) if known else other
    relation = f"{str(pair.kinship).replace('_', ' ')}, {pair.similarity:.0%} alike{pair.in_words()}"
    return OtherTake(track_id=other, title=title, relation=relation)
