"""What answers come to: numbers that a simulation knows, rules that leave listeners out, and where the result is kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from scipy.stats import binomtest

from lofi_pipeline.audit import AuditInputs, build_report, find_subject
from lofi_pipeline.checkpoints.folder import scan_checkpoints
from lofi_pipeline.checkpoints.kept import changed_scores
from lofi_pipeline.config import load_config
from lofi_pipeline.entities import Severity
from lofi_pipeline.evaluation.errors import EvaluationError
from lofi_pipeline.listening import (
    Files,
    ListeningError,
    RateResult,
    Sheet,
    TellResult,
    Wanted,
    find_test,
    invite,
    keep_result,
    make_test,
    read_key,
    read_result,
    read_sheet,
    score_test,
    take_answer,
    verdict_of,
)
from lofi_pipeline.listening.records import Key, Role
from lofi_pipeline.storage import DataRoot, json_file
from lofi_pipeline_tests.listening.roots import answers_of, listen

Test = tuple[DataRoot, Files, Sheet, Key]


def made(root: DataRoot, count: int = 1, **wanted: object) -> Test:
    test = make_test(root, scan_checkpoints(root)[:count], Wanted(**{"seed": 1, **wanted}))  # pyright: ignore[reportArgumentType]
    files = find_test(root, test.test)
    return root, files, read_sheet(files, test), read_key(files, test)


@pytest.fixture
def told(scored: DataRoot) -> Test:
    return made(scored)


def result_of(test: Test) -> TellResult:
    found = score_test(test[0], test[1])
    assert isinstance(found, TellResult)
    return found


def trials(key: Key) -> int:
    return sum(trial.role is Role.TRIAL for trial in key.trials)


def test_the_numbers_of_the_data_model_over_all_who_count(told: Test) -> None:
    _, files, sheet, key = told
    for wrong in (0, 2, 3):
        listen(files, sheet, key, wrong)
    found, each = result_of(told), trials(key)
    assert found.evaluator_count == 3
    assert (found.trials, found.right) == (3 * each, 3 * each - 5)
    assert found.accuracy == found.right / found.trials
    assert found.p_value == pytest.approx(binomtest(found.right, found.trials).pvalue)
    assert found.interval[0] < found.accuracy < found.interval[1]
    assert [row.right for row in found.listeners] == [each, each - 2, each - 3]
    assert found.listeners[1].p_value == pytest.approx(binomtest(each - 2, each).pvalue)
    assert "can tell" in verdict_of(found) and "3 of" in verdict_of(found)


def test_a_link_that_was_not_opened_is_no_listener_that_failed(told: Test) -> None:
    _, files, sheet, key = told
    invite(files, ["asked"])
    listen(files, sheet, key)
    found = result_of(told)
    assert found.evaluator_count == 1 and found.listeners[0].why_not == "has not finished"


@pytest.mark.parametrize(
    ("role", "missed", "why"),
    [
        (Role.HEADPHONES, 1, None),
        (Role.HEADPHONES, 2, "headphone check: fewer than 5 right"),
        (Role.ATTENTION, 1, "attention trials: fewer than 3 right"),
    ],
)
def test_the_rules_of_the_test_leave_listeners_out(
    told: Test, role: Role, missed: int, why: str | None
) -> None:
    _, files, sheet, key = told
    listen(files, sheet, key)
    left = missed
    code = invite(files, [None])[0].listener
    roles = {trial.trial: trial for trial in key.trials}
    for given in answers_of(key, sheet, wrong=1):
        trial = roles.get(given.trial)
        if trial and trial.role is role and left:
            choices = ("1", "2", "3") if role is Role.HEADPHONES else tuple(trial.clips)
            chosen = next(name for name in choices if name != trial.right)
            given, left = given.model_copy(update={"chosen": chosen}), left - 1
        take_answer(files, sheet, code, given)
    found = result_of(told)
    assert found.listeners[1].why_not == why
    assert found.evaluator_count == (2 if why is None else 1)
    assert found.right == (2 * trials(key) - 1 if why is None else trials(key))


def test_who_stops_early_does_not_count_and_goes_on_later(told: Test) -> None:
    _, files, sheet, key = told
    code = invite(files, [None])[0].listener
    answers = answers_of(key, sheet)
    for given in answers[:-1]:
        take_answer(files, sheet, code, given)
    with pytest.raises(ListeningError, match="has not finished"):
        result_of(told)
    take_answer(files, sheet, code, answers[-1])
    assert result_of(told).evaluator_count == 1


def test_without_answers_it_says_how_to_get_some(told: Test) -> None:
    with pytest.raises(ListeningError, match="lofi listen invite"):
        result_of(told)


def test_chance_alone_is_no_claim_and_many_listeners_at_chance_are_one(scored: DataRoot) -> None:
    test = made(scored, margin=0.2)
    _, files, sheet, key = test
    each = trials(key)
    listen(files, sheet, key, each // 2)
    found = result_of(test)
    assert found.p_value == 1.0 and not found.equivalence.shown
    assert found.equivalence.p_value_by_listener is None
    assert f"{found.equivalence.more_trials} more trials" in verdict_of(found)
    assert found.equivalence.more_listeners == -(-found.equivalence.more_trials // each)
    for number in range(found.planned_listeners):
        listen(files, sheet, key, each // 2 + number % 2)
    found = result_of(test)
    assert found.equivalence.shown and "could not tell" in verdict_of(found)
    assert found.evaluator_count == found.planned_listeners + 1


def test_always_wrong_is_told_apart_too(told: Test) -> None:
    _, files, sheet, key = told
    listen(files, sheet, key, trials(key))
    assert "take the recordings for the machine's" in verdict_of(result_of(told))


def test_quality_metrics_say_what_listeners_found_and_an_audit_holds(told: Test) -> None:
    root, files, sheet, key = told
    listen(files, sheet, key, 1)
    found = result_of(told)
    kept = keep_result(root, files, found)
    checkpoint = scan_checkpoints(root)[0]
    assert checkpoint.scores and checkpoint.record and kept
    metrics = json.loads((checkpoint.folder / "scores.json").read_text())["metrics"]
    said = metrics["human_evaluation"]
    assert list(said)[:4] == ["evaluator_count", "accuracy", "p_value", "date"]
    assert (said["evaluator_count"], said["accuracy"], said["p_value"]) == (1, found.accuracy, found.p_value)
    assert read_result(files) == found
    assert changed_scores(checkpoint.folder, checkpoint.record) == []
    inputs = AuditInputs(root)
    report = build_report(inputs, find_subject(inputs, checkpoint.key), config=load_config(), quick=True)
    assert report.of_severity(Severity.ERROR) == []


def test_scores_that_somebody_edited_are_not_sealed_by_a_result(told: Test) -> None:
    root, files, sheet, key = told
    listen(files, sheet, key)
    path = scan_checkpoints(root)[0].folder / "scores.json"
    path.write_text(path.read_text().replace('"fad_score": 1.5', '"fad_score": 0.1'))
    edited = path.read_bytes()
    with pytest.raises(EvaluationError, match="changed"):
        keep_result(root, files, result_of(told))
    assert path.read_bytes() == edited


def test_scores_without_a_listening_test_are_written_as_before(scored: DataRoot) -> None:
    scores = scan_checkpoints(scored)[0].scores
    assert scores and json.loads(json_file(scores))["metrics"]["human_evaluation"] is None


GOOD: Mapping[str, int] = {"held_out": 96, "anchor": 20}


def test_ratings_have_means_and_pairs_by_listener(scored: DataRoot) -> None:
    root, files, sheet, key = test = made(scored, 3)
    names = [item.key for item in scan_checkpoints(root)]
    for extra in (0, 4, 8):
        given = {**GOOD, names[0]: 50 + extra, names[1]: 60 + extra, names[2]: 55 + extra}
        listen(files, sheet, key, ratings=given)
    listen(files, sheet, key, ratings={**GOOD, "held_out": 80, names[0]: 100})
    found = score_test(test[0], files)
    assert isinstance(found, RateResult)
    means = {item.what: item.mean for item in found.rated}
    assert means == pytest.approx(
        {names[0]: 54, names[1]: 64, names[2]: 59, "recording": 96, "low anchor": 20}
    )
    assert found.evaluator_count == 3
    assert found.listeners[3].why_not == "rated the hidden reference below 90 in 100% of trials"
    pair = next(it for it in found.pairs if (it.one, it.other) == (names[0], names[1]))
    # Listeners differ by 8, the same in both: their difference does not
    assert pair.difference == pytest.approx(-10) and pair.interval == pytest.approx((-10, -10))
    rated = next(item for item in found.rated if item.what == names[0])
    assert rated.interval and rated.interval[0] < 54 < rated.interval[1]
    assert keep_result(root, files, found) is None and read_result(files) == found


def test_a_result_outlives_its_checkpoint(told: Test, tmp_path: Path) -> None:
    root, files, sheet, key = told
    listen(files, sheet, key)
    scan_checkpoints(root)[0].folder.rename(tmp_path / "gone")
    with pytest.raises(ListeningError, match="the checkpoint is gone"):
        keep_result(root, files, result_of(told))
    assert read_result(files)
