"""`lofi export-training`: what a bundle holds, what it refuses there, and how its checkpoints are known again here."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from lofi_pipeline.audit import AuditInputs, build_report, find_subject
from lofi_pipeline.checkpoints.manifest import activate_lineage, compile_manifest, read_record, write_record
from lofi_pipeline.config import PipelineConfig
from lofi_pipeline.dataset import build_dataset, load_version
from lofi_pipeline.entities import AuditReport, Severity
from lofi_pipeline.exporting import ExportError
from lofi_pipeline.exporting.training import NEEDED, export_training
from lofi_pipeline.licensing import withdraw
from lofi_pipeline.storage import DataRoot, content_sha256
from lofi_pipeline.training.checkpoints import verify_checkpoint
from lofi_pipeline.training.encode import encode_dataset, read_encoded
from lofi_pipeline.training.errors import TrainingError
from lofi_pipeline.training.packing import pack
from lofi_pipeline.training.shards import keys_in, read_shard, write_shard
from lofi_pipeline.training.weights import PEFT_FILE
from lofi_pipeline_tests.damage.damages import flip_unseen
from lofi_pipeline_tests.drops import settings
from lofi_pipeline_tests.exporting.elsewhere import train_elsewhere
from lofi_pipeline_tests.training.toy import save_planned_base, save_toy_base, toy_preset

LANDED = "epoch=0-step=2_lora"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    return save_planned_base(folder / "planned", save_toy_base(folder / "toy"))


@pytest.fixture(scope="module")
def config(base: Path) -> PipelineConfig:
    presets = {"toy": toy_preset(max_steps=2, plan_share=0.5).model_dump()}
    return settings(training={"base": str(base), "active": "toy", "presets": presets})


@pytest.fixture(scope="module")
def encoded(
    exported_from: DataRoot, config: PipelineConfig, tmp_path_factory: pytest.TempPathFactory
) -> DataRoot:
    """A data root that is encoded for the toy base, with a bundle beside it. Do not change either."""
    root = DataRoot(tmp_path_factory.mktemp("encoded") / "data")
    shutil.copytree(exported_from.path, root.path)
    encode_dataset(load_version(root), root, config.training.base, config.training.preset, device="cpu")
    export_training(root, config, root.path.with_name("bundle"))
    return root


@pytest.fixture
def root(encoded: DataRoot, tmp_path: Path) -> DataRoot:
    """A copy of the data root that the bundle was exported from."""
    shutil.copytree(encoded.path, tmp_path / "data")
    return DataRoot(tmp_path / "data")


@pytest.fixture
def bundle(encoded: DataRoot, tmp_path: Path) -> Path:
    """A copy of the bundle."""
    shutil.copytree(encoded.path.with_name("bundle"), tmp_path / "bundle", copy_function=shutil.copyfile)
    return tmp_path / "bundle"


@pytest.fixture(scope="module")
def trained(encoded: DataRoot, base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle's checkpoints folder, after it was trained on the other machine. Do not change it."""
    there = tmp_path_factory.mktemp("elsewhere") / "bundle"
    shutil.copytree(encoded.path.with_name("bundle"), there, copy_function=shutil.copyfile)
    done = train_elsewhere(there, base)
    assert done.returncode == 0, done.stdout + done.stderr
    return DataRoot(there / "data").checkpoints


def audit(root: DataRoot, config: PipelineConfig, name: str = LANDED) -> AuditReport:
    inputs = AuditInputs(root)
    return build_report(inputs, find_subject(inputs, name), config=config)


def brought_back(root: DataRoot, trained: Path) -> Path:
    """The checkpoint's folder, copied into a data root."""
    folder = root.checkpoint(LANDED)
    shutil.copytree(trained / LANDED, folder, copy_function=shutil.copyfile)
    compile_manifest(root)
    return folder


def test_it_trains_where_nothing_of_the_pipeline_is_installed(trained: Path, bundle: Path) -> None:
    said = json.loads((bundle / "bundle.json").read_bytes())
    assert read_record(trained / LANDED).lineage.lineage == said["lineage"]["lineage"]


def test_its_checkpoint_is_whole_and_the_audit_clean_where_it_is_brought_back(
    root: DataRoot, trained: Path, config: PipelineConfig
) -> None:
    folder = brought_back(root, trained)
    assert verify_checkpoint(root, folder, config.training.base) == (True, None)
    report = audit(root, config)
    assert report.of_severity(Severity.ERROR) == []
    assert "trained-elsewhere" in {finding.code for finding in report.findings}


