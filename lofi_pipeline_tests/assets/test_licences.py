"""What the UI shows of licences, and which checks fail when evidence changes or a source is withdrawn."""

from datetime import date

import dagster as dg

from lofi_pipeline.licensing import withdraw
from lofi_pipeline.storage import DataRoot, file_sha256
from lofi_pipeline_tests.assets.test_tracks import latest, run
from lofi_pipeline_tests.drops import facts, make_drop, song

GRANT = {
    "uses": {"train": "allowed", "commercial": "allowed", "redistribute_weights": "notAllowed"},
    "evidence": [{"document": "contract.txt"}],
}


def shown(instance: dg.DagsterInstance, asset: str, name: str) -> str:
    event = instance.get_latest_materialization_event(dg.AssetKey(asset))
    assert event and event.asset_materialization
    return str(event.asset_materialization.metadata[name].value)


def failed(result: dg.ExecuteInProcessResult) -> set[str]:
    return {check.check_name for check in result.get_asset_check_evaluations() if not check.passed}


def test_verdict_evidence_and_coverage_are_shown_and_checked(
    root: DataRoot, instance: dg.DagsterInstance
) -> None:
    source = facts(source_id="label", provider="<b>A label</b>", license_type="Royalty Free", grant=GRANT)
    folder = make_drop(root, "one", {"a.wav": song(0), "contract.txt": b"We grant it."}, source)
    digest = file_sha256(folder / "contract.txt")
    assert run(instance, "register").success
    table = shown(instance, "source_records", "table")
    for words in ("contract terms", "must not be passed on", "contract.txt", digest[:12]):
        assert words in table, words
    assert run(instance, "ingest", partition_key="track_001").success
    raw = latest(instance, "raw_tracks", "track_001")
    assert raw
    assert (
        raw.metadata["provider"].value == "<b>A label</b>"
    )  # plain text, which the UI does not read as markup
    assert digest in str(raw.metadata["evidence"].value)
    built = run(instance, "build_dataset")
    assert not failed(built) & {
        "every_licence_permits_training",
        "evidence_is_intact",
        "no_withdrawn_source_in_the_newest_version",
    }
    assert shown(instance, "dataset_manifest", "licence_coverage") == "1.0"
    assert "LicenseRef-Royalty-Free AND" in shown(instance, "dataset_manifest", "licences")
    assert "not legal advice" in shown(instance, "dataset_manifest", "note")

    (folder / "contract.txt").write_bytes(b"We grant nothing.")
    assert "evidence_is_intact" in checked(instance)
    run(instance, "register")
    assert "was edited after its tracks were ingested" in shown(instance, "source_records", "table")
    (folder / "contract.txt").write_bytes(b"We grant it.")
    assert "evidence_is_intact" not in checked(instance)
    withdraw(root, "label", reason="cancelled", day=date.today())
    assert "no_withdrawn_source_in_the_newest_version" in checked(instance)
    run(instance, "register")
    assert "forbidden" in shown(instance, "source_records", "verdict_changes")


def checked(instance: dg.DagsterInstance) -> set[str]:
    """The checks of the data set alone, over the version that is there."""
    from lofi_pipeline.assets.dataset_manifest import dataset_checks
    from lofi_pipeline.resources import Workspace

    result = dg.materialize(
        [dg.AssetSpec("dataset_manifest"), *dataset_checks],  # pyright: ignore[reportArgumentType]
        instance=instance,
        resources={"workspace": Workspace()},
        selection=dg.AssetSelection.checks_for_assets("dataset_manifest"),
        raise_on_error=False,
    )
    return failed(result)
