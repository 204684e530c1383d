"""How much sooner two nodes of a cluster are done than one: `python -m benchmarks.cluster_nodes dask --tracks 8`.

Nodes are processes of one worker each on this machine, and nothing else should run on it: the ratio is of wall time. Every time is of the same
tracks in a data root of their own, once the worker has loaded its code (a track before the clock starts).
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

from lofi_pipeline.config import PipelineConfig
from lofi_pipeline.ingest import pending_tracks, work_batch
from lofi_pipeline.storage import DataRoot
from lofi_pipeline_tests.drops import facts, make_drop, register, settings, song
from lofi_pipeline_tests.ingest import clusters

STARTS = {"dask": clusters.dask_cluster, "ray": clusters.ray_cluster}


def filled(folder: Path, tracks: int, seconds: float) -> DataRoot:
    """A data root with so many songs to work on."""
    root = DataRoot(folder / "data").create()
    make_drop(root, "one", {f"{number}.wav": song(number, seconds) for number in range(tracks)}, facts())
    register(root)
    return root


def seconds_of(root: DataRoot, config: PipelineConfig, warm: int) -> float:
    """The wall time of all tracks but the first ones, one for each node, with which the workers load their code."""
    pending = pending_tracks(root, config)
    list(work_batch(root, config, pending[:warm]))
    start = time.monotonic()
    done = list(work_batch(root, config, pending[warm:]))
    assert [record.reason for record in done if record.reason] == []
    return time.monotonic() - start


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("backend", choices=STARTS)
    parser.add_argument("--tracks", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=60.0)
    arguments = parser.parse_args()
    times = []
    for nodes in (1, 2):
        with tempfile.TemporaryDirectory() as made:
            root = filled(Path(made), nodes + arguments.tracks, arguments.seconds)
            with STARTS[arguments.backend](Path(made), *[clusters.Node()] * nodes) as local:
                config = settings(ingest={"backend": local.backend, "cluster": local.address})
                times.append(seconds_of(root, config, nodes))
            print(f"{nodes} nodes: {times[-1]:.1f} s (load {os.getloadavg()[0]:.1f})", flush=True)
    print(f"1 node / 2 nodes: {times[0] / times[1]:.2f}")


if __name__ == "__main__":
    main()
