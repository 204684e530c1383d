"""Real ticks of checkpoint_sensor: each checkpoint is asked for once, whoever trained it."""

import shutil
from importlib.metadata import version as package_version
from pathlib import Path
from typing import cast

import dagster as dg
import pytest

from lofi_pipeline.assets.lora_checkpoints import standing_of
from lofi_pipeline.assets.partitions import CHECKPOINTS
from lofi_pipeline.automation.checkpoint_sensor import (
    MAX_ATTEMPTS,
    PARTITION_TAG,
    checkpoint_sensor,
    look_at_checkpoints,
)
from lofi_pipeline.automation.stability import Watch
from lofi_pipeline.checkpoints.folder import scan_checkpoints
from lofi_pipeline.checkpoints.kept import remember_scores, with_present_times
from lofi_pipeline.checkpoints.manifest import BESIDE, LINEAGE_RECORD, begin_beside, read_record, write_record
from lofi_pipeline.definitions import defs
from lofi_pipeline.entities import CHECKPOINT_RECORD, SCORES_RECORD, StyleOutcome, checkpoint_id_of
from lofi_pipeline.environment import BASE_VARIABLE
from lofi_pipeline.resources import Workspace
from lofi_pipeline.storage import DataRoot, content_sha256, write_bytes_atomic, write_json_atomic
from lofi_pipeline_tests.checkpoints.folders import (
    make_folder,
    make_imported,
    make_lineage,
    make_record,
    make_scores,
)
from lofi_pipeline_tests.damage.damages import DAMAGES


class Ticks:
    """Ticks with the cursor of the one before."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance, self.cursor, self.reason = instance, None, ""

    def __call__(self) -> list[tuple[str, str, list[str]]]:
        """Run key, partition and assets of each request."""
        with dg.build_sensor_context(
            instance=self.instance,
            cursor=self.cursor,
            definitions=defs,
            resources={"workspace": Workspace()},
        ) as context:
            data = cast(dg.SensorResult, checkpoint_sensor(context))
        self.cursor, self.reason = data.cursor, getattr(data.skip_reason, "skip_message", "")
        return [
            (
                request.run_key or "",
                request.partition_key or "",
                [key.to_user_string() for key in request.asset_selection or []],
            )
            for request in data.run_requests or []
        ]

    def later(self) -> list[tuple[str, str, list[str]]]:
        """A tick when everything has stood still for long enough."""
        self.cursor = Watch.load(self.cursor).settled().model_dump_json()
        return self()


@pytest.fixture
def tick(instance: dg.DagsterInstance) -> Ticks:
    return Ticks(instance)


def landed(root: DataRoot, instance: dg.DagsterInstance, step: int) -> str:
    """A checkpoint as this machine's training lands and tells it."""
    record = read_record(make_folder(root, step))
    instance.add_dynamic_partitions(str(CHECKPOINTS.name), [record.partition_key])
    instance.report_runless_asset_event(standing_of(root, record).materialization())
    return record.partition_key


def told(instance: dg.DagsterInstance, asset: str, key: str) -> None:
    instance.report_runless_asset_event(dg.AssetMaterialization(asset, partition=key))


def test_a_landed_checkpoint_is_asked_for_at_once_and_once(root: DataRoot, tick: Ticks) -> None:
    assert tick() == []
    assert tick.reason == "every checkpoint has its scores"
    key = landed(root, tick.instance, 10)
    first = tick()
    assert [request[1:] for request in first] == [(key, ["quality_metrics", "license_audit"])]
    assert tick() == first  # the same run key: the daemon starts it once
    told(tick.instance, "quality_metrics", key)
    write_json_atomic(root.checkpoint(checkpoint_id_of(10)) / SCORES_RECORD, make_scores(10, 1.0))
    # Whoever scored it may have been killed before the audit
    assert [request[1:] for request in tick()] == [(key, ["license_audit"])]
    told(tick.instance, "license_audit", key)
    assert tick() == []


def test_what_trains_beside_the_active_lineage_is_scored_too_and_what_was_put_aside_is_not(
    root: DataRoot, tick: Ticks
) -> None:
    keys = {}
    for name in ("b", "c"):
        folder = make_folder(root, 10, lineage=name)
        record = read_record(folder)
        begin_beside(root, record.lineage)
        home = root.archived_lineage(record.lineage.lineage)
        folder.rename(home / folder.name)
        keys[name] = record.partition_key
    (home / BESIDE).unlink()
    key = landed(root, tick.instance, 10)
    assert [request[1] for request in tick()] == [key]
    assert [request[1:] for request in tick.later()] == [
        (key, ["quality_metrics", "license_audit"]),
        (keys["b"], ["lora_checkpoints", "quality_metrics", "license_audit"]),
    ]


