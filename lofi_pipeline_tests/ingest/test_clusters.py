"""Tracks that a real cluster works on: the same records, one node killed in the middle, nodes that must not work on them."""

from __future__ import annotations

import errno
import json
import platform
import re
import shutil
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lofi_pipeline.config import PipelineConfig, load_config
from lofi_pipeline.entities import TrackRecord
from lofi_pipeline.ingest import ProcessingContext, elsewhere, load_registry, pending_tracks, work_batch
from lofi_pipeline.ingest.cluster import Cluster
from lofi_pipeline.ingest.errors import ClusterFault
from lofi_pipeline.installation import PACKAGE, code_version
from lofi_pipeline.storage import TEMPORARY_PREFIX, DataRoot, file_sha256, remove_temporary_files
from lofi_pipeline_tests.drops import facts, make_drop, register, settings, song
from lofi_pipeline_tests.end_to_end.small_disk import is_permitted
from lofi_pipeline_tests.ingest import clusters

Start = Callable[..., AbstractContextManager[clusters.Local]]
STARTS: dict[str, Start] = {"dask": clusters.dask_cluster, "ray": clusters.ray_cluster}
TRACKS = 5


@pytest.fixture(params=STARTS)
def start(request: pytest.FixtureRequest) -> Start:
    pytest.importorskip(
        "ray" if request.param == "ray" else "distributed",
        reason=f"the extra `{request.param}` is not installed",
    )
    return STARTS[request.param]


@pytest.fixture
def registered(root: DataRoot) -> DataRoot:
    files: dict[str, Path | bytes] = {f"{number}.wav": song(number) for number in range(TRACKS - 2)}
    make_drop(root, "one", files | {"short.wav": song(9, 5.0), "bad.mp3": b"no music " * 99}, facts())
    register(root)
    return root


def on(local: clusters.Local) -> PipelineConfig:
    return settings(ingest={"backend": local.backend, "cluster": local.address})


def written(root: DataRoot) -> dict[str, Any]:
    """Everything that was written of the tracks: records without times, and the hashes of files."""
    made: dict[str, Any] = {}
    for path in sorted(path for folder in (root.metadata, root.processed) for path in folder.rglob("*")):
        name = path.relative_to(root.path).as_posix()
        if path.parent == root.track_records and path.suffix == ".json":
            made[name] = json.loads(path.read_text())
            del made[name]["updated"]
            for kept in made[name].get("kept_files", {}).values():
                del kept["mtime_ns"]
        elif path.is_file() and path.suffix in (".mp3", ".txt", ".npy", ".png"):
            made[name] = file_sha256(path)
    return made


def batch(root: DataRoot, config: PipelineConfig) -> dict[str, TrackRecord]:
    return {record.track_id: record for record in work_batch(root, config, pending_tracks(root, config))}


def worked_on_this_machine(registered: DataRoot, folder: Path) -> DataRoot:
    """A copy of the root whose tracks were made by two workers of this machine."""
    here = DataRoot(folder / "here")
    shutil.copytree(registered.path, here.path)
    batch(here, settings(ingest={"workers": 2}))
    return here


