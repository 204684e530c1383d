"""How the work beside the music grows with the number of tracks: `python -m benchmarks.scale [500 5000 50000]`.

Every step runs in a process of its own on a data root whose tracks are done (scale_library.py), without any work on audio. For each
step: CPU time, the peak of memory, and the exponent of a straight line through the times of all sizes on logarithmic axes, beside that
of n log n. `--library FOLDER` keeps the data roots; `--steps` names some of the steps.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.memory import peak_bytes
from lofi_pipeline.storage import DataRoot

SIZES = (500, 5_000, 50_000)
NOISE = 0.15
"""An exponent is told to be above that of n log n from so far above on: the same step differs by a third from run to run."""
SETTLED_SECONDS = 2.1
"""Folders that were written to less than two seconds ago count as changing."""


@dataclass(frozen=True)
class Cost:
    """Of one step: seconds of CPU, and the peak of memory in bytes, that of the imports included."""

    cpu: float
    memory: int


@contextmanager
def _instance(root: DataRoot) -> Iterator:
    from lofi_pipeline.automation.instance import open_instance

    with open_instance(root) as instance:
        yield instance


def _ids(root: DataRoot) -> list[str]:
    from lofi_pipeline.ingest import load_registry

    return [track.track_id for track in load_registry(root).tracks]


def partitions(root: DataRoot) -> float:
    """Add the keys of all tracks to a history that knows none."""
    from lofi_pipeline.assets.partitions import TRACKS, add_partitions

    shutil.rmtree(root.dagster_home, ignore_errors=True)
    with _instance(root) as instance:
        keys = _ids(root)
        return _cpu(lambda: add_partitions(instance, TRACKS.name, keys))


def _ticks(root: DataRoot, prepare: Callable[[], object]) -> float:
    """The CPU time of a tick of source_drop_sensor after two others, and after `prepare`."""
    import dagster as dg

    from lofi_pipeline.automation.drop_sensor import source_drop_sensor
    from lofi_pipeline.definitions import defs
    from lofi_pipeline.resources import Workspace

    cursor: str | None = None
    with _instance(root) as instance:

        def tick() -> None:
            nonlocal cursor
            resources = {"workspace": Workspace(data_root=str(root.path))}
            with dg.build_sensor_context(
                instance, cursor=cursor, definitions=defs, resources=resources
            ) as context:
                cursor = source_drop_sensor.evaluate_tick(context).cursor

        tick()
        time.sleep(SETTLED_SECONDS)
        tick()
        prepare()
        return _cpu(tick)


def quiet_tick(root: DataRoot) -> float:
    """A tick of the drop sensor when nothing has changed."""
    return _ticks(root, lambda: None)


def tick(root: DataRoot) -> float:
    """A tick of the drop sensor when one record was written."""
    path = root.track_record("track_002")
    return _ticks(
        root,
        lambda: shutil.copy2(path, root.track_records / ".x") and os.replace(root.track_records / ".x", path),
    )


def history(root: DataRoot) -> float:
    """What the history sensor compares with the history after one record was written, where it looked at all of them before."""
    from lofi_pipeline.assets.tracks import standing_tracks
    from lofi_pipeline.resources import Workspace

    workspace = Workspace(data_root=str(root.path))
    for _ in standing_tracks(workspace):
        pass
    path = root.track_record("track_002")
    shutil.copy2(path, root.track_records / ".x")
    os.replace(root.track_records / ".x", path)
    return _cpu(lambda: [it.data_version for it in standing_tracks(workspace)])


def due(root: DataRoot) -> float:
    """Which tracks have something to be done, in a process that knows nothing yet."""
    from lofi_pipeline.config import load_config
    from lofi_pipeline.ingest import pending_tracks

    return _cpu(lambda: pending_tracks(root, load_config()))


def registration(root: DataRoot) -> float:
    """Scan the drops and give ids, when nothing is new."""
    from benchmarks.scale_library import register

    return _cpu(lambda: register(root))


def new_version(root: DataRoot) -> float:
    """From one new file to a new data set version: register it, compare it with all others, split, hash, publish."""
    from benchmarks.scale_library import add_drop, finish, register
    from lofi_pipeline.config import load_config
    from lofi_pipeline.dataset import build_dataset

    config, number = load_config(), len(_ids(root))
    if not root.dataset_manifest_json.exists():
        build_dataset(root, config)
    add_drop(root, 1, f"new-{number}")
    used = _cpu(lambda: register(root))
    finish(root, compared=False)
    return used + _cpu(lambda: build_dataset(root, config))


def is_current(root: DataRoot) -> float:
    """Whether a build would give the data set that is there."""
    from lofi_pipeline.config import load_config
    from lofi_pipeline.dataset import dataset_is_current

    return _cpu(lambda: dataset_is_current(root, load_config()))


def index_of_studio(root: DataRoot) -> float:
    """Make the index of the studio's lists anew, and the first page."""
    from lofi_pipeline.config import load_config
    from lofi_pipeline.dataset import TrackQuery, ask_index
    from lofi_pipeline.dataset.track_tables import index_path

    index_path(root).unlink(missing_ok=True)
    return _cpu(lambda: ask_index(root, load_config(), lambda index: index.page(TrackQuery())))