def test_the_last_and_the_best_are_asked_for_styles_when_all_are_scored(root: DataRoot, tick: Ticks) -> None:
    keys = {}
    for step, fad in ((10, 0.2), (20, 0.4), (1000, 0.3)):  # training ends at 1000
        keys[step] = landed(root, tick.instance, step)
        write_json_atomic(root.checkpoint(checkpoint_id_of(step)) / SCORES_RECORD, make_scores(step, fad))
        for asset in ("quality_metrics", "license_audit"):
            told(tick.instance, asset, keys[step])
    asked = [request[1:] for request in tick()]
    assert asked == [(keys[step], ["quality_metrics", "license_audit"]) for step in (10, 1000)]
    for step, fad in ((10, 0.2), (1000, 0.3)):
        scores = make_scores(step, fad)
        covered = {"CORE-01": StyleOutcome(generated=True, recognizable=False)}
        metrics = scores.metrics.model_copy(update={"style_coverage": covered})
        path = root.checkpoint(checkpoint_id_of(step)) / SCORES_RECORD
        write_json_atomic(path, scores.model_copy(update={"metrics": metrics}))
    assert tick() == []


@pytest.mark.parametrize("pruned", [False, True])
def test_new_scores_are_audited_anew_also_where_the_weights_are_gone(
    root: DataRoot, tick: Ticks, pruned: bool
) -> None:
    """The disk was full when the run that scored it came to its audit."""
    key = landed(root, tick.instance, 10)
    folder = root.checkpoint(checkpoint_id_of(10))
    write_json_atomic(folder / SCORES_RECORD, make_scores(10, 1.0))
    for asset in ("quality_metrics", "license_audit"):
        told(tick.instance, asset, key)
    if pruned:
        write_json_atomic(folder / CHECKPOINT_RECORD, make_record(10, pruned=True))
    assert tick() == []
    told(tick.instance, "quality_metrics", key)
    assert [request[1:] for request in tick()] == [(key, ["license_audit"])]
    told(tick.instance, "license_audit", key)
    assert tick() == []


@pytest.mark.parametrize("file", ["adapter_model.safetensors", SCORES_RECORD, "samples/00.wav"])
def test_a_scored_checkpoint_that_looks_changed_is_verified_and_scored_again(
    root: DataRoot, tick: Ticks, file: str
) -> None:
    key = landed(root, tick.instance, 10)
    for asset in ("quality_metrics", "license_audit"):
        told(tick.instance, asset, key)
    folder = root.checkpoint(checkpoint_id_of(10))
    path = folder / file
    run_keys = []
    for damage in DAMAGES:
        write_json_atomic(folder / SCORES_RECORD, make_scores(10, 1.0))
        write_bytes_atomic(folder / "samples" / "00.wav", b"RIFF")
        write_record(folder, with_present_times(folder, read_record(folder)))
        remember_scores(folder, make_scores(10, 1.0))
        whole = path.read_bytes()
        assert tick() == []
        damage(path)
        assert tick() == []  # it may still be being copied
        ((run_key, _, assets),) = tick.later()
        assert assets == ["lora_checkpoints", "quality_metrics", "license_audit"]
        run_keys.append(run_key)
        write_bytes_atomic(path, whole)
    assert len(set(run_keys)) == len(DAMAGES)  # each is worth a run of its own


def test_a_checkpoint_that_is_being_scored_again_is_not_asked_for_once_more(
    root: DataRoot, tick: Ticks
) -> None:
    key = landed(root, tick.instance, 10)
    for asset in ("quality_metrics", "license_audit"):
        told(tick.instance, asset, key)
    folder = root.checkpoint(checkpoint_id_of(10))
    (folder / SCORES_RECORD).write_bytes(b"")
    tick()
    run = tick.instance.create_run_for_job(
        defs.resolve_job_def("evaluate"), status=dg.DagsterRunStatus.STARTED, tags={PARTITION_TAG: key}
    )
    assert tick.later() == []
    assert "is being evaluated" in tick.reason
    tick.instance.delete_run(run.run_id)
    assert len(tick()) == 1


