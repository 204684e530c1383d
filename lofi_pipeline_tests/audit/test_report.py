"""What an audit reports: who fed what on which licence, what it asks for, and what changed between training and today."""

from __future__ import annotations

import json
import shutil
from datetime import date, timedelta

import pytest

from lofi_pipeline.audit import (
    AuditInputs,
    BrokenRecord,
    Subject,
    UnknownSubject,
    build_report,
    find_subject,
    is_written,
    read_report,
    verdict_today,
    write_audit,
)
from lofi_pipeline.audit.base_model import base_at_hand
from lofi_pipeline.audit.export.model_card import model_card
from lofi_pipeline.checkpoints.ledger_entries import enter_scores
from lofi_pipeline.checkpoints.manifest import activate_lineage, read_record
from lofi_pipeline.config import load_config
from lofi_pipeline.dataset import build_dataset, load_version
from lofi_pipeline.entities import AuditReport, MemorisedSample, Obligation, Severity, Split, SubjectKind
from lofi_pipeline.evaluation.records import read_scores, write_scores
from lofi_pipeline.licensing import withdraw
from lofi_pipeline.storage import DataRoot, file_sha256, read_json, write_json_atomic
from lofi_pipeline.training.bases import describe_base
from lofi_pipeline.training.captions import captions_of
from lofi_pipeline_tests.audit.roots import BASE, land, lineage_for, other_lineage
from lofi_pipeline_tests.drops import facts, make_drop, settings, song, work

ID = "epoch=0-step=60_lora"


def audit(root: DataRoot, subject: str = ID, **options: object) -> AuditReport:
    inputs = AuditInputs(root)
    return build_report(inputs, find_subject(inputs, subject), config=load_config(), **options)  # type: ignore[arg-type]


def codes(report: AuditReport, severity: Severity = Severity.ERROR) -> set[str]:
    return {finding.code for finding in report.of_severity(severity)}


def test_the_report_says_who_fed_what(data: DataRoot) -> None:
    report = audit(data)
    version = load_version(data)
    assert (report.subject.kind, report.subject.id) == (SubjectKind.CHECKPOINT, ID)
    assert report.subject.lineage == lineage_for(version)
    assert report.dataset == version.dataset
    assert report.then.recorded and report.then.permitted and report.now.permitted
    assert report.then.commercial_use and report.now.commercial_use
    assert report.cost == 250.0
    rows = {row.record.source_id: row for row in report.sources}
    assert {name: row.tracks for name, row in rows.items()} == {"commons": 2, "session": 2}
    assert rows["commons"].seconds == pytest.approx(61.0, abs=0.2)
    assert sum(report.licences.values()) == pytest.approx(report.seconds)
    assert rows["session"].provenance is not None
    assert rows["session"].provenance.evidence[0].path == "raw/commissioned/session/contract.txt"
    assert rows["session"].record.verified_by == "tests"
    assert {track.split for track in report.tracks} == {Split.TRAIN, Split.VALIDATION}
    assert report.reference == [track.track_id for track in report.tracks if track.split is Split.VALIDATION]
    assert report.captions.prompts == len({track.prompt for track in report.tracks})
    assert report.captions.tags["instrumental"] == 4
    assert report.configuration["lora_rank"] == str(load_config().training.presets["nano"].lora_rank)
    assert report.training is not None and report.training.steps == 60
    assert report.clean


def test_samples_that_repeat_training_tracks_are_named_as_a_warning(data: DataRoot) -> None:
    folder = data.checkpoint(ID)
    record, scores = read_record(folder), read_scores(folder)
    assert scores is not None and "memorised" not in codes(audit(data), Severity.WARNING)
    repeating = scores.model_copy(update={"memorised": [MemorisedSample("00", "track_001", 0.4)]})
    enter_scores(data, folder, record, repeating)
    write_scores(folder, repeating)
    report = audit(data)
    (found,) = [it for it in report.of_severity(Severity.WARNING) if it.code == "memorised"]
    assert "track_001 for 40% of 00" in found.sentence and "Listen to them" in found.sentence
    of_scores = model_card(report).split("## Scores")[1].split("##")[0]
    assert "repeat training music" in of_scores and "40%" in of_scores
    assert report.clean


def test_other_wordings_that_were_trained_are_on_record(data: DataRoot) -> None:
    version = load_version(data)
    said = captions_of(data, version, 2)
    land(data, lineage_for(version).model_copy(update={"caption_variants": 2}), 120)
    captions = audit(data, "epoch=0-step=120_lora").captions
    kept = data.captions(version.dataset.hash, 2)
    trained = [said[track.track.track_id] for track in version.side(Split.TRAIN)]
    assert captions.variants == sum(len(wordings) - 1 for wordings in trained) > 0
    assert data.relative(kept) in captions.sentence and file_sha256(kept) in captions.sentence
    kept.write_text("{}")
    captions = audit(data, "epoch=0-step=120_lora").captions
    assert captions.variants == 0 and "gone or damaged" in captions.sentence
    assert audit(data).captions.variants == 0 and "wordings" not in audit(data).captions.sentence


