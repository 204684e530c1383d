"""What Dagster shows of a listening test: the fields of the data model at the checkpoint that was heard, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from lofi_pipeline.assets.quality_metrics import quality_metrics, standing_scores
from lofi_pipeline.checkpoints.folder import scan_checkpoints
from lofi_pipeline.checkpoints.kept import remember_scores
from lofi_pipeline.checkpoints.ledger_entries import enter_scores
from lofi_pipeline.entities import Scores
from lofi_pipeline.evaluation.checkpoint import Evaluated
from lofi_pipeline.evaluation.records import write_base_scores, write_scores
from lofi_pipeline.listening import (
    Files,
    Wanted,
    bring_back_result,
    find_test,
    keep_result,
    make_test,
    open_sheet,
    score_test,
)
from lofi_pipeline.listening.records import Key
from lofi_pipeline.resources import Workspace
from lofi_pipeline.storage import DataRoot, read_record
from lofi_pipeline_tests.listening.roots import listen


def test_the_asset_shows_what_listeners_found(scored: DataRoot) -> None:
    found = scan_checkpoints(scored)[0]
    assert found.record and found.scores
    base = found.scores.model_copy(update={"step": 0, "samples": []})
    write_base_scores(scored, found.record.lineage.base.sha256, base)
    workspace = Workspace(data_root=str(scored.path))
    before = {it.partition: it for it in standing_scores(workspace)}
    assert not any("human_evaluation" in it.facts() for it in before.values())
    files = find_test(scored, make_test(scored, [found], Wanted()).test)
    listen(files, open_sheet(files), read_record(Key, files.key))
    keep_result(scored, files, score_test(scored, files))
    after = {it.partition: it for it in standing_scores(workspace)}
    changed = [key for key in after if after[key].data_version != before[key].data_version]
    assert changed == [found.key]
    shown = str(after[found.key].facts()["human_evaluation"])
    for name in ("evaluator_count", "accuracy", "p_value", "date"):
        assert name in shown


def test_scores_that_are_made_anew_say_again_what_listeners_found(
    scored: DataRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Damaged scores are lost with all that stood in them; the listening test lies elsewhere."""
    found = scan_checkpoints(scored)[0]
    assert found.record and found.scores
    anew, base = found.scores, found.scores.model_copy(update={"step": 0, "samples": []})
    write_base_scores(scored, found.record.lineage.base.sha256, base)
    files = find_test(scored, make_test(scored, [found], Wanted()).test)
    listen(files, open_sheet(files), read_record(Key, files.key))
    keep_result(scored, files, score_test(scored, files))
    said = _scores_of(scored).metrics.human_evaluation
    assert said is not None

    def score_anew(root: DataRoot, folder: Path, *_: object, **__: object) -> Evaluated:
        assert found.record
        enter_scores(root, folder, found.record, anew)
        write_scores(folder, anew)
        remember_scores(folder, anew)
        return Evaluated(found.record, anew, base, fresh=True)

    monkeypatch.setattr("lofi_pipeline.evaluation.checkpoint.evaluate_checkpoint", score_anew)
    monkeypatch.setenv("LOFI_EVALUATION__STYLE_PROMPTS", "false")
    with dg.build_asset_context(partition_key=found.key) as context:
        told = quality_metrics(context, Workspace(data_root=str(scored.path)))
    assert _scores_of(scored).metrics.human_evaluation == said
    assert isinstance(told, dg.MaterializeResult) and "human_evaluation" in (told.metadata or {})

    _answer_once_more(files)
    assert bring_back_result(scored, found.key, (sentences := []).append) is None
    assert f"lofi listen score {files.folder.name}" in sentences[0]
    files.test.write_bytes(files.test.read_bytes() + b"\n")
    assert bring_back_result(scored, found.key, (sentences := []).append) is None
    assert "not what was sealed" in sentences[0]


def _scores_of(root: DataRoot) -> Scores:
    scores = scan_checkpoints(root)[0].scores
    assert scores
    return scores


def _answer_once_more(files: Files) -> None:
    listen(files, open_sheet(files), read_record(Key, files.key), wrong=1)
