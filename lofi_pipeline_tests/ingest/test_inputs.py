"""What a stage's work depends on: each fact of the drop, each setting, each preset makes it new, and nothing else does."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from lofi_pipeline.config import AudioSettings, QualitySettings
from lofi_pipeline.dataset.eligibility import Eligibility
from lofi_pipeline.entities import (
    FileTags,
    Provenance,
    RegisteredTrack,
    TrackOrigin,
    TrackRecord,
    TrackStatus,
    Verdict,
)
from lofi_pipeline.ingest import ProcessingContext, load_record, needs_work, work_on
from lofi_pipeline.ingest.registry import load_registry
from lofi_pipeline.storage import DataRoot, write_json_atomic
from lofi_pipeline_tests.drops import facts, make_drop, register, settings

SHA = "1" * 64
ORIGIN = TrackOrigin(
    source_id="label",
    path="raw/partnerships/label/a.wav",
    licence="CC0-1.0",
    style_ids=["CORE-01"],
    lyrics_path="raw/partnerships/label/a.txt",
)
OTHER_FACTS: dict[str, Any] = {
    "source_id": "another",
    "path": "raw/partnerships/label/b.wav",
    "licence": "CC-BY-4.0",
    "title": "Rain",
    "artist": "Ann",
    "style_ids": ["CORE-02"],
    "lyrics_path": None,
    "language": "en",
    "vocals": False,
    "stems": True,
    "url": "https://example.org/a",
    "credited": FileTags(album="Wet"),
    "bpm": 91,
    "key": "A minor",
    "time_signature": "3/4",
    "caption": "Slow and blue.",
    "tags": ["rain"],
}


NOWHERE = DataRoot(Path("/nowhere"))
"""No edits lie there."""


def registered(**changes: Any) -> RegisteredTrack:
    origin = ORIGIN.model_copy(update=changes.pop("origin", {}))
    known = {"track_id": "track_001", "sha256": SHA, "lyrics_sha256": "2" * 64, "origins": [origin]}
    return RegisteredTrack.model_validate(known | changes)


def changed_stages(
    one: ProcessingContext, track: RegisteredTrack, other: ProcessingContext | None = None
) -> set[str]:
    """The stages that have to be done again."""
    before, after = one.inputs_of(NOWHERE, registered()), (other or one).inputs_of(NOWHERE, track)
    assert set(before) == {"raw", "processed", "tagged"}
    return {stage for stage in before if before[stage] != after[stage]}


@pytest.fixture(scope="module")
def context() -> ProcessingContext:
    return ProcessingContext.open(settings())


def opened(**rooms: dict[str, object]) -> ProcessingContext:
    return ProcessingContext.open(settings(**rooms))


def test_nothing_changed_nothing_to_do(context: ProcessingContext):
    assert changed_stages(context, registered()) == set()
    assert changed_stages(context, registered(track_id="track_002")) == set()


@pytest.mark.parametrize("fact", TrackOrigin.model_fields)
def test_each_fact_of_a_drop_has_the_track_tagged_again_and_not_encoded_again(
    context: ProcessingContext, fact: str
):
    track = registered(origin={fact: OTHER_FACTS[fact]})
    assert changed_stages(context, track) == {"raw", "tagged"}


def test_other_bytes_are_another_track_and_other_words_are_tagged_again(context: ProcessingContext):
    assert changed_stages(context, registered(sha256="3" * 64)) == {"raw", "processed", "tagged"}
    assert changed_stages(context, registered(lyrics_sha256="3" * 64)) == {"tagged"}
    assert changed_stages(context, registered(lyrics_sha256=None)) == {"tagged"}


OTHER_AUDIO = {
    "target_lufs": -16.0,
    "true_peak_ceiling_dbtp": -2.0,
    "max_limiter_db": 1.0,
    "mp3_vbr_quality": 4,
    "min_seconds": 31.0,
    "max_seconds": 200.0,
    "max_input_seconds": 100.0,
}


@pytest.mark.parametrize("setting", AudioSettings.model_fields)
def test_each_setting_of_audio_encodes_again(context: ProcessingContext, setting: str):
    other = opened(audio={setting: OTHER_AUDIO[setting]})
    assert changed_stages(context, registered(), other) == {"processed", "tagged"}


@pytest.mark.parametrize("setting", QualitySettings.model_fields)
def test_another_least_quality_judges_again(context: ProcessingContext, setting: str):
    assert changed_stages(context, registered(), opened(quality={setting: 41})) == {"tagged"}


def test_other_presets_and_another_vocabulary_tag_again(context: ProcessingContext):
    first = next(iter(context.presets.values()))
    renamed = {**context.presets, first.style_id: first.model_copy(update={"name": "Another"})}
    assert changed_stages(context, registered(), replace(context, presets=renamed)) == {"tagged"}
    kind, *others = context.vocabulary.categories
    shorter = kind.model_copy(update={"tags": kind.tags[:-1]})
    vocabulary = replace(context.vocabulary, categories=(shorter, *others))
    assert changed_stages(context, registered(), replace(context, vocabulary=vocabulary)) == {"tagged"}


@pytest.mark.parametrize("room", ["dataset", "ingest", "evaluation", "retention", "licensing"])
def test_settings_of_other_rooms_make_no_work(context: ProcessingContext, room: str):
    change = {
        "dataset": {"seed": 7},
        "ingest": {"batch_size": 3},
        "evaluation": {"seed": 7},
        "retention": {"keep_best": 1},
        "licensing": {"profile": "strict"},
    }
    assert changed_stages(context, registered(), opened(**{room: change[room]})) == set()


@pytest.fixture
def track(root: DataRoot) -> RegisteredTrack:
    """A registered file that is no music."""
    make_drop(root, "one", {"a.wav": b"no music"}, facts())
    return register(root).registry.tracks[0]


def failed(root: DataRoot, track: RegisteredTrack, context: ProcessingContext, attempts: int) -> None:
    record = TrackRecord(
        track_id=track.track_id,
        sha256=track.sha256,
        origins=track.origins,
        status=TrackStatus.FAILED,
        failed_stage="processed_audio",
        reason="a fault",
        attempts=attempts,
        inputs=context.inputs_of(root, track),
        updated="2026-01-01T00:00:00Z",  # pyright: ignore[reportArgumentType]
    )
    write_json_atomic(root.track_record(track.track_id), record)


@pytest.mark.parametrize(("attempts", "again"), [(1, True), (2, True), (3, False), (4, False)])
def test_a_fault_is_tried_max_attempts_times_in_all(
    root: DataRoot, track: RegisteredTrack, attempts: int, again: bool
):
    context = opened(ingest={"max_attempts": 3})
    failed(root, track, context, attempts)
    assert needs_work(root, track, context) is again


def test_a_score_at_the_limit_is_good_enough_and_what_a_person_verified_stays_verified(ready: DataRoot):
    record = load_record(ready, "track_001")
    assert record and record.processed
    score = record.processed.quality.score
    write_json_atomic(ready.track_record("track_001"), record.model_copy(update={"human_verified": True}))
    by_id = load_registry(ready).by_id()
    at_limit = work_on(ready, by_id["track_001"], opened(quality={"min_score": score}))
    assert at_limit.status is TrackStatus.OK and at_limit.human_verified
    if score < 100:
        above = work_on(ready, by_id["track_001"], opened(quality={"min_score": score + 1}))
        assert above.status is TrackStatus.REJECTED and f"is below {score + 1}" in (above.reason or "")


def verdict(permitted: bool) -> Verdict:
    return Verdict(permitted=permitted, licence="CC0-1.0", reason="so it says", strictness=0)


@pytest.mark.parametrize("refused", ["first", "second"])
def test_a_track_needs_the_leave_of_every_source_that_claims_it(refused: str):
    names = ("first", "second")
    known = {name: Provenance(source_id=name, verdict=verdict(name != refused)) for name in names}
    eligibility = Eligibility(date(2026, 1, 1), known, {})
    claimed = registered(origins=[ORIGIN.model_copy(update={"source_id": name}) for name in names])
    assert eligibility.refusal_reason(claimed) == f"source '{refused}': so it says"
    unknown = replace(
        eligibility, provenance={"first": known["first"].model_copy(update={"verdict": verdict(True)})}
    )
    assert "nothing is known of its source 'second'" in (unknown.refusal_reason(claimed) or "")
    alone = registered(
        origins=[ORIGIN.model_copy(update={"source_id": next(n for n in names if n != refused)})]
    )
    assert eligibility.refusal_reason(alone) is None
