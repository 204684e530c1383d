"""Clusters that work on tracks: Ray or Dask, started by somebody else, on machines that see the data root under the same path.

One interface for both: a function and its arguments go out, a Future comes back, and a death of the worker is told from an error of
the function. It is not what either registers with joblib: Ray's gives no result before the last one, and loses the share of
a node that dies; with Dask's, joblib waits for ever for a task whose worker was killed.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from lofi_pipeline.config.settings import IngestSettings
from lofi_pipeline.ingest.errors import ClusterFault

_REACH_SECONDS = 30


@dataclass(frozen=True)
class Cluster:
    """A cluster that was reached."""

    name: str
    submit: Callable[..., Future[Any]]
    """Have a function carried out by some worker on none of these nodes, with these arguments."""
    workers: Callable[[], int]
    """How many there are now."""
    present: Callable[[], set[str]]
    """The ids of the nodes that workers are on now."""
    own_node: Callable[[], str]
    """On a worker: the id of its node."""
    deaths: tuple[type[BaseException], ...]
    """What comes of work whose worker died, or whose machine did."""
    result: Callable[[Future[Any]], Any] = Future.result
    """What a function that is done gave, or raised."""
    seen: set[str] = field(default_factory=set)
    """The ids of nodes that were there at some time: one whose worker is started again comes back."""

    def nodes(self) -> set[str]:
        """The ids of the nodes that workers are on now."""
        now = self.present()
        self.seen.update(now)
        return now


@contextmanager
def open_cluster(settings: IngestSettings) -> Iterator[Cluster]:
    """The cluster that the settings name, until the end of the block.

    Raises:
        ClusterFault: its package is not installed, or it is not reached.
    """
    opening = {"ray": _ray, "dask": _dask}[settings.backend]
    try:
        with opening(settings.cluster) as cluster:
            yield cluster
    except ModuleNotFoundError as error:
        if error.name not in ("ray", "dask", "distributed"):
            raise
        raise ClusterFault(
            f"ingest.backend: {settings.backend}: {error.name} is not installed; install the extra: "
            f'pip install "lofi-pipeline[{settings.backend}]"'
        ) from error


@contextmanager
def _ray(address: str | None) -> Iterator[Cluster]:
    import ray  # pyright: ignore[reportMissingImports]
    from ray import exceptions  # pyright: ignore[reportMissingImports]

    was_there = ray.is_initialized()
    try:
        _require_open(address)
        ray.init(
            address=address or "auto",
            job_config=_with_own_code_alone(),
            ignore_reinit_error=True,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except (ConnectionError, exceptions.RayError, OSError, RuntimeError, ValueError) as error:
        raise _not_reached("ray", address, "ray start --head", error) from error

    def result(future: Future[Any]) -> Any:
        try:
            return future.result()
        except exceptions.RayTaskError as error:
            raise error.cause from error

    # No retries of Ray's own: who hands out the work counts how often a track has killed its worker.
    remote = ray.remote(max_retries=0, num_cpus=1)(_call)

    def submit(but_not: Collection[str], function: Callable[..., Any], *args: Any) -> Future[Any]:
        elsewhere = {"scheduling_strategy": _elsewhere(but_not)} if but_not else {}
        return remote.options(**elsewhere).remote(function, *args).future()

    try:
        yield Cluster(
            "ray",
            submit=submit,
            workers=lambda: int(ray.cluster_resources().get("CPU", 0)),
            present=lambda: {
                node["NodeID"] for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")
            },
            own_node=_own_node_of_ray,
            deaths=(
                exceptions.WorkerCrashedError,
                exceptions.NodeDiedError,
                exceptions.OutOfMemoryError,
                exceptions.ObjectLostError,
            ),
            result=result,
        )
    finally:
        if not was_there:
            ray.shutdown()


def _own_node_of_ray() -> str:
    import ray  # pyright: ignore[reportMissingImports]

    return ray.get_runtime_context().get_node_id()


def _elsewhere(but_not: Collection[str]) -> Any:
    from ray.util.scheduling_strategies import (  # pyright: ignore[reportMissingImports]
        NodeLabelSchedulingStrategy,
        NotIn,
    )

    return NodeLabelSchedulingStrategy(hard={"ray.io/node-id": NotIn(*but_not)})


class _NoFolders(list[str]):
    def extend(self, folders: Iterable[str], /) -> None:
        """Ray would have workers look for modules in the working directory of whoever gave the command, which may hold anything."""


def _with_own_code_alone() -> Any:
    """Workers have the code that is installed on their node: a node with another version is to be seen, not made up for."""
    from ray.job_config import JobConfig  # pyright: ignore[reportMissingImports]

    job = JobConfig()
    job._py_driver_sys_path = _NoFolders()
    return job


def _require_open(address: str | None) -> None:
    """Ray itself tries for many minutes to reach what is not there.

    Raises:
        OSError: nobody answers at the address.
    """
    host, _, port = (address or "").rpartition("//")[2].rpartition(":")
    if host and port.isdecimal():
        with socket.create_connection((host.strip("[]"), int(port)), timeout=_REACH_SECONDS):
            pass


def _call(function: Callable[..., Any], *args: Any) -> Any:
    return function(*args)


@contextmanager
def _dask(address: str | None) -> Iterator[Cluster]:
    from distributed import Client, KilledWorker  # pyright: ignore[reportMissingImports]

    if address is None:
        raise ClusterFault(
            "ingest.cluster: say where the scheduler is, such as tcp://192.168.1.2:8786: `dask scheduler` prints it"
        )
    try:
        client = Client(address, timeout=_REACH_SECONDS, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise _not_reached("dask", address, "dask scheduler", error) from error
    with client:
        seen: set[str] = set()

        def submit(but_not: Collection[str], function: Callable[..., Any], *args: Any) -> Future[Any]:
            # Nodes, not workers: one that is started again has another address
            others = sorted(seen.difference(but_not)) if but_not else None
            return client.get_executor(pure=False, workers=others).submit(function, *args)

        yield Cluster(
            "dask",
            submit=submit,
            workers=lambda: len(client.scheduler_info()["workers"]),
            present=lambda: {worker["host"] for worker in client.scheduler_info()["workers"].values()},
            own_node=_own_node_of_dask,
            deaths=(KilledWorker,),
            seen=seen,
        )


def _own_node_of_dask() -> str:
    from distributed import get_worker  # pyright: ignore[reportMissingImports]
    from distributed.comm import get_address_host  # pyright: ignore[reportMissingImports]

    return get_address_host(get_worker().address)


def _not_reached(backend: str, address: str | None, start: str, error: Exception) -> ClusterFault:
    said = " ".join(str(error).split())[:200] or type(error).__name__
    where = f"ingest.cluster: {address}" if address else "ingest.cluster"
    return ClusterFault(
        f"{where}: no cluster of {backend} is reached ({said}); start one with `{start}`, or set ingest.backend: loky to work on this "
        "machine"
    )
