"""Listening tests: whether people tell a checkpoint's clips from recordings, and how they rate several checkpoints.

A test is made once, with its rules, and sealed; listeners get a sheet and clips under random names; the key lies apart. What
they answer is added line by line, and what it comes to is written into the checkpoint's QualityMetrics.
"""

from lofi_pipeline.listening.answers import (
    counting,
    find_listener,
    invite,
    is_finished,
    progress_of,
    read_answers,
    read_listeners,
    take_answer,
    take_file,
)
from lofi_pipeline.listening.errors import AnswerRefused, ChangedTest, ListeningError
from lofi_pipeline.listening.files import (
    Files,
    find_test,
    known_tests,
    open_sheet,
    read_key,
    read_result,
    read_sheet,
    read_test,
)
from lofi_pipeline.listening.make import Wanted, make_test
from lofi_pipeline.listening.publish import bring_back_result, keep_result
from lofi_pipeline.listening.records import (
    CONSENT,
    Answer,
    AnswersFile,
    Given,
    Kind,
    Listener,
    ListeningTest,
    RateResult,
    Sheet,
    TellResult,
)
from lofi_pipeline.listening.score import score_test, verdict_of

__all__ = [
    "CONSENT",
    "Answer",
    "AnswerRefused",
    "AnswersFile",
    "ChangedTest",
    "Files",
    "Given",
    "Kind",
    "Listener",
    "ListeningError",
    "ListeningTest",
    "RateResult",
    "Sheet",
    "TellResult",
    "Wanted",
    "bring_back_result",
    "counting",
    "find_listener",
    "find_test",
    "invite",
    "is_finished",
    "keep_result",
    "known_tests",
    "make_test",
    "open_sheet",
    "progress_of",
    "read_answers",
    "read_key",
    "read_listeners",
    "read_result",
    "read_sheet",
    "read_test",
    "score_test",
    "take_answer",
    "take_file",
    "verdict_of",
]
