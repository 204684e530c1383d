"""A data root that an earlier commit made goes on: its sources are judged anew once, and nothing else is done again.

Versions, hashes and audits stay. What is made of a licence's text changed since (TEXT_RULES), and every record of a scan names the
rules it was judged by.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from lofi_pipeline.config import load_config
from lofi_pipeline.dataset import build_dataset, load_version
from lofi_pipeline.storage import DataRoot, read_json, version_hash
from lofi_pipeline_tests.compatibility.old_root import unpack
from lofi_pipeline_tests.end_to_end.lofi import Lofi
from lofi_pipeline_tests.end_to_end.test_whole_way import files_of

ACTIVE, WITHDRAWN_SINCE = "c1f25950", "ccf8467e"
"""First digits of the two lineages; of what the second was trained on, one source was withdrawn afterwards."""


JUDGED = "metadata/drops.json"
WRITTEN = {
    JUDGED,
    "metadata/registry.json",  # for a field that came later
    "metadata/remembered.json",
    "metadata/refused.json",
    "metadata/seals.jsonl",
}
"""What judging anew writes: the scan, the tracks' origins, what is remembered of refused music, and their seals."""


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpack(tmp_path_factory.mktemp("old"))


def verdicts(scan: Any) -> list[Any]:
    """What a scan says of each drop, without the day and the rules it was judged by, and what only later ones ask."""
    dated = ("policy", "day", "to_accept", "accepted", "remarks")
    return [
        {key: drop[key] for key in ("folder", "status", "reason", "licence", "evidence")}
        | {"files": [{key: said for key, said in file.items() if key != "said"} for file in drop["files"]]}
        | {"verdict": {key: said for key, said in (drop["verdict"] or {}).items() if key not in dated}}
        for drop in scan["drops"]
    ]


@pytest.fixture
def old(unpacked: Path, tmp_path: Path) -> Lofi:
    """The command line on a copy of the old data root, with the configuration of its day."""
    shutil.copytree(unpacked / "data", tmp_path / "data")
    return Lofi(DataRoot(tmp_path / "data"), unpacked / "config", Path("nano"))


def test_a_run_judges_anew_once_and_then_does_no_work_and_changes_no_file(old: Lofi, unpacked: Path) -> None:
    before, said = files_of(old.root), json.loads((unpacked / "said.json").read_bytes())
    scan_before = read_json(old.root.path / JUDGED)
    now = old.run()
    assert now["dagster_runs"] == 1
    judged = files_of(old.root)
    assert {name for name in {*before, *judged} if before.get(name) != judged.get(name)} == WRITTEN
    assert verdicts(read_json(old.root.path / JUDGED)) == verdicts(scan_before)
    for kept in ("dataset", "tracks", "refused", "embedder", "floor_fad"):
        assert now[kept] == said[kept], kept
    lines = [(now["base"], said["base"]), *zip(now["checkpoints"], said["checkpoints"], strict=True)]
    for line, before_it in lines:
        assert {key: line[key] for key in before_it} == before_it
        assert line["fad_se"] is None and line["memorised"] == []  # what was not measured then is not known
        assert line["clap_interval"] is not None
    lowest = min(said["checkpoints"], key=lambda line: line["fad"])
    assert now["best"]["checkpoint_id"] == now["best_checkpoint"] == lowest["checkpoint_id"]
    assert now["best"]["why"] and any("were not measured" in sentence for sentence in now["warnings"])
    again = old.run()
    assert again["dagster_runs"] == 0
    assert files_of(old.root) == judged


def test_audits_say_what_they_said(old: Lofi, tmp_path: Path) -> None:
    done = old("audit", f"{ACTIVE}-step000004")
    assert done.code == 0, done.said
    target = tmp_path / "report.json"
    done = old("audit", f"{WITHDRAWN_SINCE}-step000002", "--json", str(target))
    assert done.code == 1, done.said
    findings = json.loads(target.read_bytes())["findings"]
    assert {item["code"] for item in findings if item["severity"] == "error"} == {"source-withdrawn"}


def test_hashes_of_data_set_versions_stay(old: Lofi, unpacked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    versions = sorted((old.root.metadata / "datasets").glob("*.json"))
    assert len(versions) == 2
    for path in versions:
        assert version_hash(read_json(path)) == path.stem == load_version(old.root, path.stem).dataset.hash
    monkeypatch.setenv("LOFI_CONFIG_ROOT", str(unpacked / "config"))
    current = load_version(old.root)
    old.root.built_from_json.unlink()  # as if it had never been built: it is built anew
    built = build_dataset(old.root, load_config(), day=current.dataset.created.date())
    assert (built.version, built.is_new) == (current, False)
