"""What people say of a track is in its record, its prompt and the data set after the next run; and nothing is heard again for it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lofi_pipeline import audio, review
from lofi_pipeline.audit.fsck import check_data_root
from lofi_pipeline.config import PipelineConfig, load_config
from lofi_pipeline.dataset import build_dataset, left_out, load_version
from lofi_pipeline.entities import (
    EditField,
    RecordError,
    Split,
    Support,
    TrackEdit,
    TrackRecord,
    TrackState,
    TrackStatus,
)
from lofi_pipeline.ingest import (
    ProcessingContext,
    load_record,
    load_registry,
    needs_work,
    take_up_review,
    work_on,
)
from lofi_pipeline.storage import DataRoot
from lofi_pipeline.training.captions import captions_of
from lofi_pipeline_tests.drops import TODAY, facts, make_drop, settings, song, work

WHO = "kim"
FIRST = "track_001"


def run(root: DataRoot, config: PipelineConfig | None = None, track_id: str = FIRST) -> TrackRecord:
    """What `lofi run` does of one track."""
    context = ProcessingContext.open(config or load_config())
    track = load_registry(root).by_id()[track_id]
    if needs_work(root, track, context):
        return work_on(root, track, context)
    record = load_record(root, track_id)
    assert record
    return record


@pytest.fixture
def deaf(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing can be decoded or listened to."""
    make_deaf(monkeypatch)


def make_deaf(monkeypatch: pytest.MonkeyPatch) -> None:

    def refuse(*_args: object, **_named: object) -> None:
        raise AssertionError("listened again")

    monkeypatch.setattr(audio, "process", refuse)
    monkeypatch.setattr(audio, "read", refuse)


def test_an_edit_changes_prompt_facts_and_state_and_nothing_is_heard_again(ready: DataRoot, deaf: None):
    before = run(ready)
    said = TrackEdit(bpm=91, key="Bb minor", time_signature="3/4", add_tags=["Rhodes piano"], caption="Slow.")
    review.edit(ready, FIRST, WHO, said)
    record = run(ready)
    assert record.processed == before.processed and record.tagged
    assert (record.human_verified, record.state) == (True, TrackState.TRAINING_READY)
    assert "rhodes" in record.tagged.prompt and "91 bpm" in record.tagged.prompt
    assert ready.inside(record.tagged.prompt_path).read_text() == record.tagged.prompt
    supported = {tag.tag: (tag.support, tag.by) for tag in record.tagged.tags}
    assert supported["rhodes"] == (Support.VERIFIED, WHO)
    version = build_dataset(ready, load_config(), day=TODAY).version
    item = next(each for each in version.tracks if each.track.track_id == FIRST)
    assert item.track.human_verified
    assert (item.bpm, item.keyscale, item.time_signature, item.caption) == (91, "A# minor", "3", "Slow.")
    wordings = captions_of(ready, version, 0)[FIRST]
    assert wordings == [item.prompt, *(["Slow."] if item.track.split is Split.TRAIN else [])]


def test_a_track_that_models_listened_to_is_not_listened_to_again(
    root: DataRoot, monkeypatch: pytest.MonkeyPatch
):
    config = settings(tagging={"zero_shot": "off"})
    make_drop(root, "one", {"a.wav": song(0)}, facts(defaults={}))
    before = work(root, config)["a.wav"]
    make_deaf(monkeypatch)
    review.edit(root, FIRST, WHO, TrackEdit(bpm=91, add_tags=["rain"]))
    record = run(root, config)
    assert (
        before.tagged and record.tagged and "rain" in record.tagged.prompt and record.found == before.tagged
    )
    review.undo(root, FIRST, WHO)
    again = run(root, config)
    assert again.tagged == before.tagged


def test_another_style_tags_anew_and_moves_the_files(ready: DataRoot, deaf: None):
    review.edit(ready, FIRST, WHO, TrackEdit(style_ids=["THEME-02"]))
    record = run(ready)
    assert record.tagged and record.processed
    assert record.tagged.style_ids == ["THEME-02"]
    assert record.processed.audio_path.startswith("processed/thematic/")
    assert {tag.support for tag in record.tagged.tags} >= {Support.VERIFIED}
    review.undo(ready, FIRST, WHO)
    again = run(ready)
    assert again.tagged and again.tagged.style_ids == ["SEASON-01"] and not again.human_verified
    assert again.review is None and again.found is None