def test_a_checkpoint_of_another_training_is_not_of_the_bundle(
    root: DataRoot, trained: Path, config: PipelineConfig
) -> None:
    folder = brought_back(root, trained)
    record = read_record(folder)
    other = content_sha256("another configuration")
    lineage = record.lineage.model_copy(
        update={
            "config_hash": other,
            "lineage": content_sha256({"dataset": record.lineage.dataset_hash, "config": other}),
        }
    )
    checkpoint = record.checkpoint.model_copy(update={"config_hash": other})
    write_record(folder, record.model_copy(update={"lineage": lineage, "checkpoint": checkpoint}))
    compile_manifest(root)
    errors = audit(root, config).of_severity(Severity.ERROR)
    assert any("exported for another training" in finding.sentence for finding in errors)


def test_what_waits_in_the_archive_becomes_the_active_training(root: DataRoot, trained: Path) -> None:
    lineage = read_record(trained / LANDED).lineage
    shutil.copytree(trained, root.archived_lineage(lineage.lineage))
    activate_lineage(root, lineage)
    assert root.checkpoint(LANDED).is_dir()
    assert (root.checkpoints / "training_log.jsonl").is_file()


def test_a_bundle_has_no_music_no_weights_and_no_secrets_of_the_sources(bundle: Path, root: DataRoot) -> None:
    files = [path for path in bundle.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} <= {
        ".safetensors",
        ".json",
        ".jsonl",
        ".py",
        ".txt",
        ".md",
        ".csv",
        ".lock",
    }
    tensors = {path.relative_to(bundle).parts[:3] for path in files if path.suffix == ".safetensors"}
    assert tensors == {("data", "cache", "latents"), ("data", "cache", "conditions")}
    texts = "".join(path.read_text(encoding="utf-8") for path in files if path.suffix in (".json", ".jsonl"))
    assert "contract.txt" not in texts and '"cost"' not in texts
    assert str(root.path.parent) not in texts
    assert "Bo" in (bundle / "ATTRIBUTION.md").read_text(encoding="utf-8")
    assert "licensed music" in (bundle / "README.md").read_text(encoding="utf-8")
    names = [line.split("==")[0] for line in (bundle / "requirements.txt").read_text().splitlines()]
    assert tuple(names) == NEEDED


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


CHANGED: dict[str, Callable[[Path], Path]] = {
    "latents": lambda bundle: next((bundle / "data/cache/latents").rglob("*.safetensors")),
    "a condition": lambda bundle: next((bundle / "data/cache/conditions").rglob("*.safetensors")),
    "the data set": lambda bundle: next((bundle / "data/metadata/datasets").iterdir()),
    "the loop": lambda bundle: bundle / "code/lofi_pipeline/training/loop.py",
}


@pytest.mark.parametrize("kind", CHANGED)
def test_a_bundle_of_which_a_file_was_changed_is_refused(kind: str, bundle: Path, base: Path) -> None:
    changed = CHANGED[kind](bundle)
    _flip(changed)
    done = train_elsewhere(bundle, base)
    assert done.returncode == 1
    assert changed.name in done.stderr and "copy the bundle again" in done.stderr


def test_a_list_of_files_that_was_written_anew_is_refused(bundle: Path, base: Path) -> None:
    latents, record = CHANGED["latents"](bundle), bundle / "bundle.json"
    said = json.loads(record.read_bytes())
    del said["files"][latents.relative_to(bundle).as_posix()]
    record.write_text(json.dumps(said))
    done = train_elsewhere(bundle, base)
    assert done.returncode == 1 and "is not the one that was exported" in done.stderr


def test_the_same_command_again_replaces_a_bundle_that_nobody_used(
    root: DataRoot, bundle: Path, config: PipelineConfig, trained: Path
) -> None:
    before = (bundle / "bundle.json").read_bytes()
    assert export_training(root, config, bundle).folder == bundle
    assert (bundle / "bundle.json").read_bytes() == before
    shutil.copytree(trained / LANDED, bundle / "data" / "checkpoints" / LANDED)
    with pytest.raises(ExportError, match="move it away"):
        export_training(root, config, bundle)
    assert (bundle / "data" / "checkpoints" / LANDED).is_dir()


def test_another_base_is_refused(bundle: Path, tmp_path: Path) -> None:
    done = train_elsewhere(bundle, save_toy_base(tmp_path / "other", seed=1))
    assert done.returncode == 1 and "that the latents were made with" in done.stderr


def test_nothing_is_packed_that_may_not_be_used_or_is_not_there(
    root: DataRoot, config: PipelineConfig, tmp_path: Path
) -> None:
    out = tmp_path / "out" / "bundle"
    out.parent.mkdir()
    latents = next((root.cache / "latents").rglob("*.safetensors"))
    data, before = latents.read_bytes(), latents.stat()
    _flip(latents)
    os.utime(latents, ns=(before.st_atime_ns, before.st_mtime_ns))  # as a bad disk changes it
    with pytest.raises(ExportError, match="is damaged"):
        export_training(root, config, out)
    latents.unlink()
    with pytest.raises(ExportError, match="lofi run --to encoded_dataset"):
        export_training(root, config, out)
    latents.write_bytes(data)
    withdraw(root, "session", reason="it ended", day=date.today())
    with pytest.raises(ExportError, match="it ended.*builds the data set without them"):
        export_training(root, config, out)
    assert list(out.parent.iterdir()) == []


