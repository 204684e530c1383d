"""Keeping a result: result.json of the test, and human_evaluation in the QualityMetrics of the checkpoint."""

from __future__ import annotations

from collections.abc import Callable

from lofi_pipeline.checkpoints.manifest import find_checkpoint
from lofi_pipeline.entities import HumanEvaluation, RecordError, Scores
from lofi_pipeline.evaluation.checkpoint import keep_human_evaluation
from lofi_pipeline.listening.errors import ListeningError
from lofi_pipeline.listening.files import Files, find_test, known_tests, read_result
from lofi_pipeline.listening.records import RateResult, TellResult
from lofi_pipeline.listening.score import score_test
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
    found = _evaluation(result)
    keep_human_evaluation(root, folder, found)
    return found


def bring_back_result(
    root: DataRoot, checkpoint: str, log: Callable[[str], None] = lambda sentence: None
) -> Scores | None:
    """Put what listeners found last of a checkpoint into scores that were made anew, from the answers that lie there.

    None where nobody listened to it. A test that was changed since, or answered by more people since its result was asked
    for, is passed over, and `log` is called with a sentence about it.
    """
    last = _last_result(root, checkpoint, log)
    folder = find_checkpoint(root, checkpoint) if last else None
    if last is None or folder is None:
        return None
    log(f"{folder.name}: what listeners found in the test {last.test} stands in its scores again")
    return keep_human_evaluation(root, folder, _evaluation(last))


def _last_result(root: DataRoot, checkpoint: str, log: Callable[[str], None]) -> TellResult | None:
    """The result that was asked for last, proved by its answers."""
    found: list[tuple[float, TellResult]] = []
    for test in known_tests(root):
        files = find_test(root, test)
        try:
            kept = read_result(files)
            if not isinstance(kept, TellResult) or kept.checkpoint != checkpoint:
                continue
            result = score_test(root, files)
        except (ListeningError, RecordError, OSError) as error:
            log(f"the listening test {test} says nothing of {checkpoint} any more: {error}")
            continue
        if isinstance(result, TellResult) and result.answers_sha256 == kept.answers_sha256:
            found.append((files.result.stat().st_mtime, result.model_copy(update={"date": kept.date})))
        else:
            log(
                f"more people answered the listening test {test} since it was scored: lofi listen score {test}"
            )
    return max(found, key=lambda pair: pair[0])[1] if found else None


def _evaluation(result: TellResult) -> HumanEvaluation:
    return HumanEvaluation(
        evaluator_count=result.evaluator_count,
        accuracy=result.accuracy,
        p_value=result.p_value,
        date=result.date,
        trials=result.trials,
        interval=result.interval,
        indistinguishable=result.equivalence.shown,
        test=result.test,
    )