@pytest.mark.slow
def test_a_node_that_is_killed_costs_nothing_and_records_are_those_of_this_machine(
    start: Start, registered: DataRoot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = worked_on_this_machine(registered, tmp_path)
    monkeypatch.setattr(elsewhere, "work_here", clusters.noted)
    log = registered.path / "work.log"
    with start(tmp_path, clusters.Node(), clusters.Node()) as local:
        records = {}
        for record in work_batch(registered, on(local), pending_tracks(registered, on(local))):
            records[record.track_id] = record
            if len(records) == 1:
                begun = [line.split() for line in log.read_text().splitlines() if line.startswith("begins")]
                local.kill(int(begun[-1][2]))
    assert set(records) == {track.track_id for track in load_registry(registered).tracks}
    words = [line.split()[:2] for line in log.read_text().splitlines()]
    ended = Counter(track for word, track in words if word == "ends")
    begun_again = Counter(track for word, track in words if word == "begins") - ended
    assert set(ended) == set(records)
    assert sum(begun_again.values()) <= 1  # what ran on the node that was killed
    remove_temporary_files(registered)  # as the next run does: that node may have died while it wrote
    assert written(registered) == written(here)


@pytest.mark.slow
def test_a_worker_that_hangs_costs_its_track_alone(
    start: Start, registered: DataRoot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elsewhere, "work_here", clusters.hanging)
    with start(tmp_path, clusters.Node(), clusters.Node()) as local:
        records = batch(registered, on(local))
    assert len(records) == TRACKS
    assert "its worker died over this file, 2 times" in (records["track_001"].reason or "")
    assert [records[f"track_00{number}"].status for number in (2, 3)] == ["ok", "ok"]


@pytest.mark.slow
def test_a_node_with_other_code_or_configuration_is_refused_by_its_name(
    start: Start, registered: DataRoot, tmp_path: Path
) -> None:
    shutil.copytree(PACKAGE, tmp_path / "other" / PACKAGE.name)
    with (tmp_path / "other" / PACKAGE.name / "ingest" / "hashing.py").open("a") as file:
        file.write("# another version\n")
    shutil.copytree(PACKAGE.parent / "config", tmp_path / "config")
    presets = next((tmp_path / "config").rglob("*presets*.yaml"))
    presets.write_text(presets.read_text().replace("rhodes", "piano", 1))
    cases = {
        "has another version of the code": {"PYTHONPATH": f"{tmp_path / 'other'}:{PACKAGE.parent}"},
        "has other style presets": {"LOFI_CONFIG_ROOT": str(tmp_path / "config")},
    }
    for number, (sentence, environment) in enumerate(cases.items()):
        folder = tmp_path / f"cluster-{number}"
        folder.mkdir()
        with (
            start(folder, clusters.Node(environment)) as local,
            pytest.raises(ClusterFault, match=sentence) as refused,
        ):
            batch(registered, on(local))
        assert str(refused.value).startswith(f"node {platform.node()}: ")
        assert not list(registered.track_records.glob("*.json"))


needs_disks = pytest.mark.skipif(
    not is_permitted(), reason="this user may not mount a disk in a namespace of its own"
)


@pytest.mark.slow
@needs_disks
def test_a_node_whose_disk_is_full_is_spared_and_the_other_does_its_tracks(
    start: Start, registered: DataRoot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = worked_on_this_machine(registered, tmp_path)
    monkeypatch.setattr(elsewhere, "work_here", clusters.noted)
    heard: list[str] = []
    with start(tmp_path, full_node(registered, tmp_path), clusters.Node()) as local:
        config = on(local)
        found = work_batch(registered, config, pending_tracks(registered, config), tell=heard.append)
        assert {record.track_id for record in found} == written_ids(here)
        assert local.left_on(0, registered.processed) == {"ballast"}
    assert len(heard) == 1 and re.match(full_sentence(registered), heard[0]), heard
    begun = Counter(line.split()[1] for line in (registered.path / "work.log").read_text().splitlines())
    assert max(begun.values()) <= 2 * 2  # two lines each time; once by the full node, then never again by it
    assert written(registered) == written(here)
    assert not list(registered.path.rglob(f"{TEMPORARY_PREFIX}*"))


@pytest.mark.slow
@needs_disks
def test_where_the_disks_of_all_nodes_are_full_nothing_is_half_done_and_it_goes_on_after_room_was_made(
    start: Start, registered: DataRoot, tmp_path: Path
) -> None:
    here = worked_on_this_machine(registered, tmp_path)
    with start(tmp_path, full_node(registered, tmp_path)) as local:
        with pytest.raises(ClusterFault, match=full_sentence(registered)):
            batch(registered, on(local))
        assert not written_ids(registered) - {"track_004", "track_005"}  # refused without a file of theirs
        assert local.left_on(0, registered.processed) == {"ballast"}
        local.make_room(0, registered.processed)
        batch(registered, on(local))
        seen = local.left_on(0, registered.processed)
    assert {"track_001.mp3", "track_003_prompt.txt"} <= seen
    records = {name for name in written(here) if name.endswith(".json")}
    assert {name: written(registered)[name] for name in records} == {
        name: written(here)[name] for name in records
    }


def full_node(root: DataRoot, folder: Path) -> clusters.Node:
    """A node whose own folder for temporary files is on a full disk, and that for processed audio on another one."""
    scratch = folder / "node-0"
    for path in (scratch, root.processed):
        path.mkdir(exist_ok=True)
    return clusters.Node({"TMPDIR": str(scratch)}, (scratch, root.processed))


def full_sentence(root: DataRoot) -> str:
    return (
        rf"^node {platform.node()}: {root.processed}/\S+: cannot be written, the file system at {root.processed} is full "
        r"\(0 bytes of 16 MB are free\); make room there, then give the same command again: what was done is kept"
    )


def written_ids(root: DataRoot) -> set[str]:
    return {path.stem for path in root.track_records.glob("*.json")}


@pytest.mark.slow
def test_a_cluster_that_is_not_there_is_named(start: Start, registered: DataRoot) -> None:
    backend = next(name for name, each in STARTS.items() if each is start)
    address = "tcp://127.0.0.1:9" if backend == "dask" else "127.0.0.1:9"
    with pytest.raises(
        ClusterFault, match=rf"ingest\.cluster: {address}: no cluster of {backend} is reached"
    ):
        batch(registered, settings(ingest={"backend": backend, "cluster": address}))


class Died(Exception):
    """What a cluster of this test says of a dead worker."""


@contextmanager
def pretended(
    outcomes: Sequence[BaseException | elsewhere.Unfit | None],
    handed_out: list[str],
    nodes: Sequence[str] = ("n1",),
) -> Iterator[Cluster]:
    """A cluster of one worker in this process, which dies or is unfit as told."""
    coming = iter(outcomes)

    def submit(but_not: Collection[str], function: Any, asked: elsewhere.Asked) -> Future[Any]:
        handed_out.append(" but not ".join([asked.track.track_id, *sorted(but_not)]))
        future: Future[Any] = Future()
        outcome = next(coming, None)
        if isinstance(outcome, BaseException):
            future.set_exception(outcome)
        else:
            future.set_result(outcome or function(asked))
        return future

    yield Cluster("pretended", submit, lambda: 1, lambda: set(nodes), lambda: "n1", (Died,))


@pytest.mark.parametrize("deaths", [1, 2])
def test_a_track_whose_worker_dies_is_tried_once_more(
    registered: DataRoot, monkeypatch: pytest.MonkeyPatch, deaths: int
) -> None:
    handed_out: list[str] = []
    outcomes = [Died(), None, Died()] if deaths == 2 else [Died()]
    monkeypatch.setattr(elsewhere, "open_cluster", lambda settings: pretended(outcomes, handed_out))
    monkeypatch.setattr(elsewhere, "AHEAD", 2)
    ids = ["track_004", "track_005"]  # refused at once
    config = settings(ingest={"backend": "ray"})
    records = {record.track_id: record for record in work_batch(registered, config, ids)}
    assert handed_out == ["track_004", "track_005", "track_004"] and set(records) == set(ids)
    died = "its worker died over this file, 2 times" in (records["track_004"].reason or "")
    assert died == (deaths == 2)


def test_a_node_that_cannot_read_its_work_is_said_to_have_other_code(
    registered: DataRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    unread = RuntimeError("Error during deserialization of the task graph")
    unread.__cause__ = ImportError("cannot import name 'write_word'")
    monkeypatch.setattr(elsewhere, "open_cluster", lambda settings: pretended([unread], []))
    with pytest.raises(
        ClusterFault, match=r"^a node .* \(cannot import name 'write_word'\): it has another version"
    ):
        batch(registered, settings(ingest={"backend": "dask"}))
    fault = RuntimeError("of the work itself")
    monkeypatch.setattr(elsewhere, "open_cluster", lambda settings: pretended([fault], []))
    with pytest.raises(RuntimeError, match="of the work itself"):
        batch(registered, settings(ingest={"backend": "dask"}))


def test_a_node_is_unfit_with_other_code_other_presets_or_without_the_data_root(
    registered: DataRoot, tmp_path: Path
) -> None:
    track, config = load_registry(registered).tracks[3], load_config()
    inputs = ProcessingContext.open(config).inputs_of(registered, track)
    fit = elsewhere.Asked(registered, track, config, 60.0, code_version(), inputs)
    cases = {
        "has another version of the code": replace(fit, code="0" * 12),
        "has other style presets": replace(fit, inputs=inputs | {"tagged": "0" * 64}),
        f"does not see the data root {tmp_path / 'away'}": replace(fit, root=DataRoot(tmp_path / "away")),
    }
    for sentence, asked in cases.items():
        found = elsewhere.work_here(asked)
        assert isinstance(found, elsewhere.Unfit) and found.reason.startswith(sentence)
    assert isinstance(elsewhere.work_here(fit), TrackRecord)


def test_a_node_whose_disk_takes_nothing_gets_no_more_tracks_and_those_it_had_are_not_to_blame(
    registered: DataRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    full, handed_out, heard = elsewhere.Unfit("m1", "is full", "n1"), list[str](), list[str]()
    ids, config = ["track_004", "track_005"], settings(ingest={"backend": "ray"})
    outcomes = [full, full, Died()]
    monkeypatch.setattr(
        elsewhere, "open_cluster", lambda settings: pretended(outcomes, handed_out, ["n1", "n2"])
    )
    records = list(work_batch(registered, config, ids, tell=heard.append))
    assert sorted(handed_out[:2]) == ids and len(handed_out) == 5  # each again, and once more after a death
    assert all(name.endswith(" but not n1") for name in handed_out[2:])
    assert {record.track_id: record.attempts for record in records} == dict.fromkeys(ids, 0)
    assert heard == ["node m1: is full. Until then the other nodes do its tracks"]


def test_where_no_node_has_a_disk_that_takes_something_the_run_ends_with_the_words_of_one(
    registered: DataRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = [elsewhere.Unfit("m1", "is full", "n1"), *[elsewhere.Unfit("m2", "is full", "n2")] * TRACKS]
    monkeypatch.setattr(elsewhere, "open_cluster", lambda settings: pretended(full, [], ["n1", "n2"]))
    with pytest.raises(ClusterFault, match="^node m[12]: is full$"):
        batch(registered, settings(ingest={"backend": "ray"}))
    assert not written_ids(registered)


def test_what_is_wrong_with_a_disk_of_a_node_is_said_as_it_is_there(
    registered: DataRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    track, config = load_registry(registered).tracks[0], load_config()
    inputs = ProcessingContext.open(config).inputs_of(registered, track)
    asked = elsewhere.Asked(registered, track, config, 60.0, code_version(), inputs, lambda: "n1")

    def failing(path: Path) -> None:
        def fail(*_: Any) -> None:
            raise OSError(errno.EROFS, "of the system", str(path))

        monkeypatch.setattr(elsewhere, "work_on", fail)

    failing(registered.processed)
    found = elsewhere.work_here(asked)
    assert isinstance(found, elsewhere.Unfit) and (found.node, found.spared) == (platform.node(), "n1")
    assert found.reason.startswith(f"{registered.processed}: cannot be written, the file system at")
    failing(registered.raw / "a.wav")
    with pytest.raises(OSError, match="of the system"):  # the file's own fault: no node is to blame
        elsewhere.work_here(asked)


def test_an_unfit_node_ends_the_batch(registered: DataRoot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elsewhere, "open_cluster", lambda settings: pretended([], []))
    monkeypatch.setattr(elsewhere, "work_here", lambda asked: elsewhere.Unfit("n1", "is not fit"))
    with pytest.raises(ClusterFault, match="^node n1: is not fit$"):
        batch(registered, settings(ingest={"backend": "ray"}))
