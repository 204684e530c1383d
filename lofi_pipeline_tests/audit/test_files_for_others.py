"""The files of an audit of a real data root: hashes are of files that lie there, and every address leads to one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import mlcroissant
import pytest

from lofi_pipeline.audit import AuditInputs, build_report, find_subject, write_audit
from lofi_pipeline.config import load_config
from lofi_pipeline.entities import Publication
from lofi_pipeline.storage import DataRoot, content_sha256, file_sha256, write_json_atomic
from lofi_pipeline_tests.audit.export.test_cyclonedx import hashes
from lofi_pipeline_tests.audit.export.test_reuse import lint

CHECKPOINT = "epoch=0-step=60_lora"
PUBLISHED = Publication(provider="The Label", weights_licence="CC-BY-4.0")


def audited(root: DataRoot, publication: Publication = Publication(), output: Path | None = None) -> Path:
    """The folder of a new audit of the checkpoint."""
    inputs = AuditInputs(root)
    subject = find_subject(inputs, CHECKPOINT)
    config = load_config().model_copy(update={"publication": publication})
    return write_audit(inputs, subject, build_report(inputs, subject, config=config), output=output).folder


def on_disk(*folders: Path) -> set[str]:
    return {file_sha256(path) for folder in folders for path in folder.rglob("*") if path.is_file()}


def addresses(part: object) -> set[str]:
    """Every address in a bill that leads to a file, with a hash beside it."""
    if isinstance(part, list):
        return set().union(*map(addresses, part))
    if not isinstance(part, dict):
        return set()
    own = {part["url"]} if "url" in part and "hashes" in part else set()
    return own.union(*(addresses(item) for item in part.values()))


@pytest.mark.parametrize("elsewhere", [False, True], ids=["in the data root", "in another folder"])
def test_hashes_and_addresses_in_the_bills_are_those_of_files(
    data: DataRoot, tmp_path: Path, elsewhere: bool
) -> None:
    folder = audited(data, output=tmp_path / "for a label" if elsewhere else None)
    bills = [json.loads((folder / name).read_bytes()) for name in ("bom.cdx.json", "tracks.cdx.json")]
    found = hashes(bills)
    assert (
        len(found) == 2 + 4 + 1 + 2
    )  # the checkpoint's (three files are alike), tracks, the contract, what lies beside
    assert found <= on_disk(data.path, folder)
    assert len(addresses(bills)) == 3
    for address in addresses(bills):
        assert file_sha256(folder / unquote(address)) in found


def test_a_file_that_is_gone_has_no_hash(data: DataRoot) -> None:
    gone = data.checkpoints / CHECKPOINT / "adapter_config.json"
    was = file_sha256(gone)
    gone.unlink()
    folder = audited(data)
    text = (folder / "bom.cdx.json").read_text()
    assert was not in hashes(json.loads(text))
    assert was in text  # as what it was, among the properties


def test_audio_that_a_newer_version_replaced_has_no_hash(data: DataRoot) -> None:
    inputs = AuditInputs(data)
    assert inputs.dataset.value is not None
    [(_, version)] = inputs.versions.found
    other, sha256 = content_sha256("newer"), content_sha256("other audio")
    newer = inputs.dataset.value.model_copy(update={"hash": other})
    first = version.tracks[0].model_copy(update={"audio_sha256": sha256})
    tracks = [first, *version.tracks[1:]]
    write_json_atomic(
        data.dataset_version(other), version.model_copy(update={"dataset": newer, "tracks": tracks})
    )
    write_json_atomic(data.dataset_manifest_json, newer)
    bill = json.loads((audited(data) / "tracks.cdx.json").read_bytes())
    assert hashes(bill) == {item.audio_sha256 for item in version.tracks[1:]}


def test_mlcroissant_reads_every_track_and_its_audio(data: DataRoot) -> None:
    folder = audited(data)
    found = mlcroissant.Dataset(jsonld=folder / "croissant.json")
    records: list[dict[str, Any]] = list(found.records("recordings"))
    tracks = {item["tracks/track_id"]: item for item in found.records("tracks")}
    assert len(records) == len(tracks) == 4
    for item in records:
        path = tracks[item["recordings/track_id"]]["tracks/audio_path"].decode()
        assert (data.path / path).read_bytes() == item["recordings/audio"]


def test_the_folder_passes_reuse_and_the_card_names_the_licence_that_was_set(data: DataRoot) -> None:
    folder = audited(data)
    lint(folder)
    assert "No licence of the weights is set" in (folder / "MODEL_CARD.md").read_text()
    folder = audited(data, PUBLISHED)
    lint(folder)
    card = (folder / "MODEL_CARD.md").read_text()
    assert "license: cc-by-4.0\n" in card and "unknown" not in card.split("\n---\n")[0]
    assert "The Label" in card


def test_an_audit_of_an_unchanged_root_writes_the_same_files(data: DataRoot, tmp_path: Path) -> None:
    inputs = AuditInputs(data)
    subject = find_subject(inputs, CHECKPOINT)
    report = build_report(inputs, subject, config=load_config())
    written = [write_audit(inputs, subject, report, output=tmp_path / name) for name in ("a", "b")]
    first, second = (
        {path.relative_to(audit.folder): path.read_bytes() for path in audit.files} for audit in written
    )
    assert first == second