def test_obligations_and_attribution_are_ready(data: DataRoot) -> None:
    report = audit(data)
    asked = {row.obligation: row for row in report.obligations}
    assert asked[Obligation.ATTRIBUTION].source_ids == ["commons"]
    assert asked[Obligation.ATTRIBUTION].tracks == 2
    assert {entry.title for entry in report.attribution} == {"<b>Rain</b>", "Snow"}
    for entry in report.attribution:
        assert entry.artist == "=cmd()"
        assert entry.licence == "CC-BY-4.0"
        assert entry.licence_url and entry.licence_url.startswith("https://creativecommons.org/")
        assert entry.url == "https://example.org/album"


def test_a_data_set_is_audited_by_hash_prefix_or_id(data: DataRoot) -> None:
    version = load_version(data)
    for name in (version.dataset.hash, version.dataset.hash[:8], version.dataset.dataset_id):
        report = audit(data, name)
        assert report.subject.kind is SubjectKind.DATASET
        assert report.subject.hash == version.dataset.hash
        assert report.base is None and report.training is None
        assert report.clean


def test_a_grant_that_ends_is_permitted_then_and_refused_today(data: DataRoot) -> None:
    report = audit(data, day_today=date(2100, 1, 1))
    assert report.then.permitted
    assert not report.now.permitted
    assert "session" in report.now.sentence
    assert codes(report) == {"not-permitted-now"}
    assert "2099-12-31" in report.of_severity(Severity.ERROR)[0].sentence


def test_a_stricter_source_json_of_today_is_judged_too(data: DataRoot) -> None:
    path = data.raw / "commissioned" / "session" / "source.json"
    source = read_json(path)
    source["grant"]["withdrawn"] = "2026-01-01"
    path.write_text(json.dumps(source))
    work(data)
    report = audit(data)
    assert report.then.permitted
    assert codes(report) == {"not-permitted-now"}


def test_a_withdrawn_source_and_its_bytes_under_another_name(data: DataRoot) -> None:
    withdraw(data, "session", reason="the label asked", day=date.today())
    report = audit(data)
    assert codes(report) == {"source-withdrawn"}
    assert not report.now.permitted and not report.now.commercial_use
    (row,) = [row for row in report.sources if row.withdrawn]
    assert (row.record.source_id, row.withdrawn_reason) == ("session", "the label asked")
    assert report.then.permitted


def test_a_changed_profile_judges_everything_anew(data: DataRoot) -> None:
    inputs = AuditInputs(data)
    report = build_report(inputs, find_subject(inputs, ID), config=settings(licensing={"profile": "strict"}))
    assert report.then.permitted
    assert report.profile == "strict"
    assert codes(report) == {"not-permitted-now"}
    assert [f.where for f in report.of_severity(Severity.ERROR)] == ["commons"]
    assert report.then.policy != report.policy


def test_a_version_without_verdicts_is_judged_today_and_says_so(data: DataRoot) -> None:
    version = load_version(data)
    old = version.model_dump(mode="json")
    old["provenance"] = []
    from lofi_pipeline.storage import version_hash

    digest = version_hash(old)
    old["dataset"] |= {"hash": digest, "dataset_id": f"dataset-{digest[:12]}"}
    write_json_atomic(data.dataset_version(digest), old)
    report = audit(data, digest)
    assert not report.then.recorded
    assert "judged by today's policy" in report.then.sentence
    assert "verdict-not-recorded" in codes(report, Severity.INFO)
    # Its grant and its evidence are not on record either
    assert "session" in {finding.where for finding in report.findings}


def test_two_sources_that_claim_a_track_are_both_shown(data: DataRoot) -> None:
    make_drop(
        data, "copy", {"again.wav": song(0)}, facts(source_id="copy", license_type="CC0 1.0", verified_by="x")
    )
    work(data)
    digest = build_dataset(data, load_config()).version.dataset.hash
    report = audit(data, digest)
    (finding,) = [finding for finding in report.findings if finding.code == "claimed-twice"]
    assert "CC-BY-4.0" in finding.sentence and "CC0-1.0" in finding.sentence
    (track,) = [track for track in report.tracks if len(track.source_ids) == 2]
    assert track.licence == "CC-BY-4.0"
    assert Obligation.ATTRIBUTION in track.obligations


def test_the_base_model_is_audited_by_its_hash(data: DataRoot) -> None:
    report = audit(data)
    assert report.base is not None and report.base.licence is None
    assert "base-licence-unknown" in codes(report, Severity.WARNING)
    nano = lineage_for(load_version(data)).model_copy(update={"base": describe_base("nano")})
    at_hand = base_at_hand(nano, load_config())
    assert at_hand is not None and at_hand.facts == nano.base
    land(data, nano, 120)
    report = audit(data, "epoch=0-step=120_lora", base=at_hand)
    assert report.base is not None and "synthesised" in report.base.sentence
    assert report.base.licence == "Apache-2.0"
    assert "base-licence-unknown" not in codes(report)
    posing = nano.model_copy(update={"base": BASE.model_copy(update={"name": "nano"})})
    assert base_at_hand(posing, load_config()) is not None
    land(data, posing, 180)
    report = audit(data, "epoch=0-step=180_lora", base=at_hand)
    assert report.base is not None and "another hash" in report.base.sentence


