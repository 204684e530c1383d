"""Drops that this user may not read: said of that drop alone, and looked at again once the rights are given."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lofi_pipeline.config import load_config
from lofi_pipeline.ingest import changed_drops, load_scan
from lofi_pipeline.storage import DataRoot
from lofi_pipeline.styles import load_presets
from lofi_pipeline_tests.drops import CONTRACT, GRANT, facts, make_drop, register, song
from lofi_pipeline_tests.rights import as_any_user

DROP = "raw/creative-commons/mine"
OTHERS = "raw/creative-commons/other/c.wav"
CLOSED = [
    ("a.wav", 0o000, f"{DROP}/a.wav: cannot be read (Permission denied); check its permissions"),
    ("source.json", 0o000, f"{DROP}/source.json: cannot be read (Permission denied); check its permissions"),
    ("contract.txt", 0o000, "contract.txt: cannot be read (Permission denied); check its permissions"),
    (".", 0o000, f"{DROP}: cannot be looked into; check its permissions"),
    (".", 0o444, f"{DROP}: cannot be looked into; check its permissions"),
    ("deep", 0o000, f"{DROP}/deep: cannot be looked into; check its permissions"),
    ("deep", 0o444, f"{DROP}/deep: cannot be looked into; check its permissions"),
]


def fill(root: DataRoot) -> None:
    """A drop with music in it and in a folder of it, and another one."""
    grant = facts(license_type="AI Training Rights", grant=GRANT, defaults={"lyrics": "words.txt"})
    files = {"a.wav": song(0), "deep/b.wav": song(1), "words.txt": b"la la la", **CONTRACT}
    make_drop(root, "mine", files, grant)
    make_drop(root, "other", {"c.wav": song(2)}, facts(source_id="other"))


def scan(root: DataRoot) -> dict[str, Any]:
    """The drops that changed; if there are some, the tracks and refusals of a scan."""
    licensing = load_config().licensing
    changed = changed_drops(root, load_scan(root), style_ids=set(load_presets()), licensing=licensing)
    if not changed:
        return {"changed": changed}
    found = register(root)
    tracks = sorted(origin.path for track in found.registry.tracks for origin in track.origins)
    return {"changed": changed, "tracks": tracks, "refusals": [reason for _, reason in found.scan.refusals()]}


def closed_and_opened(root: DataRoot, name: str, mode: int) -> list[dict[str, Any]]:
    """Scans with something closed, once more, and after it was opened."""
    path = root.path / DROP / name
    before = path.stat().st_mode
    path.chmod(mode)
    try:
        found = [scan(root), scan(root)]
    finally:
        path.chmod(before)
    return [*found, scan(root)]


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> list[list[dict[str, Any]]]:
    """For each of CLOSED, then for the lyrics: what `closed_and_opened` gives, for a user for whom rights count."""
    folder = tmp_path_factory.mktemp("rights")
    names = [(name, mode) for name, mode, _ in CLOSED] + [("words.txt", 0o000)]
    for number, _ in enumerate(names):
        fill(DataRoot(folder / str(number)).create())
    done = subprocess.run(
        [sys.executable, "-m", __name__, str(folder), json.dumps(names)],
        preexec_fn=as_any_user,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("number", range(len(CLOSED)), ids=[f"{name}-{mode:o}" for name, mode, _ in CLOSED])
def test_what_may_not_be_read_is_said_and_read_once_it_may_be(
    number: int, scans: list[list[dict[str, Any]]]
) -> None:
    closed, again, opened = scans[number]
    assert any(CLOSED[number][2] in reason for reason in closed["refusals"]), closed
    assert OTHERS in closed["tracks"]
    assert again == {"changed": []}, "scanned again although nothing has changed"
    assert opened == {
        "changed": [DROP],
        "tracks": [f"{DROP}/a.wav", f"{DROP}/deep/b.wav", OTHERS],
        "refusals": [],
    }


def test_lyrics_that_may_be_read_now_are_looked_at_again(scans: list[list[dict[str, Any]]]) -> None:
    _, again, opened = scans[-1]
    assert again == {"changed": []}
    assert opened["changed"] == [DROP]


if __name__ == "__main__":
    print(
        json.dumps(
            [
                closed_and_opened(DataRoot(Path(sys.argv[1]) / str(number)), name, mode)
                for number, (name, mode) in enumerate(json.loads(sys.argv[2]))
            ]
        )
    )
