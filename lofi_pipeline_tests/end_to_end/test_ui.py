"""The real webserver and daemon, as `make ui` starts them: what is copied in is worked on without a hand being lifted."""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from lofi_pipeline.storage import DataRoot
from lofi_pipeline_tests.drops import facts, make_drop, song
from lofi_pipeline_tests.end_to_end.conftest import Way
from lofi_pipeline_tests.end_to_end.lofi import STEPS, TIMEOUT, Lofi, Running, materialized, write_config

STATS = """query Stats($asset: [String!]!) {
  assetNodeOrError(assetKey: {path: $asset}) {
    ... on AssetNode { partitionStats { numMaterialized numFailed } }
  }
}"""
ACTIVE = (
    "query { runsOrError(filter: {statuses: [STARTING, STARTED]}) { ... on Runs { results { jobName } } } }"
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def asker(server: Running, port: int) -> Callable[..., dict[str, Any] | None]:
    """A function that asks the webserver with the token that was printed; it gives None while nobody answers."""

    def ask(query: str, **variables: object) -> dict[str, Any] | None:
        if not (
            link := re.search(
                rf"http://127\.0\.0\.1:{port}/\?token=([0-9a-f]{{48}})$", server.said, re.MULTILINE
            )
        ):
            return None
        body = json.dumps({"query": query, "variables": variables}).encode()
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {link[1]}"}
        request = urllib.request.Request(f"http://127.0.0.1:{port}/graphql", body, headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["data"]
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return None

    return ask


@pytest.fixture
def root_and_lofi(prepared: Way, tmp_path: Path) -> Lofi:
    """A copy of the prepared data root whose configuration names the toy base: `lofi ui` is told nothing."""
    config = write_config(tmp_path / "config", training={"base": str(prepared.lofi.base)})
    return Lofi(prepared.lofi.copy(tmp_path / "data").root, config, prepared.lofi.base)


def test_music_and_checkpoints_that_are_copied_in_are_worked_on_and_a_signal_ends_it_all(
    root_and_lofi: Lofi, trained: Way
) -> None:
    lofi, root, port = root_and_lofi, root_and_lofi.root, free_port()
    before = len(materialized(root, "tagged_prompts"))
    server = lofi.start("ui", "--port", str(port))
    ask = asker(server, port)
    try:
        server.wait_for(lambda: ask("query { version }"), "answer of the webserver", pause=0.5)
        copy_in_everything(root, trained)

        def count(asset: str) -> int:
            answer = ask(STATS, asset=[asset])
            stats = answer["assetNodeOrError"]["partitionStats"] if answer else None
            assert not stats or not stats["numFailed"], f"{asset}: {stats}\n{server.said}"
            return stats["numMaterialized"] if stats else 0

        server.wait_for(lambda: count("tagged_prompts") == before + 2, "materialized tracks", pause=0.5)
        server.wait_for(lambda: count("quality_metrics") == 1, "score of the checkpoint", pause=0.5)
        assert (root.checkpoint(f"epoch=0-step={STEPS}_lora") / "scores.json").is_file()
        assert count("lora_checkpoints") == 1
        # Ended in the middle of a run, which is the hard case.
        make_drop(root, "late", {"x.wav": song(14)}, facts(source_id="late"))
        server.wait_for(
            lambda: (ask(ACTIVE) or {}).get("runsOrError", {}).get("results"),
            "run for the late drop",
            pause=0.5,
        )
        family = server.family()
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(timeout=TIMEOUT) == 0, server.said
        assert not [process for process in family if is_alive(process)]
        assert not [process for process in psutil.process_iter() if works_on(process, root)]
    finally:
        if server.process.poll() is None:
            server.process.terminate()
            server.process.wait(timeout=TIMEOUT)


def copy_in_everything(root: DataRoot, trained: Way) -> None:
    """A drop of two songs, and a checkpoint folder as it comes from another machine."""
    make_drop(root, "new", {f"n{n}.wav": song(n) for n in (12, 13)}, facts(source_id="new"))
    name = f"epoch=0-step={STEPS}_lora"
    ignored = shutil.ignore_patterns("scores.json", "samples")
    shutil.copytree(trained.root.checkpoint(name), root.checkpoint(name), ignore=ignored)


def is_alive(process: psutil.Process) -> bool:
    """Whether it still runs; what has ended and waits for somebody to ask for its exit code does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def works_on(process: psutil.Process, root: DataRoot) -> bool:
    """Whether a process is told this data root by its environment."""
    try:
        return process.environ().get("LOFI_DATA_ROOT") == str(root.path)
    except psutil.Error:
        return False
