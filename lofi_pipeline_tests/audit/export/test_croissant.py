"""croissant.json: mlcroissant finds nothing to complain of, and reads the tracks out of it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlcroissant
import pytest

from lofi_pipeline.audit.export import write_files
from lofi_pipeline.audit.export.croissant import croissant
from lofi_pipeline.audit.export.tracks_csv import COLUMNS, tracks_table
from lofi_pipeline.entities import AuditReport
from lofi_pipeline.storage import DataRoot, FileFacts, write_blocks_atomic
from lofi_pipeline_tests.audit.export.attacks import ATTACKS
from lofi_pipeline_tests.audit.export.reports import CC_BY_URL, bare, full


def written(report: AuditReport, folder: Path) -> mlcroissant.Dataset:
    """The file and its table as they lie in an audit's folder, read by mlcroissant."""
    table = write_blocks_atomic(folder / "tracks.csv", tracks_table(report))
    (folder / "croissant.json").write_text(croissant(report, table), encoding="ascii")
    return mlcroissant.Dataset(jsonld=folder / "croissant.json")


def with_text(text: str) -> AuditReport:
    """A report in which people's words stand in every fact of the data set."""
    report = full(tracks=2, sources=2, text=text)
    dataset = report.dataset.model_copy(update={"dataset_id": text})
    rows = []
    for row in report.sources:
        judged = row.verdict_now.model_copy(update={"licence": text, "url": text})
        rows.append(row.model_copy(update={"verdict_now": judged}))
    return report.model_copy(update={"dataset": dataset, "sources": rows})


@pytest.mark.parametrize("report", [full(), bare(), full(tracks=1_500)], ids=["full", "bare", "large"])
def test_no_error_and_no_warning(report: AuditReport, tmp_path: Path) -> None:
    found = written(report, tmp_path).metadata
    assert not found.ctx.issues.errors
    assert not found.ctx.issues.warnings
    assert found.name == report.dataset.dataset_id
    assert found.version == f"1.0.0+{report.dataset.hash[:12]}"


@pytest.mark.parametrize("report", [full(), bare(), full(tracks=1_500)], ids=["full", "bare", "large"])
def test_it_is_what_mlcroissant_itself_would_write(report: AuditReport, tmp_path: Path) -> None:
    found = written(report, tmp_path).metadata
    assert json.loads((tmp_path / "croissant.json").read_text()) == json.loads(
        json.dumps(found.to_json(), default=str)
    )


def test_licences_hashes_and_responsible_ai(tmp_path: Path) -> None:
    report = full()
    found = written(report, tmp_path).metadata
    assert found.license is not None
    assert [getattr(licence, "name", licence) for licence in found.license] == [
        CC_BY_URL,
        "LicenseRef-AI-Training-Rights",
    ]
    files = {file.name: file.sha256 for file in found.file_objects}
    table = (tmp_path / "tracks.csv").read_bytes()
    assert files.pop("tracks.csv") == hashlib.sha256(table).hexdigest()
    assert files.pop("processed/core") == report.dataset.hash  # of a folder: what names every file in it
    assert files == {f"{track.track_id}.mp3": track.audio_sha256 for track in report.tracks}
    assert found.data_collection is not None
    assert "4 sources (2 commissioned, 2 creative_commons)" in found.data_collection
    for fact in (
        found.data_biases,
        found.data_limitations,
        found.data_use_cases,
        found.data_collection_timeframe,
        found.data_preprocessing_protocol,
        found.personal_sensitive_information,
        found.data_release_maintenance_plan,
    ):
        assert fact


def test_the_tracks_can_be_read_as_records(tmp_path: Path) -> None:
    report = full()
    records: list[dict[str, Any]] = list(written(report, tmp_path).records("tracks"))
    assert [record["tracks/track_id"].decode() for record in records] == [
        track.track_id for track in report.tracks
    ]
    assert set(records[0]) == {f"tracks/{column}" for column in COLUMNS}
    assert records[0]["tracks/seconds"] == report.tracks[0].seconds
    assert records[0]["tracks/audio_sha256"].decode() == report.tracks[0].audio_sha256


def test_the_audio_can_be_read_beside_the_table(tmp_path: Path) -> None:
    report = full(tracks=3)
    audio = {track.track_id: f"MP3 of {track.track_id}".encode() for track in report.tracks}
    tracks = []
    for track in report.tracks:
        side = {"audio_path": f"validation/{track.track_id}.mp3"} if track.track_id == "track_003" else {}
        track = replace(track, **side)
        path = tmp_path / "data" / (track.audio_path or "")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(audio[track.track_id])
        digest = hashlib.sha256(audio[track.track_id]).hexdigest()
        tracks.append(replace(track, audio_sha256=digest))
    (tmp_path / "data/processed/core/track_999.mp3").write_bytes(b"of another version")
    folder = tmp_path / "data" / "audit" / "it"
    folder.mkdir(parents=True)
    found = written(report.model_copy(update={"tracks": tracks}), folder)
    records: list[dict[str, Any]] = list(found.records("recordings"))
    assert {item["recordings/track_id"].decode(): item["recordings/audio"] for item in records} == audio
    assert {item["tracks/track_id"].decode() for item in found.records("tracks")} == set(audio)
    fields = {
        field.id: field.data_types for records in found.metadata.record_sets for field in records.fields
    }
    assert fields["recordings/audio"] == [mlcroissant.DataType.AUDIO_OBJECT]


def test_every_address_leads_from_the_file_to_a_file(tmp_path: Path) -> None:
    report = full(tracks=2)
    root = DataRoot(tmp_path / "my music" / "data")
    for track in report.tracks:
        path = root.path / (track.audio_path or "")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"audio")
    for folder in (root.audits / "it", tmp_path / "elsewhere"):
        write_files(report, folder, root=root)
        found = json.loads((folder / "croissant.json").read_text())
        addresses = [file["contentUrl"] for file in found["distribution"] if "contentUrl" in file]
        assert len(addresses) == 4
        assert all((folder / address).exists() for address in addresses)


@pytest.mark.parametrize("name", ATTACKS)
def test_whatever_people_write_is_a_fact_and_nothing_else(name: str, tmp_path: Path) -> None:
    text = ATTACKS[name]
    plain, attacked = with_text("Somebody"), with_text(text)
    harmless = json.loads(croissant(plain, FileFacts("0" * 64, 1)))
    found = written(attacked, tmp_path)
    raw = (tmp_path / "croissant.json").read_text(encoding="ascii")
    said = json.loads(raw)
    assert said.keys() == harmless.keys()
    assert said["name"] == text
    assert said["rai:dataAnnotationProtocol"] == text
    assert [file["@id"] for file in said["distribution"]] == [
        file["@id"] for file in harmless["distribution"]
    ]
    assert len(list(found.records("tracks"))) == len(attacked.tracks)


def test_many_files_are_one_file_set(tmp_path: Path) -> None:
    found = written(full(tracks=1_500), tmp_path).metadata
    assert [file.name for file in found.file_objects] == ["tracks.csv", "processed/core"]
    assert [files.name for files in found.file_sets] == ["audio"]
    assert (tmp_path / "croissant.json").stat().st_size < 50_000


def test_one_report_gives_one_file() -> None:
    table = FileFacts("0" * 64, 1)
    assert croissant(full(), table) == croissant(full(), table)
