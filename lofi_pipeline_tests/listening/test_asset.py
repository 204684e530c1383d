"""What Dagster shows of a listening test: the fields of the data model at the checkpoint that was heard, and nowhere else."""

from __future__ import annotations

from lofi_pipeline.assets.quality_metrics import standing_scores
from lofi_pipeline.checkpoints.folder import scan_checkpoints
from lofi_pipeline.evaluation.records import write_base_scores
from lofi_pipeline.listening import Wanted, find_test, keep_result, make_test, open_sheet, score_test
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