def test_of_a_shard_goes_out_what_is_trained_on_and_nothing_else(
    root: DataRoot, config: PipelineConfig, base: Path, tmp_path: Path
) -> None:
    version, preset = load_version(root), config.training.preset
    pack(root, read_encoded(version, root, str(base), preset))
    (path,) = (root.cache / "latents").glob("*/shards/*")
    (folder,) = (root.cache / "conditions").glob("*")
    export_training(root, config, tmp_path / "one")
    inner = DataRoot(tmp_path / "one" / "data")
    assert read_encoded(version, inner, str(base), preset) == read_encoded(version, root, str(base), preset)
    shard = read_shard(path)
    assert shard
    others = {key: shard.tensors(key) for key in shard.shapes} | {"f" * 64: shard.tensors(min(shard.shapes))}
    write_shard(path.parent.parent, "latents", shard.base_sha256, others)
    path.unlink()
    export_training(root, config, tmp_path / "other")
    (out,) = (tmp_path / "other" / "data" / "cache" / "latents").glob("*/shards/*")
    assert keys_in(out) == shard.shapes.keys() and out.name == path.name
    flip_unseen(next(folder.glob("shards/*")))
    with pytest.raises(ExportError, match="conditions/.*is damaged"):
        export_training(root, config, tmp_path / "third")


def going_on_from(root: DataRoot, trained: Path, config: PipelineConfig) -> PipelineConfig:
    """The configuration of a training that starts from the checkpoint that was brought back into `root`."""
    key = read_record(brought_back(root, trained)).partition_key
    preset = config.training.preset.model_copy(update={"start_from": key, "seed": 1})
    training = config.training.model_copy(update={"presets": {"toy": preset}})
    return config.model_copy(update={"training": training})


def test_the_lora_that_a_training_starts_from_goes_with_it(
    root: DataRoot, trained: Path, config: PipelineConfig, tmp_path: Path
) -> None:
    config = going_on_from(root, trained, config)
    record = read_record(root.checkpoint(LANDED))
    export_training(root, config, tmp_path / "bundle")
    (there,) = (tmp_path / "bundle" / "data" / "checkpoints").rglob(LANDED)
    files = {it.relative_to(there).as_posix() for it in there.rglob("*") if it.is_file()}
    assert files == {"checkpoint.json", *record.files}
    assert "--exclude /archive/" in (tmp_path / "bundle" / "README.md").read_text(encoding="utf-8")
    weights = there / PEFT_FILE
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    done = train_elsewhere(tmp_path / "bundle", Path(config.training.base))
    assert done.returncode == 1 and "copy the bundle again" in done.stderr
    flip_unseen(root.checkpoint(LANDED) / PEFT_FILE)
    with pytest.raises(TrainingError, match="start_from .*copy the whole folder"):
        export_training(root, config, tmp_path / "other")


def test_a_start_that_heard_withdrawn_music_is_not_exported(
    root: DataRoot, trained: Path, config: PipelineConfig, tmp_path: Path
) -> None:
    config = going_on_from(root, trained, config)
    withdraw(root, "session", reason="it ended", day=date.today())
    build_dataset(root, config)
    with pytest.raises(TrainingError, match="was trained on track_.* of session, which was withdrawn"):
        export_training(root, config, tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


@pytest.mark.slow
def test_two_processes_of_accelerate_go_on_from_the_lora_in_the_bundle(
    root: DataRoot, trained: Path, config: PipelineConfig, base: Path, tmp_path: Path
) -> None:
    config = going_on_from(root, trained, config)
    start = read_record(root.checkpoint(LANDED)).partition_key
    lineage = export_training(root, config, tmp_path / "bundle").lineage.lineage
    done = train_elsewhere(tmp_path / "bundle", base, processes=2)
    assert done.returncode == 0, done.stdout + done.stderr
    there = tmp_path / "bundle" / "data" / "checkpoints"
    home = root.archived_lineage(lineage)
    shutil.copytree(there, home, ignore=shutil.ignore_patterns("archive"), copy_function=shutil.copyfile)
    record = read_record(home / LANDED)
    assert record.lineage.started_from and record.lineage.started_from.partition_key == start
    activate_lineage(root, record.lineage)
    assert verify_checkpoint(root, root.checkpoint(LANDED), config.training.base) == (True, None)
    assert audit(root, config, record.partition_key).of_severity(Severity.ERROR) == []
