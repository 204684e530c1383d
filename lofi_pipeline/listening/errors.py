"""What can go wrong with a listening test. Every message says what to do."""

from __future__ import annotations

from lofi_pipeline.errors import LofiError


class ListeningError(LofiError):
    """A test can't be made, found, answered or scored."""


class ChangedTest(ListeningError):
    """A file of a test is not the one that it was made with."""


class AnswerRefused(ListeningError):
    """An answer is of no trial, no listener, or no choice of this test."""
