"""REUSE.toml and LICENSES/: `reuse lint` has nothing to say against an audit's folder, whatever people wrote."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from lofi_pipeline.audit.export import write_files
from lofi_pipeline.entities import AuditReport, Publication
from lofi_pipeline.storage import DataRoot
from lofi_pipeline_tests.audit.export.attacks import ATTACKS
from lofi_pipeline_tests.audit.export.reports import bare, full
from lofi_pipeline_tests.audit.export.test_write import with_contract

TAG = "SPDX-License-Identifier: " + "GPL-3.0-only\nSPDX-FileCopyrightText: " + "nobody"
PUBLISHED = Publication(weights_licence="CC-BY-4.0 OR LicenseRef-House", provider="The Label")


def lint(folder: Path) -> str:
    """What `reuse lint` says of a folder, which must be in order."""
    command = [sys.executable, "-m", "reuse", "--root", str(folder), "lint"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def attacked(*, licences: bool) -> AuditReport:
    """Two sources for each attack, whose text stands wherever people write; with `licences` as licences too."""
    sources, tracks = [], []
    for number, text in enumerate([*ATTACKS.values(), TAG]):
        part = full(tracks=2, source_ids=[f"{number} a", f"{number} b"], text=text)
        tracks += [replace(row, copyright=text) if number % 2 else row for row in part.tracks]
        for row in part.sources:
            judged = row.verdict_now.model_copy(update={"licence": text}) if licences else row.verdict_now
            sources.append(row.model_copy(update={"verdict_now": judged}))
    said = Publication(weights_licence=ATTACKS["jsonld"], copyright=ATTACKS["quotes"], provider=TAG)
    tracks = [replace(row, track_id=f"track_{place:03d}") for place, row in enumerate(tracks, start=1)]
    return full().model_copy(update={"sources": sources, "tracks": tracks, "publication": said})


@pytest.mark.parametrize(
    "report",
    [
        full(),
        bare(),
        full().model_copy(update={"publication": PUBLISHED}),
        attacked(licences=False),
        attacked(licences=True),
    ],
    ids=["full", "bare", "published", "attacked", "attacked licences"],
)
def test_reuse_finds_licence_and_copyright_of_every_file(report: AuditReport, tmp_path: Path) -> None:
    files = write_files(report, tmp_path)
    beside = ("REUSE.toml", "bom.spdx.json")  # no files of the project, says the specification
    covered = sum(path.parent.name != "LICENSES" and path.name not in beside for path in files)
    assert f"license information: {covered} / {covered}" in lint(tmp_path)


def test_documents_have_a_licence_of_their_own(root: DataRoot, tmp_path: Path) -> None:
    write_files(with_contract(root), tmp_path, include_documents=True, root=root)
    assert "LicenseRef-Evidence" in lint(tmp_path)


def test_the_sheet_of_a_source_has_the_licence_of_its_recordings(tmp_path: Path) -> None:
    report = full(sources=2)
    notice = "℗ 2024 The Artist"
    tracks = [replace(row, copyright=notice) for row in report.tracks if row.source_ids == ["source-0"]]
    write_files(report.model_copy(update={"tracks": tracks}), tmp_path)
    found = subprocess.run(
        [sys.executable, "-m", "reuse", "--root", str(tmp_path), "spdx"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    sheets = {
        part.split("\n")[0]: part for part in found.split("FileName: ./")[1:] if part.startswith("sources/")
    }
    free, contract = (sheets[name] for name in sorted(sheets))
    assert "LicenseInfoInFile: CC-BY-4.0" in free and "The Artist" in free
    assert "LicenseInfoInFile: LicenseRef-AI-Training-Rights" in contract and "Provider 1" in contract


@pytest.mark.parametrize(
    "version", ["CC0-1.0", "CC-BY-1.0", "CC-BY-2.0", "CC-BY-2.5", "CC-BY-3.0", "CC-BY-4.0"]
)
def test_the_text_of_a_free_licence_is_there_itself(version: str, tmp_path: Path) -> None:
    report = full(tracks=1, sources=1)
    judged = report.sources[0].verdict_now.model_copy(update={"licence": version})
    rows = [report.sources[0].model_copy(update={"verdict_now": judged})]
    write_files(report.model_copy(update={"sources": rows}), tmp_path)
    text = (tmp_path / "LICENSES" / f"{version}.txt").read_text(encoding="utf-8")
    assert len(text) > 5_000 and "Creative Commons" in text


def test_of_other_licences_it_is_said_where_the_text_is(tmp_path: Path) -> None:
    chosen = Publication(weights_licence="Apache-2.0")
    write_files(full().model_copy(update={"publication": chosen}), tmp_path)
    apache = (tmp_path / "LICENSES" / "Apache-2.0.txt").read_text(encoding="utf-8")
    assert "https://spdx.org/licenses/Apache-2.0.html" in apache
    contract = (tmp_path / "LICENSES" / "LicenseRef-AI-Training-Rights.txt").read_text(encoding="utf-8")
    assert "no public text" in contract and "sources/" in contract
