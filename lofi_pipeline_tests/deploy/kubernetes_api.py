"""A Kubernetes on this machine: the few calls of its API that a pod needs, on a real port; a pod is a process here."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

_INHERITED = ("PATH", "HOME", "PYTHONPATH")


@dataclass
class Pod:
    """A pod as it was asked for, and its process."""

    manifest: dict[str, Any]
    process: subprocess.Popen[bytes]
    log: Path
    removed: bool = False
    """Whether it was asked to end."""

    def shown(self) -> dict[str, Any]:
        code = self.process.poll()
        name = self.manifest["spec"]["containers"][0]["name"]
        state = {"running": {}} if code is None else {"terminated": {"exitCode": code}}
        status = {
            "name": name,
            "image": "x",
            "imageID": "",
            "restartCount": 0,
            "ready": code is None,
            "state": state,
        }
        phase = "Running" if code is None else "Failed" if code else "Succeeded"
        about = dict(self.manifest["metadata"])
        if self.removed:
            about |= {"deletionTimestamp": "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": 0}
        return {**self.manifest, "metadata": about, "status": {"phase": phase, "containerStatuses": [status]}}


@dataclass
class Kubernetes:
    """What was asked of it, and the pods that there are."""

    folder: Path
    command: Callable[[list[str]], list[str]] = lambda asked: asked
    """What a pod runs, given what it was asked to run."""
    refuses: str | None = None
    """What it says instead of taking a pod."""
    faults: int = 0
    """How many of the next lists it fails to give."""
    asked: list[dict[str, Any]] = field(default_factory=list)
    pods: dict[str, Pod] = field(default_factory=dict)

    def create(self, manifest: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(manifest)
        (container,) = manifest["spec"]["containers"]
        log = self.folder / f"{manifest['metadata']['name']}.log"
        given = {each["name"]: each["value"] for each in container["env"]}
        with log.open("wb") as out:
            process = subprocess.Popen(
                self.command([*container["command"], *container.get("args", [])]),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env={name: os.environ[name] for name in _INHERITED if name in os.environ} | given,
                start_new_session=True,
            )
        pod = self.pods[manifest["metadata"]["name"]] = Pod(manifest, process, log)
        return pod.shown()

    def end(self) -> None:
        for pod in self.pods.values():
            if pod.process.poll() is None:
                pod.process.kill()
            pod.process.wait()


@contextmanager
def kubernetes(folder: Path) -> Iterator[tuple[Kubernetes, Path]]:
    """One that runs while the block goes on, and the file with which kubectl and others find it."""
    cluster = Kubernetes(folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"cluster": cluster}))
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}"
    config = folder / "kubeconfig.yaml"
    config.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "here", "cluster": {"server": address}}],
                "users": [{"name": "me", "user": {}}],
                "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
                "current-context": "here",
            }
        )
    )
    try:
        yield cluster, config
    finally:
        server.shutdown()
        server.server_close()
        cluster.end()


class _Handler(BaseHTTPRequestHandler):
    cluster: Kubernetes

    def do_POST(self) -> None:
        manifest = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert urlsplit(self.path).path == "/api/v1/namespaces/music/pods"
        if self.cluster.refuses:
            self._answer(403, {"kind": "Status", "code": 403, "message": self.cluster.refuses})
        else:
            self._answer(201, self.cluster.create(manifest))

    def do_GET(self) -> None:
        where, query = urlsplit(self.path), parse_qs(urlsplit(self.path).query)
        if where.path.endswith("/log"):
            lines = self.cluster.pods[where.path.split("/")[-2]].log.read_bytes().splitlines(keepends=True)
            self._send(200, b"".join(lines[-int(query["tailLines"][0]) :]))
            return
        if self.cluster.faults:
            self.cluster.faults -= 1
            self._answer(500, {"kind": "Status", "code": 500, "message": "etcdserver: leader changed"})
            return
        name = query["fieldSelector"][0].removeprefix("metadata.name=")
        found = [pod.shown() for key, pod in self.cluster.pods.items() if key == name]
        self._answer(200, {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": found})

    def do_DELETE(self) -> None:
        pod = self.cluster.pods[urlsplit(self.path).path.rpartition("/")[2]]
        pod.removed = True
        if pod.process.poll() is None:
            pod.process.send_signal(signal.SIGTERM)
        self._answer(200, pod.shown())

    def _answer(self, code: int, said: dict[str, Any]) -> None:
        self._send(code, json.dumps(said).encode(), "application/json")

    def _send(self, code: int, body: bytes, kind: str = "text/plain") -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""
