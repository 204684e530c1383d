"""A training as a pod: what Kubernetes is asked for, what comes back, and what is refused. The clients are the real ones."""

import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from lofi_pipeline.config import load_config
from lofi_pipeline.installation import PROJECT_ROOT
from lofi_pipeline.storage import DataRoot
from lofi_pipeline.training.errors import TrainingError
from lofi_pipeline.training.records import EventKind, TrainingEvent, TrainingJob
from lofi_pipeline_tests.deploy.kubernetes_api import Kubernetes, kubernetes
from lofi_pipeline_tests.drops import facts, make_drop, song
from lofi_pipeline_tests.end_to_end.lofi import CHECKPOINTS, INTERVAL, STEPS, Lofi, write_config

pytest.importorskip("dagster_k8s", reason="the extra `kubernetes` is not installed")

from lofi_pipeline.assets import training_pod
from lofi_pipeline.assets.training_pod import PodRefused, train_in_pod

SHIPPED = PROJECT_ROOT / "deploy" / "kubernetes" / "training-pod.yaml"


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kubernetes]:
    (tmp_path / "cluster").mkdir()
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setattr(training_pod, "LOOK_SECONDS", 0.1)
    with kubernetes(tmp_path / "cluster") as (cluster, config):
        monkeypatch.setenv("KUBECONFIG", str(config))
        monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(config))
        yield cluster


def template(folder: Path, root: DataRoot, **changes: Any) -> Path:
    """The shipped manifest, with the data root where it lies here."""
    manifest = yaml.safe_load(SHIPPED.read_text())
    (container,) = manifest["spec"]["containers"]
    container["volumeMounts"][0]["mountPath"] = str(root.path)
    container |= changes
    manifest["metadata"]["namespace"] = "music"
    file = folder / "training-pod.yaml"
    file.write_text(yaml.safe_dump(manifest))
    return file