@pytest.mark.parametrize("room", [{"tagging": {"tagger": "off"}}, {"audio": {"target_lufs": -15.0}}])
def test_edits_outlive_other_settings(ready: DataRoot, room: dict[str, dict[str, object]]):
    review.edit(ready, FIRST, WHO, TrackEdit(bpm=91, remove_tags=["instrumental"], add_tags=["rain"]))
    review.accept(ready, FIRST, "jo")
    first = run(ready)
    record = run(ready, settings(**room))
    assert record.tagged and first.tagged
    assert record.tagged.prompt == first.tagged.prompt and record.human_verified


def test_a_rejected_track_leaves_the_next_version_with_the_reason(ready: DataRoot):
    first = build_dataset(ready, load_config(), day=TODAY).version
    review.reject(ready, FIRST, WHO, "a voice-over at the end")
    # Also where nobody has worked on the track since
    for taken_up in (False, True):
        if taken_up:
            record = run(ready)
            assert record.status is TrackStatus.REJECTED
        built = build_dataset(ready, load_config(), day=TODAY)
        assert FIRST not in {item.track.track_id for item in built.version.tracks}
        reason = next(item.reason for item in built.left_out if item.track_id == FIRST)
        assert reason == "rejected by kim: a voice-over at the end"
    assert load_version(ready, first.dataset.hash) == first
    review.undo(ready, FIRST, WHO)
    run(ready)
    assert build_dataset(ready, load_config(), day=TODAY).version.dataset.hash == first.dataset.hash


def test_what_was_accepted_stays_though_something_else_is_found_later(ready: DataRoot):
    before = run(ready)
    assert before.tagged
    opened = ProcessingContext.open(load_config())
    style = opened.presets["SEASON-01"].model_copy(update={"base_tags": ["lofi jazz"]})
    other = replace(opened, presets={**opened.presets, "SEASON-01": style})
    track = load_registry(ready).by_id()[FIRST]
    changed = work_on(ready, track, other)
    assert changed.tagged and "lofi jazz" in changed.tagged.prompt
    run(ready)
    review.accept(ready, FIRST, WHO)
    run(ready)
    record = work_on(ready, track, other)
    assert record.tagged and record.tagged.prompt == before.tagged.prompt
    assert record.human_verified and not record.tagged.needs_review


def test_words_that_a_person_writes_are_the_lyrics(ready: DataRoot):
    review.edit(ready, FIRST, WHO, TrackEdit(lyrics="CHORUS:\nla la"))
    record = run(ready)
    assert record.tagged and record.tagged.lyrics == "[Chorus]\nla la"
    review.edit(ready, FIRST, WHO, TrackEdit(clear=[EditField.LYRICS]))
    again = run(ready)
    assert again.tagged and again.tagged.lyrics == "[Instrumental]"


def test_damaged_edits_stop_their_track_and_the_build_until_a_person_has_them_set_aside(ready: DataRoot):
    review.edit(ready, FIRST, WHO, TrackEdit(bpm=91))
    path = review.edits_path(ready, FIRST)
    path.write_text(path.read_text().replace("91", "910"))
    record = run(ready)
    assert record.status is TrackStatus.FAILED
    assert record.reason and "metadata/edits/track_001.jsonl: line 1" in record.reason
    assert "bpm: must be between 50 and 200" in record.reason
    with pytest.raises(RecordError, match="track_001.jsonl: is not what was sealed"):
        build_dataset(ready, load_config(), day=TODAY)
    assert check_data_root(ready, repair=True).repaired
    build_dataset(ready, load_config(), day=TODAY)
    assert any(item.track_id == FIRST for item in left_out(ready))
    assert run(ready).status is TrackStatus.OK
    built = build_dataset(ready, load_config(), day=TODAY)
    assert FIRST in {item.track.track_id for item in built.version.tracks}


def test_a_review_can_be_taken_up_at_once_where_nothing_else_is_to_be_done(ready: DataRoot, deaf: None):
    track = load_registry(ready).by_id()[FIRST]
    review.edit(ready, FIRST, WHO, TrackEdit(bpm=91))
    record = take_up_review(ready, track, ProcessingContext.open(load_config()))
    assert record and record.tagged and record.tagged.bpm == 91 and load_record(ready, FIRST) == record
    louder = ProcessingContext.open(settings(audio={"target_lufs": -15.0}))
    review.undo(ready, FIRST, WHO)
    assert take_up_review(ready, track, louder) is None
    assert load_record(ready, FIRST) == record


def test_a_vocal_style_without_words_is_refused_until_a_person_writes_them(ready: DataRoot):
    review.edit(ready, FIRST, WHO, TrackEdit(style_ids=["VOCAL-01"]))
    assert run(ready).status is TrackStatus.REJECTED
    review.edit(ready, FIRST, WHO, TrackEdit(lyrics="[verse]\nla"))
    record = run(ready)
    assert record.status is TrackStatus.OK and record.tagged and record.tagged.lyrics == "[Verse]\nla"
