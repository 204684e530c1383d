"""What the answers of a test come to: whose count by the rules of the test, and what that says of the checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from lofi_pipeline.checkpoints.votes import exact_interval
from lofi_pipeline.entities import now
from lofi_pipeline.listening import chance
from lofi_pipeline.listening.answers import counting, is_finished, read_answers, read_listeners
from lofi_pipeline.listening.errors import ListeningError
from lofi_pipeline.listening.files import Files, read_key, read_sheet, read_test, require_clips
from lofi_pipeline.listening.records import (
    CONSENT,
    Answer,
    Equivalence,
    Key,
    Kind,
    Listener,
    ListenerRow,
    ListeningTest,
    Origin,
    Rated,
    RatedPair,
    RateResult,
    Role,
    Sheet,
    TellResult,
    TrialKey,
)
from lofi_pipeline.storage import DataRoot, content_sha256

HIDDEN_REFERENCE = "recording"
LOW_ANCHOR = "low anchor"


def score_test(root: DataRoot, files: Files) -> TellResult | RateResult:
    """The result of all answers so far. Nothing is written.

    Raises:
        ChangedTest: the test, its key or a clip is not what it was made with.
        ListeningError: nobody's answers count yet.
        RecordError: answers can't be read.
    """
    test = read_test(root, files)
    sheet, key = read_sheet(files, test), read_key(files, test)
    require_clips(files, test)
    given = [(it, counting(read_answers(files, it.listener))) for it in read_listeners(files)]
    rows = [_row(test, sheet, key, listener, answers) for listener, answers in given]
    counted = [answers for (_, answers), row in zip(given, rows) if row.counts]
    if not counted:
        raise ListeningError(_nobody(test, rows))
    digest = content_sha256([[it.listener, *answers.values()] for it, answers in given])
    make = _told if test.kind is Kind.TELL else _rated
    return make(test, key, rows, counted, digest)


def _nobody(test: ListeningTest, rows: Sequence[ListenerRow]) -> str:
    if not any(row.answered for row in rows):
        return f"{test.test}: nobody has answered yet; `lofi listen invite {test.test}` makes links, `lofi listen export` a folder"
    why = "; ".join(sorted({row.why_not for row in rows if row.why_not and row.answered}))
    return f"{test.test}: nobody's answers count yet ({why}); ask more listeners, or wait until they have finished"


def _row(
    test: ListeningTest, sheet: Sheet, key: Key, listener: Listener, answers: dict[str, Answer]
) -> ListenerRow:
    """One listener, and the rule that leaves him out, if one does."""
    right = {role: _right(key, role, answers) for role in Role}
    counted = [it for it in key.trials if it.role is Role.TRIAL and it.trial in answers]
    tells = test.kind is Kind.TELL and counted
    missed = _missed(test, key, answers)
    rules, why = test.rules, None
    if not is_finished(sheet, list(answers.values())):
        why = "has not finished"
    elif right[Role.HEADPHONES] < rules.headphones_right:
        why = f"headphone check: fewer than {rules.headphones_right} right"
    elif right[Role.ATTENTION] < rules.attention_right:
        why = f"attention trials: fewer than {rules.attention_right} right"
    elif missed > rules.reference_missed:
        why = f"rated the hidden reference below {rules.reference_at_least} in {missed:.0%} of trials"
    return ListenerRow(
        listener=listener.listener,
        name=listener.name,
        answered=len(answers.keys() - {CONSENT}),
        right=right[Role.TRIAL] if tells else None,
        accuracy=right[Role.TRIAL] / len(counted) if tells else None,
        p_value=chance.p_value(right[Role.TRIAL], len(counted)) if tells else None,
        headphones=right[Role.HEADPHONES],
        attention=right[Role.ATTENTION],
        counts=why is None,
        why_not=why,
    )


def _right(key: Key, role: Role, answers: dict[str, Answer]) -> int:
    asked = [trial for trial in key.trials if trial.role is role and trial.trial in answers]
    return sum(trial.right is not None and answers[trial.trial].chosen == trial.right for trial in asked)


def _missed(test: ListeningTest, key: Key, answers: dict[str, Answer]) -> float:
    """In what share of trials of a rating the hidden reference was rated too low."""
    rated = [(trial, answers[trial.trial].ratings or {}) for trial in key.trials if trial.trial in answers]
    found = [
        ratings[trial.right] < test.rules.reference_at_least
        for trial, ratings in rated
        if trial.role is Role.TRIAL and trial.right in ratings
    ]
    return float(np.mean(found)) if found else 0.0


def _told(
    test: ListeningTest, key: Key, rows: list[ListenerRow], counted: list[dict[str, Answer]], digest: str
) -> TellResult:
    right = sum(_right(key, Role.TRIAL, answers) for answers in counted)
    trials = test.trials * len(counted)
    accuracies = [row.accuracy for row in rows if row.counts and row.accuracy is not None]
    return TellResult(
        test=test.test,
        checkpoint=test.checkpoints[0],
        evaluator_count=len(counted),
        accuracy=right / trials,
        p_value=chance.p_value(right, trials),
        p_value_by_listener=chance.p_value_by_listener(accuracies),
        date=now().date(),
        trials=trials,
        right=right,
        interval=exact_interval(right, trials),
        interval_by_listener=chance.interval_by_listener(accuracies),
        equivalence=_equivalence(test, right, trials, accuracies),
        planned_listeners=test.rules.planned_listeners,
        listeners=rows,
        answers_sha256=digest,
    )


def _equivalence(test: ListeningTest, right: int, trials: int, accuracies: Sequence[float]) -> Equivalence:
    """Shown where both the exact tests over trials and those over listeners say so, and as many listened as were planned."""
    margin, level = test.rules.margin, test.rules.level
    by_trial = chance.equivalence_p(right, trials, margin)
    by_listener = chance.equivalence_p_by_listener(accuracies, margin)
    needed = chance.trials_needed(margin, level)
    more = max(0, needed - trials)
    return Equivalence(
        margin=margin,
        level=level,
        p_value=by_trial,
        p_value_by_listener=by_listener,
        shown=by_listener is not None and max(by_trial, by_listener) <= level,
        trials_needed=needed,
        more_trials=more,
        more_listeners=-(-more // test.trials),
    )


def _rated(
    test: ListeningTest, key: Key, rows: list[ListenerRow], counted: list[dict[str, Answer]], digest: str
) -> RateResult:
    judged = [trial for trial in key.trials if trial.role is Role.TRIAL]
    whats = [*test.checkpoints, HIDDEN_REFERENCE, LOW_ANCHOR]
    means = {what: np.array([_mean_of(judged, what, answers) for answers in counted]) for what in whats}
    pairs = [
        RatedPair(
            one=one,
            other=other,
            difference=float((means[one] - means[other]).mean()),
            interval=chance.bootstrap_interval(means[one] - means[other]),
        )
        for one, other in combinations(test.checkpoints, 2)
    ]
    return RateResult(
        test=test.test,
        evaluator_count=len(counted),
        date=now().date(),
        trials=len(judged) * len(counted),
        rated=[
            Rated(what=what, mean=float(values.mean()), interval=chance.bootstrap_interval(values))
            for what, values in means.items()
        ],
        pairs=pairs,
        planned_listeners=test.rules.planned_listeners,
        listeners=rows,
        answers_sha256=digest,
    )


def _mean_of(trials: Sequence[TrialKey], what: str, answers: dict[str, Answer]) -> float:
    """What one listener gave on average to a checkpoint, the hidden reference or the low anchor."""
    given = [
        (answers[trial.trial].ratings or {})[name]
        for trial in trials
        for name, source in trial.clips.items()
        if _what(source.origin, source.of) == what
    ]
    return float(np.mean(given))


def _what(origin: Origin, of: str | None) -> str | None:
    return {Origin.HELD_OUT: HIDDEN_REFERENCE, Origin.ANCHOR: LOW_ANCHOR}.get(origin, of)


def verdict_of(result: TellResult) -> str:
    """What may be said of it, in a sentence."""
    planned = (
        f" {result.evaluator_count} of {result.planned_listeners} planned listeners have finished: the result is not final."
        if result.evaluator_count < result.planned_listeners
        else ""
    )
    equal = result.equivalence
    differs = result.p_value <= equal.level
    if equal.shown:
        said = f"Listeners could not tell them apart: the accuracy lies within {equal.margin:g} of one half."
    elif differs and result.accuracy > chance.CHANCE:
        said = "Listeners can tell what a machine made from recordings."
    elif differs:
        said = "Listeners can tell them apart, and take the recordings for the machine's."
    else:
        more = f"{equal.more_trials} more trials" if equal.more_trials else "other answers than these"
        said = (
            f"Not known: that it differs from chance was not shown, nor that it does not. To claim that nobody can tell, it takes {more}"
            f" ({equal.more_listeners} listeners), with accuracy within {equal.margin:g} of one half."
        )
    return said + planned
