"""A training as a pod of Kubernetes: the same process as on this machine, with the data root mounted under the same path.

Its job goes in, and what it tells comes out, through files in the data root: no line of a log can be lost or torn. It ends with
a lease that is held here. Needs the extra `kubernetes`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import dagster as dg
import yaml
from dagster_k8s import PipesK8sClient, PipesK8sPodLogsMessageReader
from dagster_k8s.client import DagsterK8sError
from dagster_k8s.models import k8s_model_from_dict, k8s_snake_case_dict
from dagster_pipes import PIPES_PROTOCOL_VERSION_FIELD, PipesMessage
from kubernetes.client import ApiException, CoreV1Api, V1Pod
from kubernetes.config import ConfigException
from urllib3.exceptions import HTTPError

from lofi_pipeline.errors import LofiError
from lofi_pipeline.storage import DataRoot, leased, temporary_folder, write_json_atomic
from lofi_pipeline.training.errors import TrainingError
from lofi_pipeline.training.launch import Told, command_of
from lofi_pipeline.training.records import TrainingEvent, TrainingJob

VARIABLE = "LOFI_TRAINING_POD"
LOOK_SECONDS = 2.0
SILENT_SECONDS = 300.0
"""How long Kubernetes may give no answer while a pod trains."""
GONE_SECONDS = 30.0
"""Longer than its grace period a pod is only there when its machine is not."""
_OVER = ("Succeeded", "Failed")
_IMAGE_TAG = "dagster/image"


class PodRefused(LofiError):
    """The file that says how a pod of a training is made can't be used as it is."""


@dataclass(frozen=True)
class PodTemplate:
    """What a manifest of kind Pod says, in Kubernetes' own terms; its first container is the training."""

    namespace: str | None
    labels: dict[str, str]
    spec: dict[str, Any]

    @classmethod
    def read(cls, file: Path, root: DataRoot, image: str | None) -> PodTemplate:
        """Read a manifest; the training has this image where it names none.

        Raises:
            PodRefused: there is no such file, it is no such manifest, it lies in the data root, or leaves the data root out.
        """
        if file.resolve().is_relative_to(root.path.resolve()):
            raise PodRefused(
                f"{VARIABLE}: {file}: lies in the data root; such a file can run programs: copy it to a place outside"
            )
        try:
            manifest = yaml.safe_load(file.read_text())
            pod = _pod_in(manifest)
        except (OSError, UnicodeDecodeError) as error:
            raise PodRefused(f"{VARIABLE}: {file}: can't be read ({error})") from error
        except (yaml.YAMLError, ValueError) as error:
            raise PodRefused(f"{VARIABLE}: {file}: is not a pod of Kubernetes: {error}") from error
        training = pod["spec"]["containers"][0]
        training.setdefault("image", image)
        if not training["image"]:
            raise PodRefused(
                f"{VARIABLE}: {file}: name the `image` of its container; the run is in no pod whose image could be taken"
            )
        places = [Path(each["mount_path"]) for each in training.get("volume_mounts", ())]
        if not any(root.path.is_relative_to(place) for place in places):
            raise PodRefused(
                f"{VARIABLE}: {file}: its container has no volume at {root.path}, where the data root must be in the pod, too"
            )
        about = pod.get("metadata", {})
        return cls(about.get("namespace"), about.get("labels", {}), pod["spec"])

    def running(self, command: list[str]) -> dict[str, Any]:
        """The spec of a pod that runs a command once."""
        training, *others = self.spec["containers"]
        training = {**training, "command": command, "args": []}
        return {**self.spec, "restart_policy": "Never", "containers": [training, *others]}


def _pod_in(manifest: object) -> dict[str, Any]:
    """A manifest with the names of its fields as Python has them; raises ValueError with what is wrong with it."""
    if not isinstance(manifest, dict) or manifest.get("kind") != "Pod":
        raise ValueError("it has no `kind: Pod`")
    try:
        pod: dict[str, Any] = dict(k8s_snake_case_dict(V1Pod, manifest))
        k8s_model_from_dict(V1Pod, pod)
    except Exception as error:  # dagster-k8s raises no class of its own for a field that there is not
        raise ValueError(str(error)) from error
    if not (pod.get("spec") or {}).get("containers"):
        raise ValueError("it has no container")
    return pod


