"""What the launchpad of `train` chooses: it counts as the same setting would, and a data set that lacks tracks is told of."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from lofi_pipeline.assets.partitions import TRACKS
from lofi_pipeline.automation.instance import open_instance
from lofi_pipeline.automation.ranges import ranges_of
from lofi_pipeline.dataset import load_version
from lofi_pipeline.storage import DataRoot
from lofi_pipeline.training import encode, launch
from lofi_pipeline.training.bases import NANO_FOLDER, describe_base
from lofi_pipeline.training.known_bases import base_of
from lofi_pipeline.training.lineage import lineage_of
from lofi_pipeline.training.records import EncodedDataset, EventKind, TrainingEvent, TrainingJob
from lofi_pipeline_tests.assets.test_tracks import run
from lofi_pipeline_tests.drops import facts, make_drop, song
from lofi_pipeline_tests.training.toy import save_toy_base


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[DataRoot, dg.DagsterInstance]]:
    """A data set of two tracks, and its history."""
    root = DataRoot(tmp_path_factory.mktemp("built") / "data").create()
    with pytest.MonkeyPatch.context() as patch:
        for name in ("DAGSTER_HOME", "LOFI_DATA_ROOT"):
            patch.setenv(name, str(root.path))
        make_drop(root, "one", {"a.wav": song(0), "b.wav": song(1)}, facts())
        with open_instance(root) as instance:
            assert run(instance, "register").success
            keys = instance.get_dynamic_partitions(str(TRACKS.name))
            assert run(instance, "ingest", tags=ranges_of(keys, keys, most=9)[0]).success
            assert run(instance, "build_dataset").success
            yield root, instance


@pytest.fixture
def jobs(built: tuple[DataRoot, dg.DagsterInstance], monkeypatch: pytest.MonkeyPatch) -> list[TrainingJob]:
    """What trainers are started with, by order of start; none is."""
    root, _ = built
    monkeypatch.setenv("DAGSTER_HOME", str(root.dagster_home))
    monkeypatch.setenv("LOFI_DATA_ROOT", str(root.path))
    started: list[TrainingJob] = []

    def train(job: TrainingJob, on_event: object, **_: Any) -> TrainingEvent:
        started.append(job)
        steps = job.preset.max_steps
        return TrainingEvent(kind=EventKind.FINISHED, step=steps, max_steps=steps)

    def encoded(version: Any, _root: object, base: str, *_: Any, **__: Any) -> EncodedDataset:
        return EncodedDataset(
            dataset_hash=version.dataset.hash,
            base_sha256=describe_base(base).sha256,
            channels=1,
            latents_per_second=1.0,
            tracks=[],
            encoded=0,
            cached=0,
        )

    monkeypatch.setattr(launch, "train_in_process", train)
    monkeypatch.setattr(encode, "encode_dataset", encoded)
    return started


def train(instance: dg.DagsterInstance, **choice: object) -> dg.ExecuteInProcessResult:
    result = run(instance, "train", run_config=choice)
    assert result.success
    return result


def shown(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    (event,) = result.asset_materializations_for_node("lora_training")
    return {name: value.value for name, value in event.metadata.items()}


def test_a_choice_counts_as_the_same_setting(
    built: tuple[DataRoot, dg.DagsterInstance],
    jobs: list[TrainingJob],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    root, instance = built
    base = save_toy_base(tmp_path / "toy-base")
    chosen = shown(train(instance, preset="ace-step", steps=2000, base=str(base)))
    as_configured = shown(train(instance))
    monkeypatch.setenv("LOFI_TRAINING__ACTIVE", "ace-step")
    monkeypatch.setenv("LOFI_TRAINING__PRESETS__ACE-STEP__MAX_STEPS", "2000")
    monkeypatch.setenv("LOFI_TRAINING__BASE", str(base))
    set_so = shown(train(instance))
    by_launchpad, by_default, by_setting = jobs
    assert by_launchpad == by_setting != by_default
    assert chosen == set_so
    assert (chosen["preset"], chosen["base"], chosen["step"]) == ("ace-step", "toy-base", 2000)
    assert chosen["config_hash"] != as_configured["config_hash"]
    lineage = lineage_of(load_version(root), "ace-step", by_setting.preset, describe_base(str(base)))
    assert (chosen["lineage"], chosen["config_hash"]) == (lineage.lineage, lineage.config_hash)
    # its checkpoints are scored on that base, whatever the configuration names
    assert base_of(root, lineage, "nano") == str(base)


def test_the_choice_goes_before_the_base_that_the_environment_names(
    built: tuple[DataRoot, dg.DagsterInstance], jobs: list[TrainingJob], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOFI_BASE", str(NANO_FOLDER))
    train(built[1], base="nano")
    train(built[1])
    assert [job.base for job in jobs] == ["nano", str(NANO_FOLDER)]


@pytest.mark.parametrize("wrong", [{"preset": "no-such"}, {"steps": 0}, {"step": 5}])
def test_what_is_no_choice_is_refused_before_anything_runs(
    built: tuple[DataRoot, dg.DagsterInstance], jobs: list[TrainingJob], wrong: dict[str, object]
) -> None:
    with pytest.raises((dg.DagsterInvalidConfigError, dg.DagsterError)):
        run(built[1], "train", run_config=wrong)
    assert not jobs


def test_tracks_that_wait_for_the_data_set_are_told_of_or_end_the_training(
    built: tuple[DataRoot, dg.DagsterInstance], jobs: list[TrainingJob]
) -> None:
    root, instance = built
    dataset = load_version(root).dataset
    told = train(instance)
    (check,) = told.get_asset_check_evaluations()
    assert check.passed and check.metadata["dataset_id"].value == dataset.dataset_id
    lines = [entry.user_message for entry in instance.all_logs(told.run_id)]
    assert f"data set version {dataset.dataset_id}: {dataset.train_count} tracks to train on" in lines

    make_drop(root, "two", {"c.wav": song(2)}, facts(source_id="two"))
    assert run(instance, "register").success
    assert run(instance, "ingest", partition_key="track_003").success
    (check,) = train(instance).get_asset_check_evaluations()
    assert not check.passed and check.severity is dg.AssetCheckSeverity.WARN
    assert "run build_dataset first" in str(check.metadata["reason"].value)
    before = len(jobs)
    result = run(instance, "train", run_config={"if_tracks_wait": "FAIL"})
    assert not result.success and len(jobs) == before
    (failure,) = result.get_step_failure_events()
    assert failure.step_failure_data.user_failure_data
    assert "run build_dataset first" in (failure.step_failure_data.user_failure_data.description or "")
