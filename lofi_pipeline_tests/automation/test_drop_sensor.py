"""Real ticks of source_drop_sensor on a real instance."""

import os
import shutil
import subprocess
import sys
import time

import dagster as dg
import pytest
from dagster._core.events import EngineEventData

from lofi_pipeline.assets.partitions import TRACKS
from lofi_pipeline.automation import orphans
from lofi_pipeline.automation.drop_sensor import source_drop_sensor
from lofi_pipeline.automation.history_sensor import history_sensor
from lofi_pipeline.automation.orphans import end_orphans
from lofi_pipeline.automation.schedules import nightly_dataset
from lofi_pipeline.config import load_config
from lofi_pipeline.definitions import defs
from lofi_pipeline.entities import RegisteredTrack, Registry
from lofi_pipeline.installation import PROJECT_ROOT
from lofi_pipeline.resources import OWNER_TAG, Workspace, owned, owner_tag, running_mark
from lofi_pipeline.storage import (
    DataRoot,
    holder_file,
    holder_of,
    kept_file,
    read_json,
    save_evicted,
    write_json_atomic,
)
from lofi_pipeline_tests.drops import facts, make_drop, song


class Ticks:
    """The daemon's part: ticks with the cursor of the one before, runs carried out."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance, self.cursor = instance, None

    def tick(self) -> dg.SensorResult:
        with dg.build_sensor_context(
            instance=self.instance,
            cursor=self.cursor,
            definitions=defs,
            resources={"workspace": Workspace()},
        ) as context:
            data = source_drop_sensor.evaluate_tick(context)
        self.cursor = data.cursor
        return data  # pyright: ignore[reportReturnType]

    def jobs(self) -> list[str]:
        return [request.job_name or "" for request in self.tick().run_requests or []]

    def carry_out(self) -> dg.ExecuteInProcessResult:
        (request,) = self.tick().run_requests or []
        job = defs.resolve_job_def(request.job_name or "")
        return job.execute_in_process(instance=self.instance, tags=request.tags, raise_on_error=False)

    def reason(self) -> str:
        return str(self.tick().skip_message or "")  # pyright: ignore[reportAttributeAccessIssue]


@pytest.fixture
def stable_seconds() -> float:
    return 0.0


@pytest.fixture
def ticks(
    instance: dg.DagsterInstance, stable_seconds: float, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> Ticks:
    shutil.copytree(PROJECT_ROOT / "config", tmp_path / "config")
    file = tmp_path / "config" / "pipeline.yaml"
    text = file.read_text()
    assert "stable_seconds: 10.0" in text
    file.write_text(text.replace("stable_seconds: 10.0", f"stable_seconds: {stable_seconds}"))
    monkeypatch.setenv("LOFI_CONFIG_ROOT", str(tmp_path / "config"))
    return Ticks(instance)


@pytest.mark.parametrize("stable_seconds", [3600.0])
def test_a_drop_that_still_changes_waits(root: DataRoot, ticks: Ticks) -> None:
    assert ticks.reason() == "nothing new in data/raw"
    make_drop(root, "one", {"a.wav": b"x"}, facts())
    assert "raw/creative-commons/one: still changing" in ticks.reason()
    first = ticks.cursor
    assert ticks.jobs() == []
    assert ticks.cursor == first
    make_drop(root, "one", {"b.wav": b"y"})
    assert ticks.jobs() == []
    assert ticks.cursor != first
    ticks.cursor = "not a cursor"
    assert ticks.jobs() == []


def test_from_incomplete_to_done_each_thing_once(root: DataRoot, ticks: Ticks) -> None:
    make_drop(root, "one", {"a.wav": song(9, 5.0)})
    assert "source.json: missing" in ticks.reason()
    make_drop(root, "one", {}, facts(files={"b.wav": {}}))
    assert "waiting for b.wav" in ticks.reason()
    make_drop(root, "one", {"b.wav": song(8, 4.0)})
    make_drop(root, "broken", {"c.wav": b"x"}, "not JSON")
    first = ticks.carry_out()
    assert first.job_def.name == "register"
    assert first.success
    second = ticks.carry_out()
    assert second.job_def.name == "ingest"
    assert second.success
    assert second.dagster_run.tags["dagster/asset_partition_range_start"] == "track_001"
    assert second.dagster_run.tags["dagster/asset_partition_range_end"] == "track_002"
    assert ticks.jobs() == []
    assert ticks.reason() == "nothing new in data/raw"
    shutil.rmtree(root.raw / "creative-commons" / "one")
    assert ticks.jobs() == ["register"]


@pytest.mark.slow
@pytest.mark.parametrize(("drops", "files"), [(1, 5000), (5000, 1)], ids=["one drop", "a drop each"])
def test_thousands_of_files_at_once_are_registered_in_one_run_and_worked_on_batch_by_batch(
    root: DataRoot, ticks: Ticks, drops: int, files: int
) -> None:
    for drop in range(drops):
        make_drop(root, f"{drop}", {f"{number}.mp3": b"%d %d" % (drop, number) for number in range(files)})
    assert "source.json: missing" in ticks.reason() and len(ticks.reason()) < 10_000
    for drop in range(drops):
        absent = {f"absent-{number}.mp3": {} for number in range(files)}
        make_drop(root, f"{drop}", {}, facts(source_id=f"source-{drop}", files=absent))
    assert "waiting for absent-0.mp3" in ticks.reason() and len(ticks.reason()) < 10_000
    for drop in range(drops):
        make_drop(root, f"{drop}", {}, facts(source_id=f"source-{drop}"))
    registered = ticks.carry_out()
    assert registered.success and registered.job_def.name == "register"
    assert len(read_json(root.registry_json)["tracks"]) == drops * files
    assert len(ticks.instance.get_dynamic_partitions(TRACKS.name or "")) == drops * files
    (request,) = ticks.tick().run_requests or []
    assert request.job_name == "ingest"
    asked = {name: request.tags[f"dagster/asset_partition_range_{name}"] for name in ("start", "end")}
    assert asked == {"start": "track_001", "end": f"track_{load_config().ingest.batch_size}"}


def test_the_night_over_an_empty_data_root_is_no_failure(root: DataRoot, ticks: Ticks) -> None:
    def tonight() -> list[dg.RunRequest]:
        with dg.build_schedule_context(
            instance=ticks.instance, resources={"workspace": Workspace()}
        ) as context:
            return list(nightly_dataset.evaluate_tick(context).run_requests or [])

    assert tonight() == []
    make_drop(root, "one", {"a.wav": b"x"}, facts())
    assert len(tonight()) == 1


def test_work_that_fails_is_not_asked_for_for_ever(root: DataRoot, ticks: Ticks) -> None:
    make_drop(root, "one", {"a.wav": b"x"}, facts())
    root.drops_json.mkdir()  # nothing can be registered while this stands in the way
    with pytest.raises(OSError, match=r"drops\.json"):
        (root.drops_json / "x").read_text()
    for _ in range(3):
        assert not ticks.carry_out().success
    assert "register failed 3 times over the same work" in ticks.reason()
    root.drops_json.rmdir()
    make_drop(root, "two", {"b.wav": b"y"}, facts(source_id="two"))
    assert ticks.jobs() == ["register"]


def test_a_run_whose_process_was_killed_does_not_block_for_ever(root: DataRoot, ticks: Ticks) -> None:
    make_drop(root, "one", {"a.wav": b"x"}, facts())
    job = defs.resolve_job_def("register")

    def started(tags: dict[str, str]) -> dg.DagsterRun:
        return ticks.instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, tags=tags)

    host, pid, _ = owner_tag()[OWNER_TAG].rsplit(" ", 2)
    dead = started({OWNER_TAG: f"{host} {pid} 12345"})
    assert ticks.jobs() == []
    assert end_orphans(ticks.instance) == [dead.run_id]
    assert ticks.jobs() == ["register"]
    alive, elsewhere = started(owner_tag()), started({OWNER_TAG: "another-host 1 1"})
    with owned(ticks.instance, elsewhere.run_id):
        assert end_orphans(ticks.instance) == []
        for run in (alive, elsewhere):
            found = ticks.instance.get_run_by_id(run.run_id)
            assert found and found.status is dg.DagsterRunStatus.STARTED
    # Ended there, or in a copy of the data root that it knows nothing of
    assert end_orphans(ticks.instance) == [elsewhere.run_id]


def test_a_run_of_a_machine_that_went_silent_is_ended_by_the_next_tick(root: DataRoot, ticks: Ticks) -> None:
    job = defs.resolve_job_def("train")
    run = ticks.instance.create_run_for_job(
        job, status=dg.DagsterRunStatus.STARTED, tags={OWNER_TAG: "node-7 1 1"}
    )
    mark = running_mark(ticks.instance, run.run_id)
    with owned(ticks.instance, run.run_id):
        holder = holder_of(mark)
    assert holder
    write_json_atomic(holder_file(mark), holder.model_copy(update={"host": "node-7", "place": "f" * 8}))

    def tick() -> dg.DagsterRunStatus:
        with dg.build_sensor_context(
            instance=ticks.instance, definitions=defs, resources={"workspace": Workspace()}
        ) as context:
            history_sensor(context)
        found = ticks.instance.get_run_by_id(run.run_id)
        assert found
        return found.status

    assert tick() is dg.DagsterRunStatus.STARTED  # it lived a moment ago
    then = time.time() - 121
    os.utime(holder_file(mark), (then, then))
    assert tick() is dg.DagsterRunStatus.FAILURE
    assert not holder_file(mark).exists()


def test_a_run_that_an_earlier_version_left_without_a_name_is_ended_once_its_process_is_gone(
    ticks: Ticks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found after an upgrade: nothing named the process of what the daemon had begun, and it counted as running for ever."""
    instance, job = ticks.instance, defs.resolve_job_def("register")
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    runs = [
        instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
        for _ in ("dead", "alive", "none")
    ]
    for run, pid in zip(runs, (dead.pid, os.getpid()), strict=False):
        instance.report_engine_event("Executing", run, EngineEventData.in_process(pid))
    assert end_orphans(instance) == []
    later = time.time() + orphans.SILENT_SECONDS + 5
    monkeypatch.setattr(orphans.time, "time", lambda: later)
    assert set(end_orphans(instance)) == {runs[0].run_id, runs[2].run_id}
    found = instance.get_run_by_id(runs[1].run_id)
    assert found and found.status is dg.DagsterRunStatus.STARTED


