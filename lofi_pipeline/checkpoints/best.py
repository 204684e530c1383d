"""Which checkpoint is the best: the lowest FAD among scores that can be compared. Torch-free."""

from __future__ import annotations

from collections.abc import Sequence

from lofi_pipeline.checkpoints.folder import CheckpointFolder
from lofi_pipeline.entities import Scores


def rank(scores: Scores) -> tuple[float, int]:
    """What scores of one key are sorted by, the best first: FAD; where that is equal, the earlier step."""
    return scores.metrics.fad_score, scores.step


def best_checkpoint(found: Sequence[CheckpointFolder]) -> CheckpointFolder | None:
    """The best of those that are valid, have their weights and were scored; None without any.

    Scores of different keys, made by different embedders say, are numbers of different scales. Those of the key that was
    scored last count: it is that of the settings in use now.
    """
    scored = [
        (item.scores, item)
        for item in found
        if item.scores and item.record and item.record.checkpoint.is_valid and not item.record.pruned
    ]
    if not scored:
        return None
    key = max(scored, key=lambda pair: (pair[0].metrics.evaluation_date, pair[0].step))[0].key
    return min((pair for pair in scored if pair[0].key == key), key=lambda pair: rank(pair[0]))[1]
