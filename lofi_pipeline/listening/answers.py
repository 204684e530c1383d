"""Listeners and what they answer: lines that are added and never changed. Of several answers to a trial the first counts."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from lofi_pipeline.entities import RecordError, now
from lofi_pipeline.listening.errors import AnswerRefused, ListeningError
from lofi_pipeline.listening.files import Files
from lofi_pipeline.listening.records import (
    CONSENT,
    TONES,
    Answer,
    AnswersFile,
    Given,
    Kind,
    Listener,
    Part,
    Sheet,
    Trial,
)
from lofi_pipeline.storage import add_lines, locked, read_lines

MOST_LISTENERS = 1_000
MOST_ANSWERS = 1_000
"""Of one listener, repeated ones too: nobody fills the disk."""


def read_listeners(files: Files) -> list[Listener]:
    """All who were invited or whose file was read. Raises: RecordError."""
    return read_lines(Listener, files.listeners, where=str(files.listeners))


def invite(files: Files, names: Sequence[str | None]) -> list[Listener]:
    """A listener for each name, with a code that nobody guesses; None: without a note of who it is.

    Raises:
        ListeningError: there are too many.
    """
    with locked(files.test):
        known = read_listeners(files)
        if len(known) + len(names) > MOST_LISTENERS:
            raise ListeningError(
                f"{files.folder.name}: has {len(known)} listeners, and {MOST_LISTENERS} at most"
            )
        invited = [
            Listener(listener=secrets.token_hex(12), plan=len(known) + number, since=now(), name=name)
            for number, name in enumerate(names)
        ]
        add_lines(files.listeners, invited)
    return invited


def find_listener(files: Files, code: str) -> Listener:
    """The listener with this code.

    Raises:
        AnswerRefused: there is none in this test.
    """
    found = (
        it for it in read_listeners(files) if secrets.compare_digest(it.listener.encode(), code.encode())
    )
    listener = next(found, None)
    if listener is None:
        raise AnswerRefused(
            "the link is of no listener of this test: open it as it was sent, or ask who sent it for a new one"
        )
    return listener


def read_answers(files: Files, listener: str) -> list[Answer]:
    """All answers of a listener, in the order they came. Raises: RecordError."""
    path = files.answers(listener)
    return read_lines(Answer, path, where=str(path))


def counting(answers: Sequence[Answer]) -> dict[str, Answer]:
    """The answer to each trial that counts: the first."""
    found: dict[str, Answer] = {}
    for answer in answers:
        found.setdefault(answer.trial, answer)
    return found


def take_answer(files: Files, sheet: Sheet, code: str, given: Given) -> Answer:
    """Keep an answer, with the time now.

    Raises:
        AnswerRefused: unknown listener, unknown trial, no choice of the trial, no consent yet, or far too many.
    """
    find_listener(files, code)
    require_fitting(sheet, given)
    answer = Answer(**given.model_dump(), when=now())
    with locked(files.answers(code)):
        before = read_answers(files, code)
        if len(before) >= MOST_ANSWERS:
            raise AnswerRefused(f"{len(before)} answers are more than this test has trials")
        if answer.trial != CONSENT and not any(it.trial == CONSENT for it in before):
            raise AnswerRefused("agree to take part first: open the link again")
    add_lines(files.answers(code), [answer])
    return answer


def take_file(files: Files, sheet: Sheet, given: AnswersFile) -> tuple[Listener, int]:
    """Keep the answers of an exported folder; returns the listener, and how many answers were new.

    A file that was read already adds nothing, and one with more answers adds those.

    Raises:
        AnswerRefused: it is of another test, or an answer is of no trial; nothing is kept then.
    """
    if given.test != sheet.test:
        raise AnswerRefused(f"the file is of the test {given.test}, not of {sheet.test}; name that one")
    for answer in given.answers:
        require_fitting(sheet, answer)
    if given.answers and given.answers[0].trial != CONSENT:
        raise AnswerRefused(
            "the file does not begin with the listener's consent: it is not what the page wrote"
        )
    with locked(files.test):
        known = next((it for it in read_listeners(files) if it.listener == given.listener), None)
        if known and not known.by_file:
            raise AnswerRefused("the file names a listener who was invited by a link")
        if known is None:
            known = Listener(listener=given.listener, plan=given.plan, since=now(), by_file=True)
            add_lines(files.listeners, [known])
    before = read_answers(files, known.listener)
    if list(given.answers[: len(before)]) != before and before:
        raise AnswerRefused(
            "answers of this listener were read before, and the file has others in their place: it was changed"
        )
    new = given.answers[len(before) :]
    add_lines(files.answers(known.listener), list(new))
    return known, len(new)


def require_fitting(sheet: Sheet, answer: Given) -> None:
    """Refuse an answer that no page of ours gives. Raises: AnswerRefused."""
    if answer.trial == CONSENT:
        if answer.chosen != "yes":
            raise AnswerRefused("consent is `yes`, or nothing")
        return
    trial = next((it for it in sheet.trials if it.trial == answer.trial), None)
    if trial is None:
        raise AnswerRefused(f"{answer.trial}: is no trial of the test {sheet.test}")
    if sheet.kind is Kind.RATE and trial.part is not Part.HEADPHONES:
        if answer.ratings is None or set(answer.ratings) != set(trial.clips):
            raise AnswerRefused(f"{answer.trial}: give a rating of each of its clips, and of no other")
    elif answer.chosen not in choices(trial):
        raise AnswerRefused(f"{answer.trial}: what was chosen is none of its choices")


def choices(trial: Trial) -> Sequence[str]:
    """What can be chosen in a trial of two clips, or in one of tones."""
    return TONES if trial.part is Part.HEADPHONES else trial.clips


def is_finished(sheet: Sheet, answers: Sequence[Answer]) -> bool:
    """Whether every trial that is not for practice was answered."""
    answered = {answer.trial for answer in answers}
    return all(trial.trial in answered for trial in sheet.trials if trial.part is not Part.PRACTICE)


def progress_of(files: Files, sheet: Sheet) -> list[tuple[Listener, int, bool]]:
    """Each listener, how many trials were answered, and whether all were; whose lines can't be read counts as none."""
    rows = []
    for listener in read_listeners(files):
        try:
            answers = read_answers(files, listener.listener)
        except RecordError:
            answers = []
        trials = {answer.trial for answer in answers} - {CONSENT}
        rows.append((listener, len(trials), is_finished(sheet, answers)))
    return rows