def train(
    root: DataRoot, file: Path, on_event: Callable[[TrainingEvent], None] = lambda event: None, **tags: str
) -> None:
    """A run whose only step is the pod."""
    config = load_config().training
    job = TrainingJob(
        data_root=root.path, dataset_hash="0" * 64, preset_name=config.active, preset=config.preset
    )

    @dg.asset
    def trained(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        train_in_pod(context, job, on_event, template=file)
        return dg.MaterializeResult()

    assert dg.materialize([trained], tags=tags).success


def event(kind: EventKind, **fields: Any) -> str:
    return TrainingEvent(kind=kind, step=2, max_steps=2, **fields).model_dump_json()


def says(*lines: str, then: str = "") -> Any:
    """In place of a training: a process that tells these events."""

    def command(asked: list[str]) -> list[str]:
        file = asked[asked.index("--events") + 1]
        tell = "".join(
            f"sleep 0.5\nprintf '%s\\n' {shlex.quote(line)} >> {shlex.quote(file)}\n" for line in lines
        )
        return ["/bin/sh", "-c", f"{tell}\n{then}"]

    return command


def test_the_pod_is_the_shipped_one_with_the_command_of_a_process(
    root: DataRoot, cluster: Kubernetes, tmp_path: Path
) -> None:
    cluster.command = says(event(EventKind.PROGRESS, loss=0.5), event(EventKind.FINISHED))
    told: list[TrainingEvent] = []

    def take(event: TrainingEvent) -> None:
        told.append(event)
        if event.kind is EventKind.PROGRESS:
            cluster.faults = 2  # lists that it fails to give while the pod trains cost nothing

    train(root, template(tmp_path, root), take, **{"dagster/image": "registry.example.org/lofi:7"})
    assert cluster.faults < 2
    assert [it.kind for it in told] == [EventKind.PROGRESS, EventKind.FINISHED]
    (pod,) = cluster.asked
    (container,) = pod["spec"]["containers"]
    assert container["image"] == "registry.example.org/lofi:7"  # that of the run's own pod
    assert container["command"][1:3] == ["-m", "lofi_pipeline.training.run"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert {"name": "PYTHONSAFEPATH", "value": "1"} in container["env"]
    assert pod["spec"]["restartPolicy"] == "Never"
    assert pod["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"] == "lofi-data"
    assert pod["spec"]["terminationGracePeriodSeconds"] >= 60
    assert "dagster/run-id" in pod["metadata"]["labels"]
    assert [it.removed for it in cluster.pods.values()] == [True]
    assert not list(root.cache.iterdir())  # job and events are gone with it


def test_a_pod_that_fails_gives_its_own_sentence_or_its_last_lines(
    root: DataRoot, cluster: Kubernetes, tmp_path: Path
) -> None:
    file = template(tmp_path, root, image="lofi:1")
    cluster.command = says(
        event(EventKind.FAILED, message="data set version 00000000 is not there"), then="exit 1"
    )
    with pytest.raises(TrainingError, match="^data set version 00000000 is not there$"):
        train(root, file)
    cluster.command = says(then="echo out of memory on GPU 0 >&2; exit 137")
    with pytest.raises(TrainingError, match=r"(?s)the pod of the training.*out of memory on GPU 0"):
        train(root, file)
    cluster.command = says(event(EventKind.STOPPED))
    with pytest.raises(TrainingError, match="stopped before its end; run again"):
        train(root, file)


def test_a_machine_that_is_gone_ends_the_run_though_its_pod_is_still_listed(
    root: DataRoot, cluster: Kubernetes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_pod, "GONE_SECONDS", 0.3)
    cluster.command = says(event(EventKind.PROGRESS), then="sleep 600")
    shown = type(cluster).create

    def create(self: Kubernetes, manifest: dict[str, Any]) -> dict[str, Any]:
        answer = shown(self, manifest)
        for pod in self.pods.values():
            pod.removed = True  # as Kubernetes marks the pods of a machine that it does not hear of
        return answer

    monkeypatch.setattr(type(cluster), "create", create)
    with pytest.raises(TrainingError, match="the machine of this pod gives no sign of life; run again"):
        train(root, template(tmp_path, root, image="lofi:1"))


def test_what_is_no_pod_for_this_data_root_is_refused_before_anything_is_asked(
    root: DataRoot, cluster: Kubernetes, tmp_path: Path
) -> None:
    good = template(tmp_path, root, image="lofi:1").read_text()
    cases = {
        r"can't be read": None,
        r"has no `kind: Pod`": "kind: Deployment",
        r"is not a pod of Kubernetes: .*Unexpected keys.*imagee": good.replace("image:", "imagee:"),
        r"it has no container": "kind: Pod\nspec: {containers: []}",
        r"is not a pod of Kubernetes": "kind: [",
        r"name the `image` of its container": template(tmp_path, root).read_text(),
        r"no volume at .*data, where the data root must be": good.replace(f"{root.path}\n", "/elsewhere\n"),
    }
    for reason, text in cases.items():
        file = tmp_path / "other.yaml"
        file.unlink(missing_ok=True)
        if text is not None:
            file.write_text(text)
        with pytest.raises(PodRefused, match=f"LOFI_TRAINING_POD.*{reason}"):
            train(root, file)
    shared = root.path / "pod.yaml"
    shared.write_text(good)
    with pytest.raises(PodRefused, match="lies in the data root; such a file can run programs"):
        train(root, shared)
    assert not cluster.asked


def test_what_kubernetes_does_not_allow_is_said_in_its_words(
    root: DataRoot, cluster: Kubernetes, tmp_path: Path
) -> None:
    cluster.refuses = "pods is forbidden: exceeded quota: gpus, requested: nvidia.com/gpu=1"
    with pytest.raises(PodRefused, match=r"\(403\): pods is forbidden: exceeded quota"):
        train(root, template(tmp_path, root, image="lofi:1"))


def test_without_a_cluster_it_says_so(
    root: DataRoot, tmp_path: Path, cluster: Kubernetes, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = str(tmp_path / "absent")
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", absent)
    with pytest.raises(PodRefused, match="no Kubernetes could be asked"):
        train(root, template(tmp_path, root, image="lofi:1"))


@pytest.mark.slow
def test_a_run_that_trains_in_pods_lands_and_scores_all_checkpoints(
    root: DataRoot, cluster: Kubernetes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in the middle, too: the pod ends by itself, with its state kept, and the next one goes on from there."""
    make_drop(root, "one", {f"{number}.wav": song(number) for number in range(3)}, facts())
    monkeypatch.setenv("LOFI_TRAINING_POD", str(template(tmp_path, root, image="lofi:1")))
    lofi = Lofi(root, write_config(tmp_path / "config"), Path("nano"))
    killed = lofi.start("run")
    first = root.checkpoint(f"epoch=0-step={INTERVAL}_lora")
    killed.wait_for(first.exists, "first checkpoint")
    killed.family()[0].kill()
    (pod,) = cluster.pods.values()
    assert pod.process.wait(timeout=120) == 0  # asked to stop, as by SIGTERM
    assert not pod.removed
    assert not root.checkpoint(f"epoch=0-step={STEPS}_lora").exists(), (
        "was too late to be killed in the middle"
    )

    said = lofi.run()
    assert len(cluster.asked) == 2 and len(said["checkpoints"]) == CHECKPOINTS
    assert all(folder.joinpath("scores.json").exists() for folder in root.checkpoints.glob("epoch=*"))
    assert root.checkpoint(f"epoch=0-step={STEPS}_lora").exists()