def test_runs_of_other_machines_are_left_in_peace_where_their_locks_are_not_seen() -> None:
    """As where the history lies in a database on a server."""
    job = defs.resolve_job_def("register")
    with dg.DagsterInstance.ephemeral() as instance:
        instance.create_run_for_job(
            job, status=dg.DagsterRunStatus.STARTED, tags={OWNER_TAG: "another-host 1 1"}
        )
        assert end_orphans(instance) == []


def test_a_run_that_nobody_owns_names_its_process_while_it_goes_on(root: DataRoot, ticks: Ticks) -> None:
    """As one that Dagster's daemon started: else it would count as running for ever once it was killed."""
    make_drop(root, "one", {"a.wav": b"x"}, facts())
    instance, seen = ticks.instance, []
    stored = instance.add_run_tags

    def noted(run_id: str, new_tags: dict[str, str]) -> None:
        stored(run_id, new_tags)
        seen.append((run_id, new_tags, end_orphans(instance)))

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(instance, "add_run_tags", noted)
        result = ticks.carry_out()
    assert result.success
    assert [it for it in seen if OWNER_TAG in it[1]] == [(result.run_id, owner_tag(), [])]
    run = instance.get_run_by_id(result.run_id)
    assert run and run.tags[OWNER_TAG] == owner_tag()[OWNER_TAG]


