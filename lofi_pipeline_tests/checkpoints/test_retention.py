"""Retention keeps the best by FAD and the latest, and touches nothing that is not evaluated or not valid."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lofi_pipeline.checkpoints.manifest import read_record, scan_checkpoints
from lofi_pipeline.checkpoints.pins import pin
from lofi_pipeline.checkpoints.retention import plan_retention, prune
from lofi_pipeline.config import RetentionSettings
from lofi_pipeline.entities import CheckpointRecord, Scores
from lofi_pipeline.storage import DataRoot, read_json
from lofi_pipeline_tests.checkpoints.folders import make_folder, make_record, make_scores


@st.composite
def checkpoints(draw: st.DrawFn) -> tuple[list[CheckpointRecord], dict[str, Scores]]:
    """Checkpoints of two lineages in every state, scored with one of two keys or not at all."""
    records, scores = [], {}
    for lineage in ("a", "b"):
        for place in range(draw(st.integers(0, 7))):
            step = (place + 1) * 10
            is_valid, pruned = draw(st.sampled_from([True, True, False])), draw(st.integers(0, 5)) == 0
            record = make_record(step, lineage=lineage, is_valid=is_valid, pruned=pruned)
            records.append(record)
            if fad := draw(st.sampled_from([None, 0.1, 0.2, 0.2, 0.3, 0.4])):
                key = draw(st.sampled_from(["nano", "clap"]))
                error = draw(st.sampled_from([None, 0.0, 0.02, 0.06, 0.3]))
                scores[record.partition_key] = make_scores(step, fad, embedder=key, error=error)
    return draw(st.permutations(records)), scores


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(checkpoints(), st.integers(1, 4))
def test_plan(given_: tuple[list[CheckpointRecord], dict[str, Scores]], keep_best: int):
    records, scores = given_
    plan = plan_retention(records, scores, RetentionSettings(keep_best=keep_best))
    by_key = {record.partition_key: record for record in records}
    present = {key for key, record in by_key.items() if not record.pruned}
    assert set(plan.keep) | set(plan.prune) == present and not set(plan.keep) & set(plan.prune)
    for key in plan.prune:
        record = by_key[key]
        assert record.checkpoint.is_valid and key in scores
        siblings = [by_key[k] for k in present if by_key[k].lineage == record.lineage]
        assert record.checkpoint.step < max(sibling.checkpoint.step for sibling in siblings)
        better = [
            s
            for s in siblings
            if s.partition_key in plan.keep
            and s.checkpoint.is_valid
            and s.partition_key in scores
            and scores[s.partition_key].key == scores[key].key
            and scores[s.partition_key].metrics.fad_score <= scores[key].metrics.fad_score
        ]
        assert len(better) >= keep_best
    again = plan_retention(
        [r for r in records if r.partition_key not in plan.prune],
        scores,
        RetentionSettings(keep_best=keep_best),
    )
    assert again.prune == ()


@pytest.fixture
def data(tmp_path: Path) -> DataRoot:
    root = DataRoot(tmp_path).create()
    for step, fad in ((10, 0.9), (20, 0.2), (30, 0.3), (40, 0.1), (50, 0.8), (60, None), (70, 0.7)):
        make_folder(root, step, fad=fad)
    return root


def weights(folder: Path) -> list[Path]:
    return list(folder.rglob("*.safetensors"))


def test_pruning_removes_weights_and_keeps_records_scores_and_samples(data: DataRoot):
    plan = prune(data, RetentionSettings(keep_best=3))
    gone = {10, 50}
    for found in scan_checkpoints(data):
        assert found.record and found.record.pruned == (found.step in gone)
        assert bool(weights(found.folder)) != (found.step in gone)
        assert not (found.folder / "resume").exists() or found.step not in gone
        assert found.step == 60 or (found.scores and (found.folder / "samples" / "00.wav").is_file())
    assert sorted(key[-6:] for key in plan.prune) == ["000010", "000050"]
    assert [entry["step"] for entry in read_json(data.checkpoint_manifest_json)] == [
        10,
        20,
        30,
        40,
        50,
        60,
        70,
    ]
    assert prune(data, RetentionSettings(keep_best=3)).prune == ()


def test_nothing_is_removed_while_others_are_to_be_scored_again(data: DataRoot):
    plan = prune(data, RetentionSettings(keep_best=3), hold="others are to be scored again")
    assert plan.prune == () and plan.keep[make_record(10).partition_key] == "others are to be scored again"
    assert all(weights(found.folder) for found in scan_checkpoints(data))
    assert prune(data, RetentionSettings(keep_best=3)).prune


def test_a_pinned_checkpoint_keeps_its_weights(data: DataRoot):
    pin(data, make_record(10), "warmest bass")
    plan = prune(data, RetentionSettings(keep_best=3))
    key = make_record(10).partition_key
    assert key not in plan.prune and plan.keep[key] == "named the best by a person: warmest bass"
    assert weights(data.checkpoint("epoch=0-step=10_lora"))


def test_a_checkpoint_evaluated_later_is_judged_then(data: DataRoot):
    prune(data, RetentionSettings(keep_best=3))
    folder = data.checkpoint("epoch=0-step=60_lora")
    (folder / "scores.json").write_text(make_scores(60, 0.95).model_dump_json())
    assert [key[-6:] for key in prune(data, RetentionSettings(keep_best=3)).prune] == ["000060"]
    assert weights(folder) == []


def test_what_a_crash_left_of_pruned_weights_goes_next_time(data: DataRoot):
    prune(data, RetentionSettings(keep_best=3))
    folder = data.checkpoint("epoch=0-step=10_lora")
    (folder / "adapter_model.safetensors").write_bytes(b"left over")
    prune(data, RetentionSettings(keep_best=3))
    assert weights(folder) == [] and read_record(folder).pruned
