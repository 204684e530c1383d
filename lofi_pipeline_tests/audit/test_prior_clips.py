"""Clips of the base that were trained on beside the music: an audit names them, and takes none of them for a track."""

from __future__ import annotations

import json

from lofi_pipeline.audit import AuditInputs, build_report, find_subject
from lofi_pipeline.audit.export.summary_eu import summary_json
from lofi_pipeline.checkpoints.manifest import read_record
from lofi_pipeline.config import load_config
from lofi_pipeline.storage import DataRoot
from lofi_pipeline_tests.audit.roots import land, other_lineage

ID = "epoch=0-step=60_lora"


def test_they_are_synthetic_data_and_no_tracks(data: DataRoot) -> None:
    record = read_record(data.checkpoint(ID))
    with_clips = other_lineage(record.lineage).model_copy(update={"prior_clips": 12})
    made = {}
    for key in (record.partition_key, land(data, with_clips, 120).partition_key):
        inputs = AuditInputs(data)
        report = build_report(inputs, find_subject(inputs, key), config=load_config())
        [section] = [it for it in json.loads(summary_json(report))["sections"] if it["number"] == "2.5"]
        made[key] = (len(report.tracks), "12 clips" in json.dumps(section))
    before, after = made.values()
    assert (before[1], after[1]) == (False, True)
    assert before[0] == after[0]