def page_of_studio(root: DataRoot) -> float:
    """A page of the studio's list, with the index there."""
    from lofi_pipeline.config import load_config
    from lofi_pipeline.dataset import TrackQuery, ask_index

    config = load_config()
    ask_index(root, config, lambda index: None)
    time.sleep(SETTLED_SECONDS)
    ask_index(root, config, lambda index: None)
    return _cpu(lambda: ask_index(root, config, lambda index: index.page(TrackQuery(page=3))))


def asset_page(root: DataRoot) -> float:
    """What Dagster asks for the page of an asset: the state of every key, all materialized."""
    import dagster as dg

    from lofi_pipeline.assets.partitions import TRACKS, add_partitions
    from lofi_pipeline.history import together

    keys = _ids(root)
    with _instance(root) as instance:
        add_partitions(instance, TRACKS.name, keys)
        told = instance.get_materialized_partitions(dg.AssetKey("raw_tracks"))
        with together(instance):
            for key in sorted(set(keys) - told):
                instance.report_runless_asset_event(dg.AssetMaterialization("raw_tracks", partition=key))
        return _cpu(lambda: instance.get_status_by_partition(dg.AssetKey("raw_tracks"), keys, TRACKS))


def audit(root: DataRoot) -> float:
    """The files of an audit of a report of so many tracks from a hundredth as many sources."""
    from lofi_pipeline.audit.export import write_files
    from lofi_pipeline_tests.audit.export.reports import full

    tracks = len(_ids(root))
    report = full(tracks, tracks // 100)
    with TemporaryDirectory() as folder:
        return _cpu(lambda: write_files(report, Path(folder)))


STEPS: dict[str, Callable[[DataRoot], float]] = {
    step.__name__: step
    for step in (
        partitions,
        quiet_tick,
        tick,
        history,
        due,
        registration,
        new_version,
        is_current,
        index_of_studio,
        page_of_studio,
        asset_page,
        audit,
    )
}


def _cpu(work: Callable[[], object]) -> float:
    before = _used()
    work()
    return _used() - before


def _used() -> float:
    return sum(
        it.ru_utime + it.ru_stime
        for it in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def measured_apart(step: str, root: DataRoot) -> Cost:
    """One step in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.scale", "--measure", step, str(root.path)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, encoding="utf-8")
    return Cost(**json.loads(done.stdout.splitlines()[-1]))


def exponent(sizes: Sequence[int], values: Sequence[float]) -> float:
    """Of the power of n that fits best: the slope of a line through the logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(np.maximum(values, 1e-3)), 1)[0])


def report(step: str, costs: dict[int, Cost]) -> str:
    """A line of the table."""
    sizes = sorted(costs)
    cells = [f"{costs[size].cpu:.2f} s, {costs[size].memory / 1e6:.0f} MB" for size in sizes]
    if len(sizes) < 2:
        return f"| {step} | {' | '.join(cells)} | | |"
    found = exponent(sizes, [costs[size].cpu for size in sizes])
    most = exponent(sizes, [size * np.log(size) for size in sizes])
    return f"| {step} | {' | '.join(cells)} | {found:.2f} | {'grows faster than n log n' if found > most + NOISE else ''} |"


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tracks", type=int, nargs="*", default=list(SIZES))
    parser.add_argument("--library", type=Path, help="where the data roots lie, or are to be kept")
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=list(STEPS))
    parser.add_argument("--measure", nargs=2, metavar=("STEP", "ROOT"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        cpu = STEPS[given.measure[0]](DataRoot(Path(given.measure[1])))
        peak = peak_bytes()
        print(json.dumps(asdict(Cost(cpu, peak))))
        return
    from benchmarks.scale_library import scale_library

    with TemporaryDirectory(prefix="lofi-scale-") as temporary:
        folder = given.library or Path(temporary)
        roots = {size: scale_library(folder / f"tracks-{size}", size) for size in given.tracks}
        print(f"| step | {' | '.join(f'{size:,} tracks' for size in given.tracks)} | exponent | |")
        print("|---" * (len(roots) + 3) + "|")
        for step in given.steps:
            print(
                report(step, {size: measured_apart(step, root) for size, root in roots.items()}), flush=True
            )


if __name__ == "__main__":
    main()
