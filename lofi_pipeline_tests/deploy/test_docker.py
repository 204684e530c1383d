"""deploy/docker: what its files name is there, nothing of it is secret, and nobody in it is root. Nothing is built here."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from lofi_pipeline.installation import PROJECT_ROOT

FOLDER = PROJECT_ROOT / "deploy" / "docker"


@pytest.fixture(scope="module")
def compose() -> Any:
    return yaml.safe_load((FOLDER / "compose.yaml").read_text())


def instructions() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile, lines that go on joined."""
    text = re.sub(r"^#.*\n", "", (FOLDER / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    return [(line.split()[0], line.partition(" ")[2]) for line in lines if line.strip()]


def copied() -> list[str]:
    """What the Dockerfile takes from the project's folder."""
    found = [rest.split()[:-1] for kind, rest in instructions() if kind == "COPY" and "--from" not in rest]
    return [name for names in found for name in names]


def test_the_image_takes_what_is_there_and_no_more() -> None:
    assert all((PROJECT_ROOT / name).exists() for name in copied())
    first, *let_in = [
        line for line in (FOLDER / "Dockerfile.dockerignore").read_text().splitlines() if line[0] != "#"
    ]
    assert first == "*"
    assert {line[1:] for line in let_in if line.startswith("!")} == set(copied())


def test_everything_is_pinned_by_its_hash_and_nobody_is_root() -> None:
    installs = [rest for kind, rest in instructions() if kind == "RUN" and "pip install" in rest]
    assert all("--require-hashes" in rest or "--no-index" in rest for rest in installs) and installs
    assert [rest for kind, rest in instructions() if kind == "USER"] == ["10001"]


def test_only_the_proxy_is_reached_from_outside(compose: Any) -> None:
    services = compose["services"]
    assert [name for name, service in services.items() if "ports" in service] == ["proxy"]
    assert compose["networks"]["inside"]["internal"] is True
    assert all(services[name]["networks"] == ["inside"] for name in ("code", "daemon", "postgres"))
    assert services["proxy"]["networks"] == ["front"]


def test_secrets_are_files_that_git_ignores(compose: Any) -> None:
    assert all(item["file"].startswith("./secrets/") for item in compose["secrets"].values())
    assert "/secrets/" in (FOLDER / ".gitignore").read_text().splitlines()
    variables = [service.get("environment", {}) for service in compose["services"].values()]
    assert not [
        name for each in variables for name in each if "PASSWORD" in name and not name.endswith("_FILE")
    ]


def test_webserver_and_daemon_ask_the_code_server(compose: Any) -> None:
    (location,) = yaml.safe_load((FOLDER / "workspace.yaml").read_text())["load_from"]
    code = compose["services"]["code"]["command"]
    assert location["grpc_server"]["host"] == "code"
    assert str(location["grpc_server"]["port"]) == code[code.index("--port") + 1]
    for name in ("web", "daemon"):
        assert compose["services"][name]["environment"]["LOFI_WORKSPACE"] == "/etc/lofi/workspace.yaml"
    assert f"reverse_proxy web:{3000}" in (FOLDER / "Caddyfile").read_text()


@pytest.mark.parametrize("name", ["web", "daemon", "code"])
def test_each_service_starts_what_there_is(compose: Any, name: str) -> None:
    program, *arguments = compose["services"][name]["command"]
    if program == "dagster":
        assert arguments[0] == "code-server"
        return
    from typer.testing import CliRunner

    from lofi_pipeline.cli.app import app

    given = [
        each.replace("${LOFI_NAME:?the name that people reach it by}", "lofi.example.org")
        for each in arguments
    ]
    done = CliRunner().invoke(app, [*given, "--help"])
    assert done.exit_code == 0, done.output
    assert not Path(program).is_absolute()