def test_the_licence_of_a_base_is_kept_with_the_checkpoint_whatever_its_card_says_later(
    data: DataRoot,
) -> None:
    nano = lineage_for(load_version(data)).model_copy(update={"base": describe_base("nano")})
    said = nano.base.model_copy(update={"licence": "mit", "licence_from": "training.base_licence"})
    land(data, nano.model_copy(update={"base": said}), 120)
    for at_hand in (None, base_at_hand(nano, load_config())):
        report = audit(data, "epoch=0-step=120_lora", base=at_hand)
        assert report.base is not None and report.base.licence == "MIT"
        assert "training.base_licence" in report.base.sentence


@pytest.mark.parametrize("licence", ["cc-by-nc-4.0", "cc-by-nc-sa-4.0", "cc-by-nc-nd-4.0"])
def test_a_base_that_is_not_for_commercial_use_makes_its_checkpoints_so(data: DataRoot, licence: str) -> None:
    base = BASE.model_copy(update={"licence": licence, "licence_from": "README.md"})
    land(data, lineage_for(load_version(data)).model_copy(update={"base": base}), 120)
    report = audit(data, "epoch=0-step=120_lora")
    assert "base-not-commercial" in codes(report, Severity.ERROR)
    assert report.now.permitted and not report.now.commercial_use and not report.then.commercial_use
    assert f"The base model toy ({licence.upper()}) does not permit commercial use." in report.now.sentence


def test_names_that_do_not_say_which_are_refused_with_candidates(data: DataRoot) -> None:
    first = find_subject(AuditInputs(data), ID).checkpoint
    assert first is not None
    other = other_lineage(lineage_for(load_version(data)))
    activate_lineage(data, other)
    assert (data.archived_lineage(first.record.lineage.lineage) / ID).is_dir()  # type: ignore[union-attr]
    land(data, other, 60)
    with pytest.raises(UnknownSubject, match=first.key):
        find_subject(AuditInputs(data), ID)
    assert audit(data, first.key).clean
    assert audit(data, other.partition_key(60)).clean


@pytest.mark.parametrize(
    "name",
    [
        "",
        "nope",
        "../etc",
        "epoch=0-step=61_lora",
        "epoch=0-step=x_lora",
        "0" * 8,
        "00000000-step000060",
        "a" * 65,
    ],
)
def test_what_is_not_there_is_unknown(data: DataRoot, name: str) -> None:
    with pytest.raises(UnknownSubject):
        find_subject(AuditInputs(data), name)


def test_a_clock_that_was_set_back_is_told(data: DataRoot) -> None:
    (path,) = (data.metadata / "datasets").glob("*.json")
    version = read_json(path)
    version["dataset"]["created"] = "2199-01-01T00:00:00Z"
    write_json_atomic(path, version)
    assert "clock" in codes(audit(data))


def test_the_verdict_alone_is_the_reports(data: DataRoot) -> None:
    verdict = verdict_today(data, load_version(data), load_config().licensing, date.today())
    assert verdict.sentence == audit(data).now.sentence


def test_written_audits_read_back_and_do_not_change(data: DataRoot) -> None:
    inputs = AuditInputs(data)
    subject = find_subject(inputs, ID)
    assert isinstance(subject, Subject)
    report = build_report(inputs, subject, config=load_config())
    written = write_audit(inputs, subject, report)
    assert written.folder == data.path / "audit" / ID
    assert read_report(written.folder / "report.json") == report
    assert written.page.is_file()
    assert (written.folder / "tracks.csv").is_file()
    before = {path: path.stat().st_mtime_ns for path in written.files}
    write_audit(inputs, subject, report)
    assert {path: path.stat().st_mtime_ns for path in written.files} == before


def test_an_audit_that_could_not_be_written_to_its_end_counts_as_none_beside_the_files_of_an_earlier_one(
    data: DataRoot,
) -> None:
    inputs = AuditInputs(data)
    subject = find_subject(inputs, ID)
    report = build_report(inputs, subject, config=load_config())
    folder = write_audit(inputs, subject, report).folder
    assert is_written(folder)
    shutil.rmtree(folder / "LICENSES")
    (folder / "LICENSES").touch()  # in the way, as a full disk would be
    with pytest.raises(OSError, match="LICENSES"):
        write_audit(inputs, subject, report.model_copy(update={"made": report.made + timedelta(seconds=1)}))
    assert not is_written(folder)
    (folder / "LICENSES").unlink()
    write_audit(inputs, subject, report)
    assert is_written(folder)


def test_a_checkpoint_whose_version_is_elsewhere_cannot_be_audited(data: DataRoot) -> None:
    shutil.rmtree(data.metadata / "datasets")
    with pytest.raises(BrokenRecord, match="data set version is missing"):
        audit(data)
