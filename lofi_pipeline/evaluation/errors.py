"""What can go wrong when a checkpoint is scored. Every message says what to do."""

from __future__ import annotations


class EvaluationError(Exception):
    """A score could not be made, and none is better than a wrong one."""


class TooFewWindows(EvaluationError):
    """There is too little audio for a statistic."""


class NotFinite(EvaluationError):
    """Audio or embeddings hold NaN or infinity."""


class NotComparable(EvaluationError):
    """Scores that were made in different ways."""


class ReferenceMissing(EvaluationError):
    """The validation split has no audio to compare with."""