def test_a_run_that_is_done_again_is_not_ended_for_the_first_ones_process(ticks: Ticks) -> None:
    """Dagster gives it the tags of the first, those of the killed process among them."""
    job, dead = (
        defs.resolve_job_def("register"),
        {OWNER_TAG: f"{owner_tag()[OWNER_TAG].rsplit(' ', 1)[0]} 12345"},
    )
    first = ticks.instance.create_run_for_job(job, tags=dead)
    ticks.instance.report_run_failed(first)
    again = ticks.instance.create_run_for_job(
        job,
        status=dg.DagsterRunStatus.STARTED,
        tags=dead,
        parent_run_id=first.run_id,
        root_run_id=first.run_id,
    )
    assert end_orphans(ticks.instance) == []
    ticks.instance.add_run_tags(again.run_id, {OWNER_TAG: dead[OWNER_TAG] + "6"})
    assert end_orphans(ticks.instance) == [again.run_id]


def test_a_killed_run_gives_its_pool_back(root: DataRoot, ticks: Ticks) -> None:
    """Found by hand: after kill -9 the next run waited for the pool of the dead one for ever."""
    instance = ticks.instance
    job = defs.resolve_job_def("register")
    run = instance.create_run_for_job(job, tags={OWNER_TAG: "elsewhere 1 1"})
    instance.report_run_failed(run)
    storage = instance.event_log_storage
    storage.set_concurrency_slots("gpu", 1)
    assert storage.claim_concurrency_slot("gpu", run.run_id, "training").is_claimed
    end_orphans(instance)
    assert storage.get_concurrency_run_ids() == set()
    assert storage.claim_concurrency_slot("gpu", "another", "scoring").is_claimed


def test_music_that_lies_in_the_object_store_only_is_waited_for(ticks: Ticks, root: DataRoot):
    original = make_drop(root, "one", {"a.wav": song()}, facts()) / "a.wav"
    assert ticks.jobs() == ["register"]
    save_evicted(root, "s3://label/lofi", {root.relative(original): kept_file(original)})
    away = original.rename(root.path.parent / "a.wav")
    assert ticks.jobs() == []
    assert "1 files lie only in s3://label/lofi" in ticks.reason()
    away.rename(original)
    save_evicted(root, "s3://label/lofi", {})
    assert ticks.jobs() == ["register"]


@pytest.mark.usefixtures("few_variables")
def test_the_keys_of_more_tracks_than_a_statement_takes_are_known_after_a_tick(
    root: DataRoot, ticks: Ticks
) -> None:
    ids = [f"track_{number:03d}" for number in range(1, 33_101)]
    gone = [RegisteredTrack(track_id=it, sha256=f"{n:064x}", origins=[]) for n, it in enumerate(ids)]
    write_json_atomic(root.registry_json, Registry(tracks=gone))
    assert ticks.jobs() == []
    assert ticks.instance.get_dynamic_partitions(str(TRACKS.name)) == ids
