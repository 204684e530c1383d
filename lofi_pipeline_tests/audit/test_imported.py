"""A LoRA that was trained elsewhere: its audit says what nobody can prove, and nothing of ours takes it for its own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import torch
from click.testing import Result
from safetensors.torch import save_file
from typer.testing import CliRunner

from lofi_pipeline.assets.license_audit import (
    IN_FORCE,
    INTACT,
    LISTED,
    NOT_WITHDRAWN,
    standing_audits,
)
from lofi_pipeline.assets.lora_checkpoints import standing_checkpoints
from lofi_pipeline.assets.partitions import CHECKPOINTS
from lofi_pipeline.assets.quality_metrics import quality_metrics
from lofi_pipeline.audit import is_written
from lofi_pipeline.audit.fsck import check_data_root
from lofi_pipeline.checkpoints.folder import imported_checkpoints
from lofi_pipeline.checkpoints.ledger_entries import enter_scores
from lofi_pipeline.checkpoints.manifest import LINEAGE_RECORD, compile_manifest
from lofi_pipeline.checkpoints.retention import prune
from lofi_pipeline.cli.app import app
from lofi_pipeline.cli.generate_clips import find_folder
from lofi_pipeline.cli.run_summary import summarize
from lofi_pipeline.config import RetentionSettings, load_config
from lofi_pipeline.dataset import load_version
from lofi_pipeline.entities import CheckpointRecord, DatasetVersion, Scores
from lofi_pipeline.evaluation.errors import EvaluationError
from lofi_pipeline.evaluation.records import read_scores, write_scores
from lofi_pipeline.resources import Workspace
from lofi_pipeline.storage import DataRoot, read_ledger, write_json_atomic
from lofi_pipeline.training.importing.commit import Claims, import_lora
from lofi_pipeline_tests.audit.roots import lineage_for
from lofi_pipeline_tests.audit.test_asset import audit
from lofi_pipeline_tests.training.toy import WIDTH, save_toy_base

OURS = "epoch=0-step=60_lora"
CLAIMS = Claims("Rain <script>x</script>", "CC BY 4.0 [bold]", "https://example.org/[x](y)")
MODULE = "lora_unet_layers_0_self_attn_q_proj"


@pytest.fixture(scope="module")
def with_theirs(audited: DataRoot, tmp_path_factory: pytest.TempPathFactory) -> DataRoot:
    """`audited`, and a LoRA that was trained elsewhere. Do not change it."""
    folder = tmp_path_factory.mktemp("with-theirs")
    shutil.copytree(audited.path, folder / "data")
    tensors = {
        f"{MODULE}.lora_down.weight": torch.ones(2, WIDTH),
        f"{MODULE}.lora_up.weight": torch.ones(WIDTH, 2),
        f"{MODULE}.alpha": torch.tensor(1.0),
    }
    save_file(tensors, folder / "theirs.safetensors")
    root = DataRoot(folder / "data")
    base = save_toy_base(folder / "toy")
    import_lora(root, folder / "theirs.safetensors", base=str(base), claims=CLAIMS)
    return root


@pytest.fixture
def root(with_theirs: DataRoot, tmp_path: Path) -> DataRoot:
    """A copy of `with_theirs`."""
    shutil.copytree(with_theirs.path, tmp_path / "data")
    return DataRoot(tmp_path / "data")


def theirs(root: DataRoot) -> CheckpointRecord:
    (found,) = imported_checkpoints(root)
    assert found.record
    return found.record


def lofi(root: DataRoot, *arguments: object) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments), "--data", str(root.path)])  # type: ignore[return-value]


def audited_as(root: DataRoot, name: str) -> dict[str, Any]:
    done = lofi(root, "audit", name, "--json", root.path / "out.json")
    said = json.loads((root.path / "out.json").read_text())
    assert done.exit_code == (0 if said["clean"] else 1), done.output
    return said | {"shown": done.output}


def scored(root: DataRoot, fad: float) -> Scores:
    """Scores of theirs, made as those of ours."""
    record, (found,) = theirs(root), imported_checkpoints(root)
    ours = read_scores(root.checkpoint(OURS))
    assert ours
    metrics = ours.metrics.model_copy(update={"checkpoint_id": found.folder.name, "fad_score": fad})
    scores = ours.model_copy(update={"metrics": metrics, "step": 1, "samples": []})
    enter_scores(root, found.folder, record, scores)
    write_scores(found.folder, scores)
    compile_manifest(root, found.folder.parent)
    return scores


def test_its_audit_says_what_cannot_be_proved_and_is_not_clean(root: DataRoot) -> None:
    key = theirs(root).partition_key
    said = audited_as(root, key)
    errors = [finding for finding in said["findings"] if finding["severity"] == "error"]
    assert [finding["code"] for finding in errors] == ["origin-unknown"]
    sentence = errors[0]["sentence"]
    assert "what it was trained on, and who allowed it, cannot be proved" in sentence
    assert f'name "{CLAIMS.name}"; licence "{CLAIMS.licence}"; from "{CLAIMS.url}"' in sentence
    assert not said["now"]["permitted"] and not said["then"]["commercial_use"]
    assert said["tracks"] == said["sources"] == said["attribution"] == [] and said["training"] is None
    assert "cannot be proved" in said["shown"]
    # The audit without another fault seals it
    assert key in read_ledger(root).hashes


def test_audits_of_ours_stay_as_they_were(audited: DataRoot, root: DataRoot, tmp_path: Path) -> None:
    shutil.copytree(audited.path, tmp_path / "alone")
    said = [audited_as(each, OURS) for each in (root, DataRoot(tmp_path / "alone"))]
    for report in said:
        assert report["clean"]
        for changing in ("made", "folder", "integrity", "shown"):
            del report[changing]
    assert said[0] == said[1]


def test_what_is_written_of_it_claims_no_music_and_no_licence(root: DataRoot, tmp_path: Path) -> None:
    config = tmp_path / "config"
    shutil.copytree(Path(__file__).parents[2] / "config", config)
    path = config / "pipeline.yaml"
    path.write_text(path.read_text() + "\npublication: {weights_licence: MIT, provider: The Label}\n")
    key = theirs(root).partition_key
    said = lofi(root, "audit", key, "--config", path)
    assert said.exit_code == 1, said.output
    folder = root.audits / key
    assert is_written(folder)
    assert {it.name for it in folder.iterdir()} == {"report.json", "audit.html", "MODEL_CARD.md", "ORIGIN.md"}
    card, page, origin = (
        (folder / name).read_text() for name in ("MODEL_CARD.md", "audit.html", "ORIGIN.md")
    )
    assert lofi(root, "audit", OURS, "--config", path).exit_code == 0
    assert "license: mit" in (root.audits / OURS / "MODEL_CARD.md").read_text()
    assert "license: unknown" in card and "Origin unknown" in card and "MIT" not in card + page
    assert "The Label" not in card + page
    assert "proved by nothing here" in card and "proved by nothing here" in origin and "Not clean" in page
    assert "<script>" not in card + page + origin and "](y)" not in card + origin


def test_it_is_checked_compared_and_looked_up_like_ours(root: DataRoot) -> None:
    record, (found,) = theirs(root), imported_checkpoints(root)
    assert check_data_root(root).clean
    done = lofi(root, "audit", "diff", OURS, record.partition_key)
    assert "unknown, trained elsewhere" in done.output, done.output or done.exception
    looked = lofi(root, "audit", "file", found.folder / "adapter_model.safetensors")
    assert record.partition_key in looked.output and "its origin is unknown" in looked.output
    (standing,) = [it for it in standing_checkpoints_of(root) if it.partition == record.partition_key]
    assert standing.facts()["licences"] == "not known: it was trained elsewhere"
    (found.folder / "adapter_model.safetensors").write_bytes(b"x")
    assert not check_data_root(root).clean


def standing_checkpoints_of(root: DataRoot) -> list[Any]:
    scored(root, 0.5)
    return list(standing_checkpoints(Workspace(data_root=str(root.path))))


def test_a_claim_that_was_changed_afterwards_is_found(root: DataRoot) -> None:
    (found,) = imported_checkpoints(root)
    path = found.folder / "checkpoint.json"
    path.write_text(path.read_text().replace("CC BY 4.0 [bold]", "CC0"))
    codes = {finding["code"] for finding in audited_as(root, found.key)["findings"]}
    assert {"record-changed", "origin-unknown"} <= codes


def test_a_folder_that_was_removed_leaves_nothing_amiss(root: DataRoot) -> None:
    scored(root, 0.5)
    shutil.rmtree(imported_checkpoints(root)[0].folder.parent)
    assert check_data_root(root).clean
    assert audited_as(root, OURS)["clean"]


def test_it_is_shown_beside_ours_and_is_never_the_best_nor_pruned(root: DataRoot) -> None:
    ours = read_scores(root.checkpoint(OURS))
    assert ours
    scored(root, ours.metrics.fad_score / 2)
    assert find_folder(root, "best") == root.checkpoint(OURS)
    key = theirs(root).partition_key
    assert find_folder(root, key) == imported_checkpoints(root)[0].folder
    summary = summarize(root, load_config(), seconds={}, runs=0, reached={"lora_checkpoints"})
    assert summary.best_checkpoint == OURS
    own, other = summary.checkpoints
    assert own.imported is None and other.imported == CLAIMS.name and other.partition_key == key
    assert "imported" not in own.model_dump(exclude_unset=True)
    assert other.comparable and other.fad == ours.metrics.fad_score / 2
    assert (
        key not in prune(root, RetentionSettings(keep_best=1, keep_most=1)).keep and not theirs(root).pruned
    )


def test_it_is_scored_against_the_data_set_of_the_training_that_it_is_beside(
    root: DataRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, version = theirs(root).partition_key, load_version(root)
    write_json_atomic(root.checkpoints / LINEAGE_RECORD, lineage_for(version))
    root.dataset_manifest_json.unlink()  # which says what is the current one
    asked: list[str] = []

    def evaluate(root: DataRoot, folder: Path, version: DatasetVersion, *_: object, **__: object) -> None:
        asked.append(version.dataset.hash)
        raise EvaluationError("far enough")

    monkeypatch.setattr("lofi_pipeline.evaluation.checkpoint.evaluate_checkpoint", evaluate)
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions(str(CHECKPOINTS.name), [key])
        dg.materialize(
            [quality_metrics],
            partition_key=key,
            instance=instance,
            resources={"workspace": Workspace(data_root=str(root.path))},
            raise_on_error=False,
        )
    assert asked == [version.dataset.hash]


def test_dagster_tells_that_its_licence_is_not_in_force(root: DataRoot) -> None:
    key = theirs(root).partition_key
    checks, _ = audit(root, key)
    assert checks == {IN_FORCE: False, INTACT: True, NOT_WITHDRAWN: True, LISTED: True}
    assert [it.partition for it in standing_audits(Workspace(data_root=str(root.path)))] == [key]
