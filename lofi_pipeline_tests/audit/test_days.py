"""The two verdicts of an audit at their borders: what was withdrawn or had ended before training, what reserves commercial use."""

from __future__ import annotations

import json
from datetime import date, timedelta

from lofi_pipeline.audit import AuditInputs, build_report, find_subject
from lofi_pipeline.dataset import load_version
from lofi_pipeline.entities import Finding, Severity
from lofi_pipeline.ingest.registry import remember_day
from lofi_pipeline.licensing import withdraw
from lofi_pipeline.storage import DataRoot, read_json, version_hash, write_json_atomic
from lofi_pipeline_tests.audit.test_report import ID, audit, codes
from lofi_pipeline_tests.drops import facts, make_drop, register, settings, song, work

TODAY = date.today()
DAY = timedelta(days=1)


def errors(found: list[Finding]) -> dict[str, str]:
    """What each error is about."""
    return {finding.code: finding.where for finding in found if finding.severity is Severity.ERROR}


def test_a_source_that_was_withdrawn_before_the_training_was_not_permitted_then(data: DataRoot) -> None:
    withdraw(data, "session", reason="the label asked", day=TODAY - DAY)
    report = audit(data)
    assert not report.then.permitted and not report.then.commercial_use and not report.now.permitted
    assert errors(report.findings) == {"source-withdrawn": "session", "not-permitted-then": "session"}
    assert (
        "the label asked"
        in {row.record.source_id: row.verdict_then.reason for row in report.sources}["session"]
    )


def test_a_grant_that_had_ended_on_the_day_of_training_did_not_permit_it(data: DataRoot) -> None:
    """Whatever verdict the version keeps: training came later than the build."""
    version = load_version(data).model_dump(mode="json")
    (kept,) = [item for item in version["provenance"] if item["source_id"] == "session"]
    assert kept["verdict"]["permitted"]
    kept["grant"]["validity"]["end"] = (TODAY - 2 * DAY).isoformat()
    digest = version_hash(version)
    version["dataset"] |= {"hash": digest, "dataset_id": f"dataset-{digest[:12]}"}
    write_json_atomic(data.dataset_version(digest), version)
    report = audit(data, digest)
    assert not report.then.permitted
    assert errors(report.findings)["not-permitted-then"] == "session"


def test_an_audit_judges_for_no_day_before_one_that_was_judged_for(data: DataRoot) -> None:
    remember_day(data, date(2100, 1, 1))  # the clock was set back since
    report = audit(data)
    assert report.now.day == date(2100, 1, 1)
    assert not report.now.permitted and codes(report) == {"not-permitted-now"}
    assert audit(data, day_today=TODAY).now.day == TODAY  # unless somebody names the day


def test_one_source_that_reserves_commercial_use_reserves_that_of_the_whole(data: DataRoot) -> None:
    path = data.raw / "commissioned" / "session" / "source.json"
    source = read_json(path)
    source["grant"]["uses"]["commercial"] = "notAllowed"
    path.write_text(json.dumps(source))
    private = settings(licensing={"commercial": False})
    work(data, private)
    inputs = AuditInputs(data)
    report = build_report(inputs, find_subject(inputs, ID), config=private)
    assert report.then.permitted and report.then.commercial_use
    assert report.now.permitted and not report.now.commercial_use
    assert "1 of 2 sources (session) does not permit commercial use" in report.now.sentence
    assert errors(report.findings) == {"not-commercial-now": "session"}


def test_bytes_that_another_source_gave_and_was_withdrawn_with_are_found(data: DataRoot) -> None:
    make_drop(data, "copy", {"again.wav": song(0)}, facts(source_id="copy", provider="somebody else"))
    register(data)
    withdraw(data, "copy", reason="it was never theirs", day=TODAY)
    report = audit(data)
    (track,) = [item for item in report.tracks if item.filename == "a.wav"]
    assert track.source_ids == ["commons"]
    assert errors(report.findings) == {"withdrawn-content": track.track_id}
