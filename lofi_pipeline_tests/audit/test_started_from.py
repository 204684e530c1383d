"""A training that went on from another LoRA: its audit counts what that was trained on, through any number of starts."""

from __future__ import annotations

from datetime import date

from lofi_pipeline.audit import AuditInputs, build_report, compare, find_subject, trace
from lofi_pipeline.checkpoints.manifest import read_record
from lofi_pipeline.config import load_config
from lofi_pipeline.dataset import build_dataset, load_version
from lofi_pipeline.entities import AuditReport, CheckpointRecord, FindingCode, Imported, Lineage, StartedFrom
from lofi_pipeline.licensing import withdraw
from lofi_pipeline.storage import DataRoot, content_sha256
from lofi_pipeline_tests.audit.roots import land, lineage_for
from lofi_pipeline_tests.drops import register

ID = "epoch=0-step=60_lora"


def went_on(root: DataRoot, record: CheckpointRecord, start: CheckpointRecord, step: int) -> CheckpointRecord:
    """A checkpoint of `step` of a training like `record`'s that went on from `start`."""
    started = StartedFrom(
        partition_key=start.partition_key,
        weights=start.files["adapter_model.safetensors"],
        lineage=start.lineage,
    )
    configuration = content_sha256([record.lineage.config_hash, started.weights, step])
    arithmetic = content_sha256({"dataset": record.lineage.dataset_hash, "config": configuration})
    update = {"started_from": started, "config_hash": configuration, "lineage": arithmetic}
    return land(root, record.lineage.model_copy(update=update), step)


def report_of(root: DataRoot, key: str) -> AuditReport:
    inputs = AuditInputs(root)
    return build_report(inputs, find_subject(inputs, key), config=load_config())


def retrained_without_session(data: DataRoot) -> tuple[CheckpointRecord, CheckpointRecord]:
    """The first checkpoint, and one of a new version without `session` that goes back to it over another."""
    first = read_record(data.checkpoint(ID))
    withdraw(data, "session", reason="it ended", day=date.today())
    register(data)
    newer = land(data, lineage_for(build_dataset(data, load_config()).version), 120)
    between = went_on(data, newer, first, 180)
    return first, went_on(data, newer, between, 240)


def test_withdrawn_tracks_reach_through_every_start(data: DataRoot) -> None:
    first, last = retrained_without_session(data)
    report = report_of(data, last.partition_key)
    assert {row.record.source_id for row in report.sources} == {"commons", "session"}
    codes = [finding.code for finding in report.findings]
    assert FindingCode.SOURCE_WITHDRAWN in codes
    started = [finding for finding in report.findings if finding.code is FindingCode.STARTED_FROM]
    assert any(first.partition_key in finding.sentence for finding in started) and len(started) == 2
    assert not report.now.permitted
    found = trace(AuditInputs(data), "session", load_config().licensing, date.today())
    assert {first.partition_key, last.partition_key} <= {item.partition_key for item in found.checkpoints}


def test_without_a_start_nothing_of_it_is_counted(data: DataRoot) -> None:
    retrained_without_session(data)
    report = report_of(data, "epoch=0-step=120_lora")
    assert {row.record.source_id for row in report.sources} == {"commons"}
    assert FindingCode.STARTED_FROM not in [finding.code for finding in report.findings]


def test_two_checkpoints_of_one_data_set_differ_by_what_they_went_on_from(data: DataRoot) -> None:
    retrained_without_session(data)
    found = compare(AuditInputs(data), "epoch=0-step=120_lora", "epoch=0-step=240_lora")
    assert [item.source_ids for item in found.only_in_b] == [["session"]] * len(found.only_in_b) != []
    assert any(fact.startswith("started from: none / ") for fact in found.facts)


def test_a_start_of_unknown_origin_makes_the_origin_unknown(data: DataRoot) -> None:
    first = read_record(data.checkpoint(ID))
    unknown = Imported(file="theirs.safetensors", sha256="0" * 64, form="kohya", licence="CC0")
    elsewhere: Lineage = first.lineage.model_copy(update={"imported": unknown})
    last = went_on(data, first, first.model_copy(update={"lineage": elsewhere}), 120)
    report = report_of(data, last.partition_key)
    (finding,) = [it for it in report.findings if it.code is FindingCode.ORIGIN_UNKNOWN]
    assert finding.where == last.partition_key and 'licence "CC0"' in finding.sentence
    assert "goes back to a LoRA from elsewhere" in finding.sentence
    assert not report.now.permitted and "origin of" in report.now.sentence
    assert len(load_version(data).tracks) == len(report.tracks)
