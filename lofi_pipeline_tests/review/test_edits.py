"""Edits are records: each is kept, the latest of a field holds, undo takes back the last; a damaged file says where."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from lofi_pipeline import review
from lofi_pipeline.audit.fsck import check_data_root
from lofi_pipeline.config import load_config
from lofi_pipeline.dataset import build_dataset
from lofi_pipeline.entities import EditAction, EditField, RecordError, TrackEdit, TrackStatus
from lofi_pipeline.ingest import ProcessingContext, load_registry, work_on
from lofi_pipeline.review import ReviewError, fold
from lofi_pipeline.storage import DataRoot, ledger_path, peoples_words, read_ledger

WHO, FIRST = "kim", "track_001"


def lines(root: DataRoot) -> list[str]:
    return review.edits_path(root, FIRST).read_text().splitlines()


def test_each_edit_is_a_line_that_says_who_when_what_and_why_and_none_is_ever_changed(ready: DataRoot):
    review.edit(ready, FIRST, WHO, TrackEdit(bpm=91, reason="tapped"))
    first = lines(ready)
    review.accept(ready, FIRST, "jo")
    review.reject(ready, FIRST, "jo", "hum")
    review.undo(ready, FIRST, "jo")
    assert lines(ready)[:1] == first and len(lines(ready)) == 4
    edit = review.history(ready, FIRST)[0]
    assert (edit.who, edit.reason, edit.changes[0].before, edit.changes[0].after) == (WHO, "tapped", 82, 91)
    assert edit.sha256 == review.record_of(ready, FIRST).sha256
    found = review.review_of(ready, FIRST)
    assert found and found.verified and found.rejected is None and found.by["verified"] == "jo"


def test_half_a_last_line_is_no_edit_and_the_next_one_mends_it(ready: DataRoot):
    review.edit(ready, FIRST, WHO, TrackEdit(bpm=91))
    path = review.edits_path(ready, FIRST)
    whole = path.read_bytes()
    path.write_bytes(whole + whole[: len(whole) // 2])
    assert len(review.history(ready, FIRST)) == 1
    review.edit(ready, FIRST, WHO, TrackEdit(bpm=92))
    assert [edit.number for edit in review.history(ready, FIRST)] == [1, 2]
    assert path.read_bytes().startswith(whole)


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ('"number":1', '"number":2', "number: is 2; a line is missing, or was moved"),
        ("track_001", "track_002", "track_id: is track_002"),
        ('"who":"kim"', '"who":""', "Edit.who: String should have at least 1 character"),
        ('"after":91', '"after":[]', "bpm: Input should be a valid integer"),
        ('"action":"edit"', '"action":"praise"', "Edit.action: Input should be 'accept', 'reject', 'edit'"),
        ('"action":"edit"', '"action":"undo"', "undoes: goes with the action undo"),
        ("{", "{{", "line 1, column 2"),
        ('"who":"kim"', '"who":"kim","when":1', "the key"),
    ],
)
def test_a_damaged_line_is_named_with_file_line_and_rule(ready: DataRoot, old: str, new: str, rule: str):
    review.edit(ready, FIRST, WHO, TrackEdit(bpm=91))
    path = review.edits_path(ready, FIRST)
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(ReviewError) as caught:
        review.review_of(ready, FIRST)
    said = str(caught.value)
    assert said.startswith("metadata/edits/track_001.jsonl: line 1") and rule in said
    assert "take the file back from a backup" in said
    with pytest.raises(ReviewError):
        review.edit(ready, FIRST, WHO, TrackEdit(bpm=92))


def test_a_line_that_was_taken_out_is_noticed(ready: DataRoot):
    for bpm in (91, 92):
        review.edit(ready, FIRST, WHO, TrackEdit(bpm=bpm))
    review.edits_path(ready, FIRST).write_text(lines(ready)[1] + "\n")
    with pytest.raises(ReviewError, match="line 1: number: is 2"):
        review.history(ready, FIRST)


def test_edits_of_another_file_are_not_taken_for_this_one(ready: DataRoot):
    review.edit(ready, "track_002", WHO, TrackEdit(bpm=91))
    foreign = review.edits_path(ready, "track_002").read_text().replace("track_002", FIRST)
    review.edits_path(ready, FIRST).write_text(foreign)
    with pytest.raises(ReviewError, match="line 1: sha256: .*: the edit speaks of another file"):
        review.accept(ready, FIRST, WHO)
    record = work_on(ready, load_registry(ready).by_id()[FIRST], ProcessingContext.open(load_config()))
    assert record.status is TrackStatus.FAILED and "speaks of another file" in (record.reason or "")


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"style_ids": ["CORE-99"]}, "unknown style id 'CORE-99'"),
        ({"add_tags": ["rhods"]}, "did you mean rhodes?"),
        ({"add_tags": ["90 bpm"]}, "set bpm instead"),
        ({"bpm": 20}, "must be between 50 and 200"),
        ({"bpm": True}, "must be a number"),
        ({"key": "A"}, "must be a tonic with major or minor"),
        ({"caption": "a\x1b[2J"}, "control character U+001B"),
        ({"lyrics": "a\x07"}, "control character U+0007"),
        ({"bpm": 90, "clear": ["bpm"]}, "cannot be set and cleared at once"),
        ({"add_tags": ["rain"], "remove_tags": ["rain"]}, "cannot be added and removed at once"),
    ],
)
def test_what_cannot_be_said_of_a_track_is_refused_and_nothing_is_written(
    ready: DataRoot, fields: dict[str, object], rule: str
):
    with pytest.raises(RecordError) as caught:
        review.edit(ready, FIRST, WHO, TrackEdit.parse(fields, where="test"))
    assert rule in str(caught.value)
    assert not review.edits_path(ready, FIRST).exists()


@pytest.mark.parametrize("track_id", ["track_099", "../../etc/passwd", "", "track_001/.."])
def test_a_track_that_is_not_there_cannot_be_reviewed(ready: DataRoot, track_id: str):
    with pytest.raises(ReviewError, match="no track of that id was worked on"):
        review.accept(ready, track_id, WHO)


def test_undo_takes_back_one_after_the_other_to_the_beginning(ready: DataRoot):
    before = review.shown(ready, FIRST)
    review.edit(ready, FIRST, WHO, TrackEdit(bpm=91, style_ids=["CORE-02"]))
    review.edit(ready, FIRST, WHO, TrackEdit(add_tags=["rain"]))
    review.accept(ready, FIRST, WHO)
    for _ in range(3):
        review.undo(ready, FIRST, WHO)
    assert review.shown(ready, FIRST) == before and review.review_of(ready, FIRST) is None
    with pytest.raises(ReviewError, match="nothing to take back"):
        review.undo(ready, FIRST, WHO)


def test_a_tag_that_was_added_by_hand_outlives_another_style_and_a_voice_replaces_instrumental(
    ready: DataRoot,
):
    review.edit(ready, FIRST, WHO, TrackEdit(add_tags=["rain", "humming"]))
    review.edit(ready, FIRST, WHO, TrackEdit(style_ids=["CORE-02"]))
    found = review.shown(ready, FIRST)
    assert found and {"rain", "humming"} <= set(found.prompt_tags)
    assert "instrumental" not in found.prompt_tags


def test_what_is_sent_twice_is_said_once_and_taken_back_at_once(ready: DataRoot):
    assert review.accept(ready, FIRST, "kim") == review.accept(ready, FIRST, "kim")
    assert review.accept(ready, FIRST, "sam").number == 2, "another person looked at it as well"
    assert review.reject(ready, FIRST, "kim", "a hum") == review.reject(ready, FIRST, "kim", "a hum")
    assert review.reject(ready, FIRST, "kim", "a loud hum").number == 4
    review.undo(ready, FIRST, "kim")
    assert review.reject(ready, FIRST, "kim", "a loud hum").number == 6, "it was taken back in between"


def test_together_makes_all_edits_or_none(ready: DataRoot):
    review.edit(ready, FIRST, WHO, TrackEdit(bpm=91))
    before = lines(ready)
    tracks = [FIRST, "track_002", "track_099"]

    def accept_all() -> None:
        with review.together(ready):
            for track_id in tracks:
                review.accept(ready, track_id, WHO)

    with pytest.raises(ReviewError, match="track_099"):
        accept_all()
    assert lines(ready) == before
    assert not review.edits_path(ready, "track_002").exists()


def test_edits_that_are_made_together_build_on_each_other_and_are_sealed_at_once(ready: DataRoot):
    before = len(read_ledger(ready).heads)
    with review.together(ready):
        for track_id in (FIRST, "track_002", "track_003"):
            review.edit(ready, track_id, WHO, TrackEdit(bpm=91))
            review.accept(ready, track_id, WHO)
            assert len(review.history(ready, track_id)) == 2
            assert not review.edits_path(ready, track_id).exists()
    assert [it.number for it in review.history(ready, "track_003")] == [1, 2]
    assert len(read_ledger(ready).heads) == before + 2 * 3


def test_edits_on_a_full_disk_are_made_all_or_none(ready: DataRoot, monkeypatch: pytest.MonkeyPatch):
    review.edit(ready, FIRST, WHO, TrackEdit(bpm=91))
    before, real = lines(ready), peoples_words.append
    written: list[Path] = []

    def full(path: Path, data: bytes) -> None:
        if written:
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(path)
        real(path, data)

    def accept_both() -> None:
        with review.together(ready):
            for track_id in (FIRST, "track_002"):
                review.accept(ready, track_id, WHO)

    monkeypatch.setattr(peoples_words, "append", full)
    with pytest.raises(OSError, match="No space left"):
        accept_both()
    monkeypatch.undo()
    assert written and lines(ready) == before and not review.edits_path(ready, "track_002").exists()
    build_dataset(ready, load_config())
    review.accept(ready, FIRST, WHO)


STEPS = st.one_of(
    st.builds(lambda bpm: ("edit", TrackEdit(bpm=bpm)), st.integers(50, 200)),
    st.builds(
        lambda tag: ("edit", TrackEdit(add_tags=[tag])), st.sampled_from(["rain", "humming", "rhodes"])
    ),
    st.builds(
        lambda tag: ("edit", TrackEdit(remove_tags=[tag])), st.sampled_from(["rain", "flute", "82 bpm"])
    ),
    st.builds(
        lambda style: ("edit", TrackEdit(style_ids=[style])),
        st.sampled_from(["CORE-01", "THEME-02", "SEASON-01"]),
    ),
    st.builds(lambda field: ("edit", TrackEdit(clear=[field])), st.sampled_from(list(EditField))),
    st.sampled_from([("accept", None), ("reject", None), ("undo", None)]),
)


@given(steps=st.lists(STEPS, max_size=12))
@examples(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_people_do_undo_leads_back_the_whole_way(
    worked_on: DataRoot, tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, TrackEdit | None]]
):
    root = DataRoot(tmp_path_factory.mktemp("edits"))
    root.track_records.mkdir(parents=True)
    shutil.copyfile(worked_on.track_record(FIRST), root.track_record(FIRST))
    states = [review.shown(root, FIRST)]
    for name, changes in steps:
        before = len(review.history(root, FIRST))
        if name == "edit":
            assert changes is not None
            review.edit(root, FIRST, WHO, changes)
        elif name == "reject":
            review.reject(root, FIRST, WHO, "hum")
        elif name == "accept":
            review.accept(root, FIRST, WHO)
        elif len(states) > 1:
            review.undo(root, FIRST, WHO)
            states.pop()
            assert review.shown(root, FIRST) == states[-1]
            continue
        if len(review.history(root, FIRST)) > before:
            states.append(review.shown(root, FIRST))
    history = review.history(root, FIRST)
    assert [edit.number for edit in history] == list(range(1, len(history) + 1))
    found = fold(history)
    assert (found is None) == (len(states) == 1)
    if found is not None:
        last = review.in_force(history)[-1]
        assert last.action is not EditAction.REJECT or not found.verified
        assert found.verified == (found.rejected is None)
    facts = review.shown(root, FIRST)
    assert facts and facts.prompt == ", ".join(facts.prompt_tags) != ""
    assert sum(tag.endswith(" bpm") for tag in facts.prompt_tags) <= 1
    shutil.rmtree(Path(root.path))


def test_fsck_names_edits_that_are_damaged_or_gone(ready: DataRoot):
    review.edit(ready, FIRST, WHO, TrackEdit(bpm=91))
    path, config = review.edits_path(ready, FIRST), load_config()
    assert check_data_root(ready).clean
    whole = path.read_text()
    path.write_text(whole.replace("91", "910"))
    assert "edits/track_001.jsonl: line 1: " in findings(ready)
    path.write_text(whole)
    work_on(ready, load_registry(ready).by_id()[FIRST], ProcessingContext.open(config))
    path.unlink()
    assert "edits/track_001.jsonl was sealed, and is missing" in findings(ready)
    ledger_path(ready).unlink()  # a data root of an earlier version
    assert "edits/track_001.jsonl is missing, and track_001 was reviewed" in findings(ready)


def findings(root: DataRoot) -> str:
    return "\n".join(finding.sentence for finding in check_data_root(root).findings)