def test_a_copied_checkpoint_is_verified_and_scored_when_it_stands_still(root: DataRoot, tick: Ticks) -> None:
    folder = make_folder(root, 20)
    assert tick() == []
    assert "epoch=0-step=20_lora: still changing" in tick.reason
    (folder / "more.bin").write_bytes(b"x")
    before = tick.cursor
    assert tick() == []
    assert tick.cursor != before
    ((_, key, assets),) = tick.later()
    assert assets == ["lora_checkpoints", "quality_metrics", "license_audit"]
    assert key in tick.instance.get_dynamic_partitions(str(CHECKPOINTS.name))
    (folder / "more.bin").write_bytes(b"longer")
    assert tick() == []


def test_one_that_a_beginning_training_moves_away_meanwhile_is_left_to_the_next_look(
    root: DataRoot, tick: Ticks, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_folder(root, 20)
    found = scan_checkpoints(root)
    folder.rename(root.path / "archived")
    monkeypatch.setattr("lofi_pipeline.checkpoints.folder.scan_checkpoints", lambda *_: found)
    assert tick() == [] and "epoch=0-step=20_lora: was moved while it was looked at" in tick.reason


def test_invalid_pruned_and_unreadable_ones_are_passed_over(root: DataRoot, tick: Ticks) -> None:
    for record in (make_record(10, is_valid=False), make_record(20, pruned=True)):
        write_json_atomic(make_folder(root, record.checkpoint.step) / CHECKPOINT_RECORD, record)
    (make_folder(root, 30) / CHECKPOINT_RECORD).write_text("{half")
    tick()
    assert tick.later() == []
    assert "epoch=0-step=30_lora/checkpoint.json is not readable" in tick.reason


def fail_each_time(tick: Ticks, key: str) -> set[str | None]:
    """Each evaluation that is asked for fails; their run keys, of which each is another."""
    run_keys: set[str | None] = set()
    for _ in range(MAX_ATTEMPTS):
        ((run_key, _, _),) = tick()
        run_keys.add(run_key)
        tick.instance.create_run_for_job(
            defs.resolve_job_def("evaluate"),
            status=dg.DagsterRunStatus.FAILURE,
            tags={PARTITION_TAG: key},
        )
    assert len(run_keys) == MAX_ATTEMPTS
    return run_keys


def test_evaluations_that_fail_three_times_are_tried_again_an_hour_later(
    root: DataRoot, tick: Ticks, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = landed(root, tick.instance, 10)
    run_keys = fail_each_time(tick, key)
    assert tick() == []
    assert "its evaluation failed 3 times" in tick.reason
    monkeypatch.setattr("lofi_pipeline.automation.attempts.RETRY_SECONDS", 0.0)
    ((run_key, _, _),) = tick()
    assert run_key not in run_keys  # the daemon starts each key once


@pytest.fixture
def training(root: DataRoot, monkeypatch: pytest.MonkeyPatch) -> None:
    """A training of the base model in use has begun."""
    monkeypatch.setenv(BASE_VARIABLE, make_lineage().base.name)
    write_json_atomic(root.checkpoints / LINEAGE_RECORD, make_lineage())


def test_what_was_trained_elsewhere_waits_for_a_training_to_be_scored_beside(
    root: DataRoot, tick: Ticks
) -> None:
    make_imported(root, "theirs")
    assert tick() == tick.later() == []


@pytest.mark.usefixtures("training")
def test_each_that_was_trained_elsewhere_is_verified_and_scored_once(root: DataRoot, tick: Ticks) -> None:
    keys = {read_record(make_imported(root, name)).partition_key for name in ("one", "two")}
    other = make_lineage().base.model_copy(update={"sha256": content_sha256("another base")})
    make_imported(root, "of another base", base=other)
    assert tick() == []  # whether its files are whole is not known yet
    asked = tick.later()
    assert {key for _, key, _ in asked} == keys
    assert all(assets == ["lora_checkpoints", "quality_metrics", "license_audit"] for *_, assets in asked)
    tick.cursor = None
    assert tick() == []
    assert tick() == [] and "still changing" in tick.reason  # each is watched under its own name
    assert tick.later() == asked


@pytest.mark.usefixtures("training")
def test_it_is_scored_again_when_what_it_is_compared_with_is_scored_otherwise(
    root: DataRoot, tick: Ticks
) -> None:
    folder = make_imported(root, "theirs")
    record = with_present_times(folder, read_record(folder))
    write_record(folder, record)
    for asset in ("lora_checkpoints", "quality_metrics", "license_audit"):
        told(tick.instance, asset, record.partition_key)
    write_json_atomic(folder / SCORES_RECORD, make_scores(1, 1.0))
    key = landed(root, tick.instance, 10)
    for asset in ("quality_metrics", "license_audit"):
        told(tick.instance, asset, key)
    write_json_atomic(root.checkpoint(checkpoint_id_of(10)) / SCORES_RECORD, make_scores(10, 2.0))
    assert tick() == []
    changed = make_scores(10, 2.0, embedder="clap")
    write_json_atomic(root.checkpoint(checkpoint_id_of(10)) / SCORES_RECORD, changed)
    ((_, asked, assets),) = tick()
    assert (asked, assets) == (record.partition_key, ["quality_metrics", "license_audit"])
    write_json_atomic(folder / SCORES_RECORD, make_scores(1, 1.0, embedder="clap"))
    assert tick() == []


@pytest.fixture
def by_musicnn(root: DataRoot, tick: Ticks) -> str:
    """A checkpoint of nano that musicnn scored, where the configuration asks for nano by now; all of it is told."""
    key = landed(root, tick.instance, 10)
    folder = root.checkpoint(checkpoint_id_of(10))
    record = read_record(folder)
    base = record.lineage.base.model_copy(update={"name": "nano"})
    write_record(
        folder, record.model_copy(update={"lineage": record.lineage.model_copy(update={"base": base})})
    )
    write_bytes_atomic(folder / "samples" / "00.wav", b"RIFF")
    _score(folder, "musicnn")
    for asset in ("quality_metrics", "license_audit"):
        told(tick.instance, asset, key)
    return key


def _score(folder: Path, embedder: str) -> None:
    versions = {name: package_version(name) for name in ("diffusers", "torch")}
    scores = make_scores(10, 1.0, embedder=embedder)
    key = scores.key.model_copy(update={"versions": versions})
    write_json_atomic(folder / SCORES_RECORD, scores.model_copy(update={"key": key}))
    write_record(folder, with_present_times(folder, read_record(folder)))
    remember_scores(folder, scores)


def test_what_was_scored_otherwise_than_is_asked_for_is_asked_for_once(
    root: DataRoot, tick: Ticks, by_musicnn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = root.checkpoint(checkpoint_id_of(10))
    first = tick()
    assert [request[1:] for request in first] == [(by_musicnn, ["quality_metrics", "license_audit"])]
    assert tick() == first  # the same run key: the daemon starts it once
    monkeypatch.setenv("LOFI_EVALUATION__CLIP_SECONDS", "3")
    assert tick() == first  # which clips that takes is not known without the data set version
    monkeypatch.setenv("LOFI_EVALUATION__REFERENCE", "validation+train-holdout-crops")
    ((other, _, _),) = tick()
    assert other != first[0][0]  # something else is asked for
    monkeypatch.setenv("LOFI_EVALUATION__EMBEDDER", "pann")
    monkeypatch.setenv("LOFI_EVALUATION__WEIGHTS_DIR", str(root.path))
    assert tick() == []
    assert "the weights of pann are not in place; see lofi doctor" in tick.reason
    for name in ("REFERENCE", "EMBEDDER"):
        monkeypatch.delenv(f"LOFI_EVALUATION__{name}")
    _score(folder, "nano")
    assert tick() == []


def test_without_weights_it_is_scored_again_from_its_samples_and_never_without_them(
    root: DataRoot, tick: Ticks, by_musicnn: str
) -> None:
    folder = root.checkpoint(checkpoint_id_of(10))
    write_record(folder, read_record(folder).model_copy(update={"pruned": True}))
    assert [request[1:] for request in tick()] == [(by_musicnn, ["quality_metrics", "license_audit"])]
    (folder / "samples" / "00.wav").unlink()
    assert tick() == tick.later() == []


def test_what_was_scored_otherwise_fails_a_few_times_and_waits_an_hour(
    root: DataRoot, tick: Ticks, by_musicnn: str
) -> None:
    fail_each_time(tick, by_musicnn)
    assert tick() == [] and "its evaluation failed 3 times" in tick.reason
    shutil.move(root.checkpoint(checkpoint_id_of(10)), root.checkpoint_archive / "a" / checkpoint_id_of(10))
    assert tick() == []


def test_a_lineage_that_a_training_is_about_to_archive_is_not_scored_again(
    root: DataRoot, tick: Ticks, by_musicnn: str
) -> None:
    with dg.build_sensor_context(
        instance=tick.instance, definitions=defs, resources={"workspace": Workspace()}
    ) as context:
        assert look_at_checkpoints(context, Workspace(), attempts=None, again=False).run_requests == []
        asked = look_at_checkpoints(context, Workspace(), attempts=None).run_requests or []
    assert [request.partition_key for request in asked] == [by_musicnn]
