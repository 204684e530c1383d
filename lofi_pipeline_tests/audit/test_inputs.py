"""An audit opens each record once, however many of its parts rest on it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from lofi_pipeline.audit import AuditInputs, build_report, find_subject, trace, verdict_today, write_audit
from lofi_pipeline.audit.errors import BrokenRecord
from lofi_pipeline.audit.integrity import verifier, version_file
from lofi_pipeline.audit.integrity.dataset_version import verify_version
from lofi_pipeline.checkpoints.manifest import activate_lineage
from lofi_pipeline.config import load_config
from lofi_pipeline.dataset import load_version
from lofi_pipeline.licensing import withdraw
from lofi_pipeline.storage import DataRoot, file_sha256, sealed
from lofi_pipeline_tests.audit.roots import land, lineage_for, other_lineage
from lofi_pipeline_tests.audited import listening
from lofi_pipeline_tests.drops import register

RECORDS = (".json", ".jsonl")
_hashing: list[Path] = []
"""Files that are being hashed."""


@contextmanager
def opened(root: DataRoot) -> Iterator[Counter[str]]:
    """How often each record under a data root is opened for reading, hashing left out; filled when the block ends."""
    counts: Counter[Path] = Counter()
    found: Counter[str] = Counter()

    def count(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and not _hashing and isinstance(arguments[0], str | bytes | os.PathLike):
            flags = arguments[2] if isinstance(arguments[2], int) else 0
            path = Path(os.fsdecode(arguments[0]))
            if path.suffix in RECORDS and not flags & (os.O_WRONLY | os.O_RDWR):
                counts[path] += 1

    with listening(count):
        yield found
    found.update(
        {path.relative_to(root.path).as_posix(): n for path, n in counts.items() if root.path in path.parents}
    )


@pytest.fixture
def busy(data: DataRoot, monkeypatch: pytest.MonkeyPatch) -> DataRoot:
    """Two lineages, one in the archive, two data set versions' worth of witnesses, and a withdrawn source."""
    lineage = lineage_for(load_version(data))
    land(data, lineage, 120)
    other = other_lineage(lineage)
    activate_lineage(data, other)
    land(data, other, 60)
    withdraw(data, "session", reason="it ended", day=date.today())
    register(data)
    hashed = file_sha256

    def not_counted(path: Path) -> str:
        _hashing.append(path)
        try:
            return hashed(path)
        finally:
            _hashing.pop()

    # Hashing is no reading: the Verifier hashes every file that a record names, records among them
    for module in (verifier, sealed):
        monkeypatch.setattr(module, "file_sha256", not_counted)
    return data


@pytest.mark.parametrize("name", ["key", "version"])
def test_a_quick_audit_opens_each_record_once(busy: DataRoot, name: str) -> None:
    version = load_version(busy)
    key = lineage_for(version).partition_key(60)
    with opened(busy) as counts:
        inputs = AuditInputs(busy)
        subject = find_subject(inputs, key if name == "key" else version.dataset.hash)
        report = build_report(inputs, subject, config=load_config(), quick=True)
    assert {code.code for code in report.findings} >= {"source-withdrawn"}
    expected = {
        "metadata/drops.json",
        "metadata/registry.json",
        "metadata/withdrawals.json",
        "metadata/seals.jsonl",
        "metadata/dataset_manifest.json",
        "metadata/built_from.json",
        f"metadata/datasets/{version.dataset.hash}.json",
        *(f"metadata/tracks/{item.track.track_id}.json" for item in version.tracks),
        *(busy.relative(path) for path in busy.checkpoints.rglob("checkpoint.json")),
        *(busy.relative(path) for path in busy.checkpoints.rglob("scores.json")),
    }
    assert len([name for name in expected if name.endswith("checkpoint.json")]) == 3
    assert expected <= set(counts)
    assert {name: times for name, times in counts.items() if times > 1} == {}


def test_an_audit_that_has_nothing_to_enter_does_not_open_the_ledger_to_write(busy: DataRoot) -> None:
    inputs = AuditInputs(busy)
    subject = find_subject(inputs, lineage_for(load_version(busy)).partition_key(60))
    report = build_report(inputs, subject, config=load_config(), quick=True)
    with opened(busy) as counts:
        write_audit(inputs, subject, report)
    assert "metadata/seals.jsonl" not in counts


def test_following_a_source_opens_each_record_once(busy: DataRoot) -> None:
    with opened(busy) as counts:
        found = trace(AuditInputs(busy), "session", load_config().licensing, date.today())
    assert len(found.checkpoints) == 3
    assert counts["metadata/drops.json"] == counts["metadata/registry.json"] == 1
    assert {name: times for name, times in counts.items() if times > 1} == {}


def test_the_verdict_alone_reads_no_checkpoint(busy: DataRoot) -> None:
    version = load_version(busy)
    with opened(busy) as counts:
        verdict_today(busy, version, load_config().licensing, date.today())
    assert set(counts) == {"metadata/drops.json", "metadata/withdrawals.json"}


def test_an_audit_loads_no_decoder() -> None:
    modules = "lofi_pipeline.audit.export, lofi_pipeline.audit.write, lofi_pipeline.cli.audit"
    code = f"import sys, {modules}; print([m for m in ('av', 'scipy.ndimage', 'torch') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_command_line_loads_dagster_for_no_command_but_those_that_run_something() -> None:
    code = "import sys, lofi_pipeline.cli.app; print([m for m in ('dagster', 'torch', 'boto3', 'numpy', 'scipy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_version_that_is_written_to_while_it_is_read_proves_nothing(
    data: DataRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = load_version(data).dataset.hash
    path = data.dataset_version(version)
    hashed = version_file.version_hash

    def meanwhile(lists: Mapping[str, Any]) -> str:
        with path.open("ab") as file:
            file.write(b" ")
        return hashed(lists)

    monkeypatch.setattr(version_file, "version_hash", meanwhile)
    with pytest.raises(BrokenRecord, match="was changed while it was read"):
        verify_version(data, version, AuditInputs(data).ledger)
