"""`lofi run` and `lofi store` with a bucket, as a user gives them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lofi_pipeline.cli.app import app
from lofi_pipeline.offsite.index import load_index
from lofi_pipeline.storage import DataRoot, load_evicted
from lofi_pipeline_tests.cli.test_cli import lofi
from lofi_pipeline_tests.drops import facts, song
from lofi_pipeline_tests.offsite.conftest import URL
from lofi_pipeline_tests.offsite.server import BUCKET, Faults

STORE = "LOFI_STORAGE__OBJECT_STORE"


@pytest.mark.slow
def test_a_run_begins_with_what_is_new_there_and_ends_with_putting_what_was_made(
    tmp_path: Path, client: Any, faults: Faults
) -> None:
    root = DataRoot(tmp_path / "data").create()
    source = json.dumps(facts(source_id="new")).encode()
    for name, body in (("a.wav", song(0).read_bytes()), ("source.json", source)):
        client.put_object(Bucket=BUCKET, Key=f"lofi/raw/creative-commons/new/{name}", Body=body)
    run = ("--data", root.path, "run", "--to", "raw_tracks")
    done = lofi(*run, **{STORE: URL})
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"From {URL}: 2 files" in done.stdout and "drops: raw/creative-commons/new" in done.stdout
    assert f"To {URL}: 3 files" in done.stdout  # audio, prompt and lyrics
    before = load_index(root, URL)
    assert lofi("--data", root.path, "store", "evict", "music", **{STORE: URL}).returncode == 0
    refused = lofi(*run)
    assert refused.returncode == 1 and "`lofi store pull` brings them back" in refused.stdout + refused.stderr
    again = lofi(*run, **{STORE: URL})
    assert again.returncode == 0 and f"From {URL}: 5 files" in again.stdout, again.stdout + again.stderr
    assert load_index(root, URL) == before and load_evicted(root) is None


def test_the_commands_say_what_they_do(
    root: DataRoot, faults: Faults, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def said(*arguments: str, code: int = 0) -> str:
        given = ["--data", str(root.path), "store", *arguments, "--json", str(tmp_path / "out.json")]
        found = CliRunner().invoke(app, given)
        assert found.exit_code == code, found.output
        return found.output + (str(found.exception) if found.exception else "")

    def written() -> dict[str, Any]:
        return json.loads((tmp_path / "out.json").read_bytes())

    assert "storage.object_store is not set" in said("push", code=1)
    monkeypatch.setenv(STORE, URL)
    assert "Next: lofi store push" in CliRunner().invoke(app, ["--data", str(root.path), "store"]).output
    assert faults.seen == []
    assert f"To {URL}: 15 files" in said("push") and written()["files"] == 15
    assert "cannot be evicted; there are: music, latents, archive" in said("evict", "checkpoints", code=1)
    assert "Removed here 15 files" in said("evict", "music") and len(written()["files"]) == 15
    assert f"From {URL}: 0 files" in said("pull", "latents")
    assert "'nothing' is no group" in said("pull", "nothing", code=2)
    assert f"From {URL}: 15 files" in said("pull") and written()["refused"] == {}
