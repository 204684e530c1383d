"""A tampered byte anywhere is found and named; what is as it was is not blamed."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from lofi_pipeline.audit import AuditInputs, BrokenRecord, build_report, is_intact, not_intact, write_audit
from lofi_pipeline.audit.integrity.ledger import enter_subject
from lofi_pipeline.audit.subject import find_subject
from lofi_pipeline.checkpoints.folder import PEFT_FILE, read_checkpoint_record
from lofi_pipeline.checkpoints.manifest import activate_lineage, compile_manifest, scan_checkpoints
from lofi_pipeline.checkpoints.retention import prune
from lofi_pipeline.config import RetentionSettings, load_config
from lofi_pipeline.dataset import build_dataset, load_version
from lofi_pipeline.entities import AuditReport, CheckpointRecord, Severity
from lofi_pipeline.licensing import withdraw
from lofi_pipeline.storage import (
    DataRoot,
    append_to_ledger,
    content_sha256,
    ledger_path,
    read_json,
    read_ledger,
    write_json_atomic,
    write_sealed,
)
from lofi_pipeline_tests.audit.roots import land, lineage_for, other_lineage, score
from lofi_pipeline_tests.drops import facts, make_drop, register, work

ID = "epoch=0-step=60_lora"
CHECKPOINT = f"checkpoints/{ID}"
Change = Callable[[Path], object]


def audit(root: DataRoot, subject: str = ID, *, quick: bool = False) -> AuditReport:
    inputs = AuditInputs(root)
    return build_report(inputs, find_subject(inputs, subject), config=load_config(), quick=quick)


def named(report: AuditReport) -> set[str]:
    return {finding.where for finding in report.of_severity(Severity.ERROR)}


def flip(path: Path, position: int | None = None) -> None:
    """Change one byte; by default the one in the middle."""
    data = bytearray(path.read_bytes())
    position = len(data) // 2 if position is None else position
    data[position] ^= 0x01
    path.write_bytes(data)


def edit(*keys: str | int, to: object) -> Change:
    """Change one value of a JSON file, written as this project writes it."""

    def change(path: Path) -> None:
        value = data = read_json(path)
        for key in keys[:-1]:
            value = value[key]
        assert value[keys[-1]] != to
        value[keys[-1]] = to
        path.write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n")

    return change


def remove(path: Path) -> None:
    path.unlink()


def versions(root: DataRoot) -> list[Path]:
    return sorted((root.metadata / "datasets").glob("*.json"))


TAMPERED: list[tuple[str, Change]] = [
    ("raw/creative-commons/commons/a.wav", flip),
    ("raw/commissioned/session/d.wav", flip),
    ("raw/commissioned/session/contract.txt", flip),
    ("raw/commissioned/session/contract.txt", remove),
    ("final/track_003.mp3", flip),
    ("final/track_003.mp3", remove),
    ("final/track_003_prompt.txt", flip),
    ("final/track_003_lyrics.txt", flip),
    ("processed/core/track_003.mp3", flip),
    ("processed/core/track_003_prompt.txt", flip),
    ("metadata/tracks/track_003.json", edit("processed", "audio_sha256", to="0" * 64)),
    ("metadata/tracks/track_003.json", edit("sha256", to="0" * 64)),
    ("metadata/tracks/track_003.json", lambda path: path.write_text("{half")),
    ("metadata/registry.json", edit("tracks", 2, "sha256", to="0" * 64)),
    ("metadata/dataset_manifest.json", edit("created", to="2025-01-01T00:00:00Z")),
    ("metadata/drops.json", lambda path: path.write_text("no json")),
    ("metadata/seals.jsonl", flip),
    (f"{CHECKPOINT}/checkpoint.json", edit("loss", to=0.25)),
    (f"{CHECKPOINT}/checkpoint.json", edit("checkpoint", "timestamp", to="2025-01-01T00:00:00Z")),
    (f"{CHECKPOINT}/checkpoint.json", edit("lineage", "preset", to="other")),
    (f"{CHECKPOINT}/checkpoint.json", edit("lineage", "base", "sha256", to="0" * 64)),
    (f"{CHECKPOINT}/checkpoint.json", edit("pruned", to=True)),
    (f"{CHECKPOINT}/adapter_model.safetensors", flip),
    (f"{CHECKPOINT}/adapter_model.safetensors", remove),
    (f"{CHECKPOINT}/pytorch_lora_weights.safetensors", flip),
    (f"{CHECKPOINT}/resume/optimizer.safetensors", flip),
    (f"{CHECKPOINT}/adapter_config.json", flip),
    (f"{CHECKPOINT}/scores.json", edit("metrics", "fad_score", to=0.5)),
    (f"{CHECKPOINT}/scores.json", edit("clap_shuffled", to=0.0)),
    (f"{CHECKPOINT}/scores.json", remove),
    (f"{CHECKPOINT}/samples/01.flac", flip),
    ("checkpoints/manifest.json", edit(0, "fad_score", to=0.5)),
    ("checkpoints/manifest.json", remove),
]


@pytest.mark.parametrize(("file", "change"), TAMPERED)
def test_what_was_tampered_with_is_named(data: DataRoot, file: str, change: Change) -> None:
    assert (data.path / file).is_file()
    change(data.path / file)
    report = audit(data)
    assert named(report) == {file}, report.findings
    assert not report.clean
    assert not is_intact(report)
    for finding in report.of_severity(Severity.ERROR):
        assert file in finding.sentence


VERSION_EDITS: list[Change] = [
    edit("tracks", 0, "prompt", to="lofi"),
    edit("tracks", 1, "licence", to="CC0-1.0"),
    edit("tracks", 2, "audio_sha256", to="0" * 64),
    edit("tracks", 2, "source_ids", to=["session"]),
    edit("sources", 0, "cost", to=1.0),
    edit("provenance", 0, "verdict", "reason", to="Because."),
    edit("provenance", 1, "grant", "revocable", to=True),
    edit("dataset", "created", to="2025-01-01T00:00:00Z"),
    edit("dataset", "dataset_id", to="mine"),
    edit("dataset", "total_duration", to=9.0),
    lambda path: path.write_text(path.read_text() + " "),
]


@pytest.mark.parametrize("change", VERSION_EDITS)
def test_an_edited_version_is_named(data: DataRoot, change: Change) -> None:
    (path,) = versions(data)
    change(path)
    report = audit(data)
    assert data.relative(path) in named(report)
    codes = [finding.code for finding in report.findings if finding.where == data.relative(path)]
    assert "version-changed" in codes


@pytest.mark.parametrize("file", ["version", f"{CHECKPOINT}/checkpoint.json", f"{CHECKPOINT}/scores.json"])
def test_any_byte_of_the_records_that_prove(data: DataRoot, file: str) -> None:
    """Random bytes of the three records that everything rests on: each flip is found."""
    path = versions(data)[0] if file == "version" else data.path / file
    whole = path.read_bytes()
    for position in random.Random(0).sample(range(len(whole)), 25):
        flip(path, position)
        try:
            report = audit(data, quick=True)
        except BrokenRecord as error:
            assert path.name in str(error)
        else:
            assert not is_intact(report), f"byte {position}: {whole[position - 20 : position + 20]!r}"
        path.write_bytes(whole)


def test_an_intact_record_is_clean_and_everything_was_hashed(data: DataRoot) -> None:
    report = audit(data)
    assert report.clean
    assert not not_intact(report)
    assert report.integrity.checked
    files = [
        path
        for folder in ("raw", "final", "validation", "checkpoints")
        for path in (data.path / folder).rglob("*")
    ]
    read = [path for path in files if path.is_file() and not path.name.endswith(".lock")]
    assert (
        report.integrity.files >= len(read) - 5
    )  # source.json twice, checkpoint.json, manifest.json are compared instead
    assert report.integrity.absent_originals == 0


def test_quick_reads_no_music_and_no_weights_but_proves_the_rest(data: DataRoot) -> None:
    flip(data.path / "final/track_003.mp3")
    flip(data.path / CHECKPOINT / "adapter_model.safetensors")
    report = audit(data, quick=True)
    assert report.clean
    assert not report.integrity.checked
    flip(data.path / "raw/commissioned/session/contract.txt")
    (data.path / "final/track_003.mp3").unlink()
    assert named(audit(data, quick=True)) == {"raw/commissioned/session/contract.txt", "final/track_003.mp3"}


def test_a_missing_version_or_record_is_named(data: DataRoot) -> None:
    (path,) = versions(data)
    path.rename(path.with_suffix(".gone"))
    with pytest.raises(BrokenRecord, match=path.name):
        audit(data)
    path.with_suffix(".gone").rename(path)
    (data.path / CHECKPOINT / "checkpoint.json").write_text("{half")
    with pytest.raises(BrokenRecord, match="checkpoint.json"):
        audit(data)


def test_a_foreign_file_in_a_checkpoint_is_told(data: DataRoot) -> None:
    (data.path / CHECKPOINT / "extra.bin").write_bytes(b"x")
    report = audit(data)
    assert [f.where for f in report.findings if f.code == "file-foreign"] == [f"{CHECKPOINT}/extra.bin"]


def test_removed_originals_are_told_not_blamed(data: DataRoot) -> None:
    (data.path / "raw/creative-commons/commons/a.wav").unlink()
    report = audit(data)
    assert report.clean
    assert report.integrity.absent_originals == 1
    assert "original-absent" in {finding.code for finding in report.findings}


def test_what_a_newer_version_put_in_its_place_is_not_blamed(data: DataRoot) -> None:
    former = versions(data)[0].stem
    commons = read_json(data.raw / "creative-commons" / "commons" / "source.json")
    commons["defaults"]["style_ids"] = ["CORE-02"]
    (data.raw / "creative-commons" / "commons" / "source.json").write_text(json.dumps(commons))
    work(data)
    assert build_dataset(data, load_config()).version.dataset.hash != former
    report = audit(data, former)
    assert report.clean, report.of_severity(Severity.ERROR)
    assert "replaced" in {finding.code for finding in report.findings}
    (data.final / "track_003_prompt.txt").write_text("tampered")
    linked = "processed/core/track_003_prompt.txt"
    assert named(audit(data, former)) == {"final/track_003_prompt.txt", linked}


def test_a_withdrawn_track_leaves_the_old_version_whole(data: DataRoot) -> None:
    withdraw(data, "session", reason="it ended", day=date.today())
    register(data)
    build_dataset(data, load_config())
    report = audit(data)
    assert is_intact(report), not_intact(report)
    assert "not-published" in {finding.code for finding in report.findings}
    (data.metadata / "withdrawals.json").write_text('{"withdrawals": []}')
    assert "metadata/withdrawals.json" in named(audit(data))


def test_scores_measured_anew_by_the_pipeline_are_not_blamed(data: DataRoot) -> None:
    folder = data.path / CHECKPOINT
    record = find_subject(AuditInputs(data), ID).checkpoint
    assert record is not None and record.record is not None
    score(data, folder, record.record, fad=0.75)
    compile_manifest(data)
    assert audit(data).clean


def test_a_checkpoint_copied_in_is_sealed_by_its_first_audit(data: DataRoot, tmp_path: Path) -> None:
    # To a data root with a ledger of its own, in which another version was sealed
    of_this_root = shutil.ignore_patterns("seals.jsonl", "drops.json", "built_from.json")
    other = DataRoot(shutil.copytree(data.path, tmp_path / "other", ignore=of_this_root))
    append_to_ledger(other, {"metadata/datasets/another.json": "0" * 64})
    report = audit(other)
    assert report.clean
    inputs = AuditInputs(other)
    assert enter_subject(inputs, find_subject(inputs, ID))
    mark = audit(other).integrity.ledger
    assert mark is not None and mark.lines > 1
    edit("loss", to=0.25)(other.path / CHECKPOINT / "checkpoint.json")
    assert named(audit(other)) == {f"{CHECKPOINT}/checkpoint.json"}


def test_an_audit_replaces_no_entry_that_was_made_since_it_began(data: DataRoot, tmp_path: Path) -> None:
    of_this_root = shutil.ignore_patterns("seals.jsonl", "drops.json", "built_from.json")
    other = DataRoot(shutil.copytree(data.path, tmp_path / "other", ignore=of_this_root))
    inputs = AuditInputs(other)
    subject = find_subject(inputs, ID)
    key = subject.checkpoint.key  # type: ignore[union-attr]
    assert not inputs.ledger.hashes
    append_to_ledger(other, {key: "0" * 64})
    assert key not in enter_subject(inputs, subject)
    assert read_ledger(other).hashes[key] == "0" * 64


def twins(root: DataRoot) -> tuple[CheckpointRecord, CheckpointRecord]:
    """Two checkpoints of two lineages with the same adapter, byte for byte; the earlier one lies in the archive."""
    lineage = lineage_for(load_version(root))
    first = read_checkpoint_record(root.checkpoint(ID))
    adapter = (root.checkpoint(ID) / PEFT_FILE).read_bytes()
    other = other_lineage(lineage)
    activate_lineage(root, other)
    second = land(root, other, 60, adapter=adapter)
    assert first.files[PEFT_FILE] == second.files[PEFT_FILE]
    return first, second


def test_two_lineages_with_the_same_adapter_are_both_clean(data: DataRoot) -> None:
    for record in twins(data):
        report = audit(data, record.partition_key)
        assert report.clean, not_intact(report)


@pytest.mark.parametrize("which", [0, 1])
def test_a_changed_record_does_not_slip_out_under_the_adapter_of_another(data: DataRoot, which: int) -> None:
    """Neither under its own partition key, nor under one that nobody entered."""
    record = twins(data)[which]
    folder = find_subject(AuditInputs(data), record.partition_key).checkpoint.folder  # type: ignore[union-attr]
    path = folder / "checkpoint.json"
    whole = path.read_bytes()
    edit("loss", to=0.25)(path)
    assert named(audit(data, record.partition_key)) == {data.relative(path)}
    path.write_bytes(whole)
    config_hash = content_sha256("settings that nobody trained with")
    lineage = content_sha256({"dataset": record.lineage.dataset_hash, "config": config_hash})
    edit("lineage", "config_hash", to=config_hash)(path)
    edit("lineage", "lineage", to=lineage)(path)
    edit("checkpoint", "config_hash", to=config_hash)(path)
    report = audit(data, f"{lineage[:8]}-step000060")
    assert data.relative(path) in {finding.where for finding in not_intact(report)}
    assert "not what was sealed" in " ".join(finding.sentence for finding in report.findings)


def cut(root: DataRoot, lines: int) -> None:
    """Take lines off the end of the ledger of seals; the chain of what is left holds."""
    kept = ledger_path(root).read_bytes().splitlines(keepends=True)[:-lines]
    ledger_path(root).write_bytes(b"".join(kept))
    assert read_ledger(root).broken is None


def test_lines_cut_off_the_end_of_the_seals_are_found_with_the_withdrawal_they_hid(data: DataRoot) -> None:
    withdraw(data, "session", reason="it ended", day=date.today())
    register(data)
    whole, withdrawals = ledger_path(data).read_bytes(), data.metadata / "withdrawals.json"
    total, known = len(read_ledger(data).heads), read_json(data.drops_json)["ledger"]["lines"]
    withdrawals.unlink()
    for lines in range(1, total + 1):
        ledger_path(data).write_bytes(whole)
        cut(data, lines)
        found = audit(data).findings
        if lines <= total - known:  # no record tells of these, but they are of the scan itself
            assert {"metadata/withdrawals.json", "metadata/drops.json"} & {each.where for each in found}
            continue
        (finding,) = [each for each in found if each.code == "seals-cut"]
        assert f"it had {known} lines" in finding.sentence and "withdrawals" in finding.sentence
    register(data)  # a later scan does not make anybody forget
    append_to_ledger(data, {f"more-{number}": "0" * 64 for number in range(total + 5)})
    assert "seals-cut" in {finding.code for finding in audit(data).findings}


def test_a_later_checkpoint_bears_witness_of_the_seals_before_it(data: DataRoot) -> None:
    before = len(read_ledger(data).heads)
    landed = land(data, lineage_for(load_version(data)), 120)
    write_json_atomic(data.built_from_json, {**read_json(data.built_from_json), "ledger": None})
    write_sealed(data, data.drops_json, {**read_json(data.drops_json), "ledger": None})
    assert audit(data).clean
    cut(data, len(read_ledger(data).heads) - before + 1)
    (finding,) = [each for each in audit(data).findings if each.code == "seals-cut"]
    assert landed.partition_key in finding.sentence


def test_an_audit_bears_witness_for_the_next_one(data: DataRoot) -> None:
    subject = find_subject(AuditInputs(data), ID)
    append_to_ledger(data, {"something": "0" * 64})
    write_audit(AuditInputs(data), subject, audit(data))
    cut(data, 1)
    assert "seals-cut" in {finding.code for finding in audit(data).findings}
    write_audit(AuditInputs(data), subject, audit(data))
    assert "seals-cut" in {finding.code for finding in audit(data).findings}


def test_a_pruned_checkpoint_is_proved_by_what_is_left(data: DataRoot) -> None:
    version = build_dataset(data, load_config()).version
    for step in (120, 180, 240):
        land(data, lineage_for(version), step)
    prune(data, RetentionSettings(keep_best=1, keep_most=1))
    steps = {found.step: found.record for found in scan_checkpoints(data) if found.record}
    pruned = [step for step, record in steps.items() if record.pruned]
    assert pruned
    report = audit(data, f"epoch=0-step={pruned[0]}_lora")
    assert report.clean
    assert "checkpoint-pruned" in {finding.code for finding in report.findings}
    flip(data.checkpoint(f"epoch=0-step={pruned[0]}_lora") / "adapter_config.json")
    assert not audit(data, f"epoch=0-step={pruned[0]}_lora").clean


def test_links_out_of_the_data_root_are_not_followed(data: DataRoot, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"x")
    target = data.path / CHECKPOINT / "adapter_model.safetensors"
    target.unlink()
    target.symlink_to(secret)
    assert named(audit(data)) == {f"{CHECKPOINT}/adapter_model.safetensors"}


def test_an_edited_source_json_is_told(data: DataRoot) -> None:
    make_drop(data, "commons", {}, facts(source_id="commons", license_type="CC0 1.0", provider="me"))
    report = audit(data)
    (finding,) = [finding for finding in report.findings if finding.code == "source-json-changed"]
    assert "provider" in finding.sentence
    assert "license_type" in finding.sentence
    assert report.sources[0].record.license_type == "CC BY 4.0"
