"""deploy/kubernetes: its values name what this project needs, and dagster-k8s takes what is its own. No cluster is asked."""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Any, cast

import pytest
import yaml

from lofi_pipeline.assets.lora_training import _train
from lofi_pipeline.automation.jobs import gpus_to_train, on_a_gpu
from lofi_pipeline.environment import Environment
from lofi_pipeline.installation import PROJECT_ROOT
from lofi_pipeline.training.errors import TrainingError

FOLDER = PROJECT_ROOT / "deploy" / "kubernetes"


@pytest.fixture(scope="module")
def values() -> Any:
    return yaml.safe_load((FOLDER / "values.yaml").read_text())


def test_all_pods_have_one_image_one_user_and_the_data_root(values: Any) -> None:
    (code,) = values["dagster-user-deployments"]["deployments"]
    parts = [values["dagsterWebserver"], values["dagsterDaemon"], code]
    for part in parts:
        assert part["image"] == parts[0]["image"] and part["podSecurityContext"]["runAsUser"] == 10001
        assert part["volumes"] == parts[0]["volumes"] and part["volumeMounts"] == parts[0]["volumeMounts"]
    claim = yaml.safe_load((FOLDER / "data.yaml").read_text())
    assert parts[0]["volumes"][0]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    (place,) = [each["value"] for each in code["env"] if each["name"] == "LOFI_DATA_ROOT"]
    assert place == parts[0]["volumeMounts"][0]["mountPath"]
    assert code["includeConfigInLaunchedRuns"]["enabled"] is True


def test_nobody_reaches_the_webserver_and_no_password_is_written_down(values: Any) -> None:
    assert values["dagsterWebserver"]["service"]["type"] == "ClusterIP" and not values["ingress"]["enabled"]
    assert values["generatePostgresqlPasswordSecret"] is False
    assert "assword" not in str(values["postgresql"])


def test_the_chart_is_of_the_version_of_dagster() -> None:
    for name in ("values.yaml", "README.md"):
        assert f"--version {version('dagster')} " in (FOLDER / name).read_text()


def test_trainings_ask_for_a_gpu_where_the_environment_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    assert on_a_gpu(Environment.read().kubernetes_gpus) == {}
    monkeypatch.setenv("LOFI_KUBERNETES_GPUS", "2")
    (config,) = on_a_gpu(Environment.read().kubernetes_gpus).values()
    assert "'nvidia.com/gpu': '2'" in str(config)
    assert gpus_to_train(Environment.read()) == 2
    monkeypatch.setenv("LOFI_TRAINING_POD", "/etc/lofi/pods/training-pod.yaml")
    assert gpus_to_train(Environment.read()) == 0  # the pod of the training has them


def test_a_training_in_a_pod_without_the_package_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LOFI_TRAINING_POD", "training-pod.yaml")
    monkeypatch.setitem(sys.modules, "lofi_pipeline.assets.training_pod", None)
    with pytest.raises(TrainingError, match=r"dagster-k8s.*pip install \"lofi-pipeline\[kubernetes\]\""):
        _train(cast("Any", None), cast("Any", None), lambda event: None, 1)


def test_the_pod_of_a_training_has_user_and_data_root_of_the_others(values: Any) -> None:
    pod = yaml.safe_load((FOLDER / "training-pod.yaml").read_text())
    others = values["dagsterWebserver"]
    assert pod["spec"]["securityContext"] == others["podSecurityContext"]
    assert pod["spec"]["volumes"][0] == others["volumes"][0]
    assert pod["spec"]["containers"][0]["volumeMounts"][0] == others["volumeMounts"][0]
    (code,) = values["dagster-user-deployments"]["deployments"]
    (mount,) = [each["mountPath"] for each in code["volumeMounts"] if each["name"] == "pods"]
    assert f"{mount}/training-pod.yaml" in (FOLDER / "values.yaml").read_text()


def test_dagster_k8s_takes_the_run_launcher_and_the_tags(values: Any) -> None:
    job = pytest.importorskip("dagster_k8s.job", reason="the extra `kubernetes` is not installed")
    (tags,) = on_a_gpu(1).values()
    taken = job.UserDefinedDagsterK8sConfig.from_dict(tags)
    assert taken.container_config["resources"]["limits"] == {"nvidia.com/gpu": "1"}
    given = values["runLauncher"]["config"]["k8sRunLauncher"]["runK8sConfig"]
    snake = {
        "container_config": given["containerConfig"],
        "pod_spec_config": given["podSpecConfig"],
        "job_spec_config": given["jobSpecConfig"],
    }
    taken = job.UserDefinedDagsterK8sConfig.from_dict(snake)
    assert taken.pod_spec_config["termination_grace_period_seconds"] == 120
