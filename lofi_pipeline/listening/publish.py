"""Keeping a result: result.json of the test, and human_evaluation in the QualityMetrics of the checkpoint."""

from __future__ import annotations

from lofi_pipeline.checkpoints.manifest import find_checkpoint
from lofi_pipeline.entities import HumanEvaluation
from lofi_pipeline.evaluation.checkpoint import keep_human_evaluation
from lofi_pipeline.listening.errors import ListeningError
from lofi_pipeline.listening.files import Files
from lofi_pipeline.listening.records import RateResult, TellResult
from lofi_pipeline.storage import DataRoot, write_json_atomic


def keep_result(root: DataRoot, files: Files, result: TellResult | RateResult) -> HumanEvaluation | None:
    """Write the result; of a test against recordings also into the scores of its checkpoint, which is returned.

    Raises:
        ListeningError: the checkpoint is gone; the result is kept beside the test.
        EvaluationError: its scores were changed since they were written.
    """
    write_json_atomic(files.result, result)
    if isinstance(result, RateResult):
        return None
    folder = find_checkpoint(root, result.checkpoint)
    if folder is None:
        raise ListeningError(
            f"{result.checkpoint}: the checkpoint is gone, so its QualityMetrics can't say what listeners found; "
            f"{root.relative(files.result)} does"
        )
    found = HumanEvaluation(
        evaluator_count=result.evaluator_count,
        accuracy=result.accuracy,
        p_value=result.p_value,
        date=result.date,
        trials=result.trials,
        interval=result.interval,
        indistinguishable=result.equivalence.shown,
        test=result.test,
    )
    keep_human_evaluation(root, folder, found)
    return found
