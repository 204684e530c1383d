"""Answers: kept line by line whatever happens, refused where no page of ours gives them, and read back from files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lofi_pipeline.checkpoints.folder import scan_checkpoints
from lofi_pipeline.entities import RecordError, now
from lofi_pipeline.listening import (
    CONSENT,
    Answer,
    AnswerRefused,
    AnswersFile,
    Files,
    Given,
    Sheet,
    Wanted,
    counting,
    find_test,
    invite,
    is_finished,
    make_test,
    read_answers,
    read_key,
    read_listeners,
    read_sheet,
    take_answer,
    take_file,
)
from lofi_pipeline.listening.files import read_answers_file
from lofi_pipeline.listening.records import Key, Part
from lofi_pipeline.storage import DataRoot
from lofi_pipeline_tests.listening.roots import answers_of, listen

Test = tuple[Files, Sheet, Key]
YES = Given(trial=CONSENT, chosen="yes")


@pytest.fixture
def made(scored: DataRoot) -> Test:
    test = make_test(scored, scan_checkpoints(scored)[:1], Wanted(seed=1))
    files = find_test(scored, test.test)
    return files, read_sheet(files, test), read_key(files, test)


def test_answers_are_added_and_the_first_counts(made: Test) -> None:
    files, sheet, _ = made
    code = invite(files, ["Ada"])[0].listener
    trial = sheet.of_part(Part.TRIAL)[0]
    before = b""
    for given_ in (
        YES,
        Given(trial=trial.trial, chosen=trial.clips[0]),
        Given(trial=trial.trial, chosen=trial.clips[1]),
    ):
        take_answer(files, sheet, code, given_)
        after = files.answers(code).read_bytes()
        assert after.startswith(before) and after.count(b"\n") == before.count(b"\n") + 1
        before = after
    kept = read_answers(files, code)
    assert [it.chosen for it in kept] == ["yes", *trial.clips]
    assert counting(kept)[trial.trial].chosen == trial.clips[0]


def test_a_line_that_was_never_finished_gives_way_to_the_next(made: Test) -> None:
    files, sheet, _ = made
    code = invite(files, [None])[0].listener
    take_answer(files, sheet, code, YES)
    whole = files.answers(code).read_bytes()
    files.answers(code).write_bytes(whole + b'{"trial": "0123')
    assert read_answers(files, code)[0].trial == CONSENT
    trial = sheet.of_part(Part.TRIAL)[0]
    take_answer(files, sheet, code, Given(trial=trial.trial, chosen=trial.clips[0]))
    assert [it.trial for it in read_answers(files, code)] == [CONSENT, trial.trial]
    assert files.answers(code).read_bytes().startswith(whole)


def test_a_damaged_line_is_named_and_nothing_is_lost(made: Test) -> None:
    files, sheet, _ = made
    code = invite(files, [None])[0].listener
    take_answer(files, sheet, code, YES)
    damaged = b"no line\n" + files.answers(code).read_bytes()
    files.answers(code).write_bytes(damaged)
    with pytest.raises(RecordError, match="line 1"):
        read_answers(files, code)
    assert files.answers(code).read_bytes() == damaged


def refusals(sheet: Sheet) -> dict[str, Given]:
    trial, tones = sheet.of_part(Part.TRIAL)[0], sheet.of_part(Part.HEADPHONES)[0]
    other = sheet.of_part(Part.TRIAL)[1]
    return {
        "is no trial": Given(trial="f" * 12, chosen="1"),
        "none of its choices": Given(trial=trial.trial, chosen=other.clips[0]),
        "none of its choice": Given(trial=tones.trial, chosen="4"),
        "none of its choic": Given(trial=trial.trial, ratings={trial.clips[0]: 5}),
        "consent is": Given(trial=CONSENT, chosen="no"),
    }


def test_what_no_page_of_ours_sends_is_refused(made: Test) -> None:
    files, sheet, _ = made
    code = invite(files, [None])[0].listener
    trial = sheet.of_part(Part.TRIAL)[0]
    with pytest.raises(AnswerRefused, match="agree to take part first"):
        take_answer(files, sheet, code, Given(trial=trial.trial, chosen=trial.clips[0]))
    take_answer(files, sheet, code, YES)
    for sentence, given_ in refusals(sheet).items():
        with pytest.raises(AnswerRefused, match=sentence):
            take_answer(files, sheet, code, given_)
    for stranger in ("f" * 24, "", "../../key", code[:-1]):
        with pytest.raises(AnswerRefused, match="no listener of this test"):
            take_answer(files, sheet, stranger, YES)
    assert len(read_answers(files, code)) == 1
    assert sorted(path.name for path in (files.folder / "answers").glob("*.jsonl")) == [f"{code}.jsonl"]


def test_nobody_fills_the_disk(made: Test, monkeypatch: pytest.MonkeyPatch) -> None:
    files, sheet, _ = made
    code = invite(files, [None])[0].listener
    monkeypatch.setattr("lofi_pipeline.listening.answers.MOST_ANSWERS", 3)
    for _ in range(3):
        take_answer(files, sheet, code, YES)
    with pytest.raises(AnswerRefused, match="more than this test has trials"):
        take_answer(files, sheet, code, YES)


def saved(sheet: Sheet, key: Key, listener: str = "a" * 24, count: int | None = None) -> AnswersFile:
    answers = [Answer(**it.model_dump(), when=now()) for it in answers_of(key, sheet)][:count]
    return AnswersFile(test=sheet.test, listener=listener, plan=5, answers=answers)


def test_a_file_is_read_once_and_a_longer_one_adds_what_is_new(made: Test, tmp_path: Path) -> None:
    files, sheet, key = made
    whole = saved(sheet, key)
    part = whole.model_copy(update={"answers": whole.answers[:4]})
    for given_, new in ((part, 4), (part, 0), (whole, len(whole.answers) - 4), (whole, 0)):
        path = tmp_path / "answers.json"
        path.write_text(given_.model_dump_json())
        listener, added = take_file(files, sheet, read_answers_file(path))
        assert (listener.plan, listener.by_file, added) == (5, True, new)
    assert len(read_listeners(files)) == 1
    assert is_finished(sheet, read_answers(files, "a" * 24))


def test_a_file_that_our_page_did_not_write_is_refused_whole(made: Test) -> None:
    files, sheet, key = made
    whole = saved(sheet, key)
    invited = invite(files, [None])[0].listener
    wrong = whole.answers[3].model_copy(update={"chosen": "f" * 12})
    for sentence, given_ in {
        "of the test": whole.model_copy(update={"test": "0" * 8}),
        "choices": whole.model_copy(update={"answers": [*whole.answers[:3], wrong]}),
        "consent": whole.model_copy(update={"answers": whole.answers[1:]}),
        "invited by a link": whole.model_copy(update={"listener": invited}),
    }.items():
        with pytest.raises(AnswerRefused, match=sentence):
            take_file(files, sheet, given_)
    assert [it.listener for it in read_listeners(files)] == [invited]
    take_file(files, sheet, whole)
    later = whole.answers[2].model_copy(update={"seconds": 9.0})
    changed = whole.model_copy(update={"answers": [*whole.answers[:2], later, *whole.answers[3:]]})
    with pytest.raises(AnswerRefused, match="it was changed"):
        take_file(files, sheet, changed)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.one_of(
        st.binary(max_size=60),
        ANYTHING.map(lambda value: json.dumps(value).encode()),
        st.fixed_dictionaries(
            {"test": st.just("0" * 8), "listener": st.just("../" * 8), "plan": ANYTHING, "answers": ANYTHING}
        ).map(lambda value: json.dumps(value).encode()),
    )
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_hostile_file_is_refused_in_a_sentence(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "hostile.json"
    path.write_bytes(data)
    with pytest.raises(RecordError) as refused:
        read_answers_file(path)
    assert "hostile.json" in str(refused.value)


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.json"
    with path.open("wb") as file:
        file.truncate(10**10)
    with pytest.raises(AnswerRefused, match="bytes"):
        read_answers_file(path)


def test_listeners_take_the_plans_in_turn(made: Test, scored: DataRoot) -> None:
    files, sheet, key = made
    first = [it.plan for it in invite(files, ["a", "b"])]
    listen(files, sheet, key)
    assert first + [it.plan for it in invite(files, [None])] == [0, 1, 3]
    codes = [it.listener for it in read_listeners(files)]
    assert len(set(codes)) == 4 and all(len(code) == 24 for code in codes)


def test_a_full_disk_leaves_the_answers_as_they_were(made: Test, monkeypatch: pytest.MonkeyPatch) -> None:
    files, sheet, _ = made
    code = invite(files, [None])[0].listener
    take_answer(files, sheet, code, YES)
    before = files.answers(code).read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lofi_pipeline.storage.lines.os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        take_answer(files, sheet, code, YES)
    assert files.answers(code).read_bytes() == before