def train_in_pod(
    context: dg.AssetExecutionContext,
    job: TrainingJob,
    on_event: Callable[[TrainingEvent], None],
    *,
    template: Path,
    launcher: int | str = 1,
) -> TrainingEvent:
    """Train in a pod as the file says, and call `on_event` with each event; returns the last one.

    The pod is asked to keep its state and removed when this call is interrupted, and ends by itself when this process is gone.

    Raises:
        PodRefused: the file can't be used, or Kubernetes did not take the pod.
        TrainingError: the training failed, with its own sentence or its last lines, or stopped before the end.
    """
    root = DataRoot(job.data_root)
    pod = PodTemplate.read(template, root, context.run.tags.get(_IMAGE_TAG))
    told = Told(on_event)
    with temporary_folder(root.cache, "training") as folder:
        reader = _Reader(told, folder / "events.jsonl")
        write_json_atomic(folder / "job.json", job)
        files = ("--job", folder / "job.json", "--events", reader.events, "--end-with", folder / "run")
        context.log.info(
            f"waiting for the pod of this training: kubectl get pods -l dagster/run-id={context.run.run_id}"
        )
        client = PipesK8sClient(message_reader=reader, poll_interval=LOOK_SECONDS)
        with leased(folder / "run", "a run with a training", on_lost=lambda holder: None), _in_words(told):
            client.run(
                context=context,
                namespace=pod.namespace,
                env={"PYTHONSAFEPATH": "1"},
                base_pod_meta={"labels": {**pod.labels, "dagster/run-id": context.run.run_id}},
                base_pod_spec=pod.running([*command_of(launcher), *map(str, files)]),
                pod_wait_timeout=0,
            )
    return told.end(False, "")


@contextmanager
def _in_words(told: Told) -> Iterator[None]:
    """Turn what Dagster and Kubernetes raise into sentences."""
    try:
        yield
    except DagsterK8sError as error:
        told.end(True, f"the pod of the training: {error}")
    except ApiException as error:
        said = error.reason
        with suppress(TypeError, ValueError, KeyError):
            said = json.loads(error.body or "")["message"]
        raise PodRefused(
            f"Kubernetes did not do what a training in a pod needs ({error.status}): {said}"
        ) from error
    except (ConfigException, HTTPError) as error:
        raise PodRefused(f"no Kubernetes could be asked for the pod of a training: {error}") from error


class _Reader(PipesK8sPodLogsMessageReader):
    """What Dagster's client follows a pod with, once it runs: instead of its log, the file with the events of the training."""

    def __init__(self, told: Told, events: Path) -> None:
        self.events = events
        self._told = told
        self._read = 0

    def consume_pod_logs(self, context: Any, core_api: CoreV1Api, pod_name: str, namespace: str) -> None:
        self._say("opened")
        context.log.info(f"the training is in the pod {pod_name} of the namespace {namespace}")
        pod, over = _Pod(core_api, pod_name, namespace), False
        while not over:
            over = pod.is_over()  # asked before reading: what it told at last is read, too
            for line in self._new_lines():
                self._told.take(line)
            if not over:
                time.sleep(LOOK_SECONDS)
        self._say("closed")

    def _say(self, method: str) -> None:
        """As a process that speaks Dagster's protocol does at its start and end: without it Dagster warns that it heard nothing."""
        message: PipesMessage = {
            PIPES_PROTOCOL_VERSION_FIELD: "0.1",
            "method": method,
            "params": {"extras": {}},
        }
        cast("dg.PipesMessageHandler", self._handler).handle_message(message)

    def _new_lines(self) -> list[str]:
        """Opened each time: a network disk shows only then what another machine wrote."""
        try:
            with self.events.open("rb") as file:
                file.seek(self._read)
                whole, end, _ = file.read().rpartition(b"\n")
        except FileNotFoundError:
            return []
        self._read += len(whole) + len(end)
        return whole.decode(errors="replace").splitlines()


@dataclass
class _Pod:
    api: CoreV1Api
    name: str
    namespace: str
    _answered: float = field(default_factory=time.monotonic)
    _removed: float | None = None

    def is_over(self) -> bool:
        """Whether it trains no more.

        Raises:
            TrainingError: its machine is gone.
        """
        try:
            found = self._found()
        except (ApiException, HTTPError):
            if time.monotonic() - self._answered > SILENT_SECONDS:
                raise
            return False
        self._answered = time.monotonic()
        if not found or found[0].status.phase in _OVER:
            return True
        about = found[0].metadata
        if about.deletion_timestamp:
            self._removed = self._removed or self._answered
            if self._answered - self._removed > (about.deletion_grace_period_seconds or 0) + GONE_SECONDS:
                raise TrainingError(
                    f"{self.name}: the machine of this pod gives no sign of life; run again to go on elsewhere"
                )
        return False

    def _found(self) -> list[Any]:
        listed: Any = self.api.list_namespaced_pod(
            self.namespace, field_selector=f"metadata.name={self.name}"
        )
        return listed.items
