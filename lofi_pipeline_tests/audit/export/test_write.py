"""The files of an audit on disk: where they lie, that they are the same each time, and what is never written."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lofi_pipeline.audit.export import AuditFileError, write, write_files
from lofi_pipeline.audit.export.sources import source_sheets
from lofi_pipeline.entities import AuditReport
from lofi_pipeline.storage import DataRoot
from lofi_pipeline_tests.audit.export.attacks import ATTACKS, INVISIBLE
from lofi_pipeline_tests.audit.export.reports import bare, full

CONTRACT = b"We grant the right to train models."


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def with_contract(root: DataRoot) -> AuditReport:
    """A report of one contract that lies under the data root."""
    report = full(tracks=2, sources=2)
    row = report.sources[1]
    assert row.provenance is not None
    file = row.provenance.evidence[0].model_copy(update={"sha256": hashlib.sha256(CONTRACT).hexdigest()})
    path = root.inside(file.path)
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTRACT)
    provenance = row.provenance.model_copy(update={"evidence": [file]})
    return report.model_copy(
        update={"sources": [report.sources[0], row.model_copy(update={"provenance": provenance})]}
    )


def test_one_report_gives_the_same_bytes_each_time(tmp_path: Path) -> None:
    first = write_files(full(), tmp_path / "a")
    write_files(full(), tmp_path / "b")
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert sorted(path.relative_to(tmp_path / "a").as_posix() for path in first) == sorted(
        contents(tmp_path / "a")
    )
    before = {path: path.stat().st_mtime_ns for path in first}
    assert {path: path.stat().st_mtime_ns for path in write_files(full(), tmp_path / "a")} == before


def test_a_data_set_has_no_model_card(tmp_path: Path) -> None:
    names = {path.name for path in write_files(bare(), tmp_path)}
    assert "MODEL_CARD.md" not in names
    assert {"audit.html", "tracks.csv", "ATTRIBUTION.md", "bom.cdx.json", "croissant.json"} <= names


def test_source_ids_never_lead_out_of_the_folder(tmp_path: Path) -> None:
    ids = list(dict.fromkeys(text.strip()[:200] for text in ATTACKS.values()))
    ids += ["same", "SAME", "Same", "a/b", "a-b", "a\\b", "con", "x" * 200]
    folder = tmp_path / "deep" / "audit"
    written = write_files(full(tracks=len(ids), source_ids=ids), folder)
    assert all(path.resolve().is_relative_to(folder.resolve()) for path in written)
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == set(written)
    texts = [path.name for path in (folder / "sources").iterdir()]
    assert len({name.lower() for name in texts}) == len(ids)
    assert all(re.fullmatch(r"[a-z0-9-]{8,60}\.txt", name) for name in texts)


@pytest.mark.parametrize("name", ATTACKS)
def test_a_licence_text_has_the_same_fields_whatever_it_says(name: str) -> None:
    def fields(text: str) -> list[str]:
        texts = [data.decode() for data in source_sheets(full(tracks=2, sources=2, text=text)).values()]
        assert not INVISIBLE & set("".join(texts))
        lines = [line for text in texts for line in text.split("\n")]
        return [line.split(":")[0] for line in lines if not line.startswith("      |")]

    assert fields(ATTACKS[name]) == fields("Somebody")


def test_sheets_and_licences_of_an_earlier_audit_go(tmp_path: Path) -> None:
    (tmp_path / "LICENSES").mkdir()
    (tmp_path / "LICENSES" / "source-0-c212b3ff.txt").write_text("a sheet where earlier versions put it")
    write_files(full(sources=4), tmp_path)
    write_files(full(tracks=1, sources=1), tmp_path)
    assert len(list((tmp_path / "sources").iterdir())) == 1
    assert {path.name for path in (tmp_path / "LICENSES").iterdir()} == {
        "CC-BY-4.0.txt",
        "LicenseRef-Audit-Record.txt",
    }


def test_documents_are_copied_only_when_asked_for(root: DataRoot, tmp_path: Path) -> None:
    report, folder = with_contract(root), tmp_path / "audit"
    write_files(report, folder)
    assert CONTRACT not in contents(folder).values()
    write_files(report, folder, include_documents=True, root=root)
    copied = [name for name, data in contents(folder).items() if data == CONTRACT]
    assert len(copied) == 1
    assert copied[0].endswith(".pdf")
    write_files(report, folder)
    assert CONTRACT not in contents(folder).values()


def test_a_document_that_changed_is_not_passed_on(root: DataRoot, tmp_path: Path) -> None:
    report, folder = with_contract(root), tmp_path / "audit"
    row = report.sources[1]
    assert row.provenance is not None
    root.inside(row.provenance.evidence[0].path).write_bytes(CONTRACT + b" Not.")
    write_files(report, folder, include_documents=True, root=root)
    texts = [data for name, data in contents(folder).items() if name.startswith("sources/")]
    assert len(texts) == 2
    assert any(b"NOT copied" in text for text in texts)


def test_documents_without_a_root_are_refused(tmp_path: Path) -> None:
    with pytest.raises(AuditFileError, match="data root"):
        write_files(full(), tmp_path, include_documents=True)


def test_a_link_is_not_written_through(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "precious.txt").write_text("mine")
    folder = tmp_path / "audit"
    folder.mkdir()
    (folder / "LICENSES").symlink_to(elsewhere)
    with pytest.raises(AuditFileError, match="link"):
        write_files(full(), folder)
    (folder / "LICENSES").unlink()
    (folder / "audit.html").unlink()
    (folder / "audit.html").symlink_to(elsewhere / "precious.txt")
    write_files(full(), folder)
    assert (elsewhere / "precious.txt").read_text() == "mine"
    assert [path.name for path in elsewhere.iterdir()] == ["precious.txt"]


@pytest.mark.parametrize(
    ("maker", "name"),
    [
        ("bill_of_materials", "bom.cdx.json"),
        ("spdx_document", "bom.spdx.json"),
        ("croissant", "croissant.json"),
    ],
)
def test_what_people_read_is_there_even_when_a_file_for_machines_is_not(
    maker: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_files(full(), tmp_path)
    assert (tmp_path / name).is_file()
    report = full()
    later = {"dataset": report.dataset.model_copy(update={"hash": "c0ffee" + "0" * 58})}

    def cannot(*_: object) -> str:
        raise ValueError(name)

    monkeypatch.setattr(write, maker, cannot)
    with pytest.raises(ValueError, match=re.escape(name)):
        write_files(report.model_copy(update=later), tmp_path)
    assert "c0ffee" in (tmp_path / "audit.html").read_text(encoding="utf-8")
    assert not (tmp_path / name).exists()  # an earlier audit's, it would disagree


def test_nothing_heavy_is_imported_before_files_are_written() -> None:
    heavy = "('mlcroissant', 'cyclonedx', 'lxml', 'jinja2', 'pandas', 'rdflib', 'torch')"
    code = f"import sys, lofi_pipeline.audit.export; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_what_grants_limit_stands_wherever_obligations_do(tmp_path: Path) -> None:
    made = full(tracks=4, sources=2)
    assert made.limited
    silent = {"croissant.json", "tracks.cdx.json", "REUSE.toml", "summary-eu.html", "summary-eu.json"}
    for path in write_files(made, tmp_path):
        text = path.read_text(encoding="utf-8").replace("\\", "")
        if path.name in silent or path.parent.name == "LICENSES" or "Grant: none" in text:
            continue  # they say nothing of obligations, or are of a source without a grant
        assert "It can be revoked." in text and "Not for advertising." in text, path.name
