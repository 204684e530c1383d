"""license_audit as Dagster runs it: metadata, checks, and findings that fail checks but never the run."""

from __future__ import annotations

from datetime import date

import dagster as dg
import pytest

from lofi_pipeline.assets.license_audit import IN_FORCE, INTACT, LISTED, NOT_WITHDRAWN, license_audit
from lofi_pipeline.assets.partitions import CHECKPOINTS
from lofi_pipeline.audit import AuditInputs, find_subject
from lofi_pipeline.definitions import defs
from lofi_pipeline.licensing import withdraw
from lofi_pipeline.resources import Workspace
from lofi_pipeline.storage import DataRoot

ID = "epoch=0-step=60_lora"


def audit(root: DataRoot, name: str = ID) -> tuple[dict[str, bool], dict[str, object]]:
    """Materialize the audit of a checkpoint: whether each check passed, and the metadata."""
    key = find_subject(AuditInputs(root), name).checkpoint.key  # type: ignore[union-attr]
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions(str(CHECKPOINTS.name), [key])
        done = dg.materialize(
            [license_audit],
            partition_key=key,
            instance=instance,
            resources={"workspace": Workspace(data_root=str(root.path))},
        )
    assert done.success
    (event,) = done.asset_materializations_for_node("license_audit")
    checks = {check.check_name: check.passed for check in done.get_asset_check_evaluations()}
    return checks, {name: value.value for name, value in event.metadata.items()}


def test_a_clean_checkpoint_passes_every_check(data: DataRoot) -> None:
    checks, metadata = audit(data)
    assert checks == {IN_FORCE: True, INTACT: True, NOT_WITHDRAWN: True, LISTED: True}
    assert metadata["clean"] is True
    assert metadata["commercial_use"] is True
    assert "CC-BY" in str(metadata["licences"])
    page = find_subject(AuditInputs(data), ID).checkpoint.key  # type: ignore[union-attr]
    assert metadata["audit"] == f"audit/{page}/audit.html"


def test_a_withdrawn_source_fails_its_check_and_not_the_run(data: DataRoot) -> None:
    withdraw(data, "session", reason="it ended", day=date.today())
    checks, metadata = audit(data)
    assert checks == {IN_FORCE: True, INTACT: True, NOT_WITHDRAWN: False, LISTED: True}
    assert metadata["clean"] is False
    assert "source" in str(metadata["findings"])


def test_evidence_that_was_changed_fails_its_check(data: DataRoot) -> None:
    (data.raw / "commissioned" / "session" / "contract.txt").write_text("We grant nothing.")
    checks, _ = audit(data)
    assert checks[INTACT] is False
    assert checks[NOT_WITHDRAWN] is True


def test_without_the_version_every_check_fails_and_says_why(data: DataRoot) -> None:
    (path,) = (data.metadata / "datasets").glob("*.json")
    path.unlink()
    checks, metadata = audit(data)
    assert not any(checks.values())
    assert "data set version is missing" in str(metadata["not_audited"])


@pytest.mark.parametrize("upstream", ["source_records", "dataset_manifest", "lora_checkpoints"])
def test_the_lineage_upstream_reaches_the_sources(upstream: str) -> None:
    graph = {spec.key: {dep.asset_key for dep in spec.deps} for spec in defs.resolve_all_asset_specs()}
    found, waiting = set(), [dg.AssetKey("license_audit")]
    while waiting:
        key = waiting.pop()
        new = graph.get(key, set()) - found
        found |= new
        waiting += new
    assert dg.AssetKey(upstream) in found
