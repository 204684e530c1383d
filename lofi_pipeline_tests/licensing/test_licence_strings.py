"""How licences are written in the world: every string of licence_strings.csv gets its verdict, from source.json on.

Each row names where its form comes from. `verdict` is what the licence says, under both profiles and with every kind of proof.
"""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from lofi_pipeline.config import LicensingSettings, config_root
from lofi_pipeline.entities import DropManifest, DropStatus, Evidence, EvidenceFile, Verdict
from lofi_pipeline.ingest import load_scan
from lofi_pipeline.licensing import judge_source
from lofi_pipeline.storage import DataRoot
from lofi_pipeline_tests.cli.test_cli import lofi
from lofi_pipeline_tests.drops import facts, make_drop


class Row(NamedTuple):
    """One line of the table."""

    text: str
    licence: str
    verdict: str
    group: str
    source: str


with Path(__file__).with_name("licence_strings.csv").open(newline="", encoding="utf-8") as file:
    ROWS = [Row(**row) for row in csv.DictReader(file)]

DOCUMENT = EvidenceFile(
    evidence=Evidence(document="contract.pdf"), path="raw/contract.pdf", sha256="0" * 64, size=9
)
PROOFS: dict[str, dict[str, Any] | None] = {
    "nothing": None,
    "a document": {"uses": {"redistribute_weights": "allowed"}},
    "training": {"uses": {"train": "allowed"}},
    "training and commerce": {"uses": {"train": "allowed", "commercial": "allowed"}},
}
ALL = frozenset(PROOFS)
A_DOCUMENT = ALL - {"nothing"}
TRAINING = frozenset({"training", "training and commerce"})
COMMERCE = frozenset({"training and commerce"})
NONE: frozenset[str] = frozenset()

# What is proved when the music may be trained on: in profile cc, in profile strict, and in profile cc without commerce
PERMITTED_WITH = {
    "open": (ALL, ALL, ALL),
    "cc": (ALL, TRAINING, ALL),
    "proof-strict": (ALL, A_DOCUMENT, ALL),
    "proof": (A_DOCUMENT, A_DOCUMENT, A_DOCUMENT),
    "grant": (TRAINING, TRAINING, TRAINING),
    "grant-nc": (COMMERCE, COMMERCE, TRAINING),
    "never": (NONE, NONE, NONE),
    "ban": (NONE, NONE, NONE),
    "unknown": (NONE, NONE, NONE),
}
SETTINGS = (
    LicensingSettings(),
    LicensingSettings(profile="strict"),
    LicensingSettings(commercial=False),
)


def judged(text: str, settings: LicensingSettings = SETTINGS[0], proof: str = "nothing") -> Verdict:
    grant = PROOFS[proof]
    said: dict[str, Any] = {
        "source_id": "s",
        "source_type": "creative_commons",
        "provider": "Somebody",
        "license_type": text,
        "date_acquired": "2025-12-22",
    }
    if grant:
        said["grant"] = grant | {"evidence": [{"document": "contract.pdf"}]}
    manifest = DropManifest.parse(json.loads(json.dumps(said)), where="source.json")
    return judge_source(manifest, settings, evidence=[DOCUMENT] if grant else [])


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.group}: {row.text}"[:80])
def test_every_string_of_the_world_gets_its_verdict(row: Row) -> None:
    assert judged(row.text).licence == row.licence, judged(row.text).reason
    for settings, permitted_with in zip(SETTINGS, PERMITTED_WITH[row.verdict], strict=True):
        permitted = {proof for proof in PROOFS if judged(row.text, settings, proof).permitted}
        assert permitted == permitted_with, (settings.profile, settings.commercial)


@pytest.mark.parametrize(
    "licence", sorted({row.licence for row in ROWS if row.verdict not in ("ban", "unknown")})
)
def test_the_id_in_a_verdict_reads_back_as_the_same_licence(licence: str) -> None:
    for settings in SETTINGS:
        found = judged(licence, settings)
        (like,) = {
            (said.permitted, said.strictness, said.obligations)
            for said in (judged(row.text, settings) for row in ROWS if row.licence == licence)
        }
        assert (found.licence, found.permitted, found.strictness, found.obligations) == (licence, *like)


def test_the_table_is_large_and_says_where_each_form_comes_from() -> None:
    assert len({row.text for row in ROWS}) == len(ROWS) >= 300
    assert all(row.source and row.verdict in PERMITTED_WITH for row in ROWS)


def test_the_command_line_takes_and_refuses_drops_by_these_verdicts(tmp_path: Path) -> None:
    """One string of each group and verdict, as a drop of its own, through `lofi run` in profile strict."""
    settings = LicensingSettings(profile="strict")
    chosen = {(row.group, row.verdict): row for row in ROWS if len(row.text) <= 500}
    root, config = DataRoot(tmp_path / "data"), tmp_path / "config"
    shutil.copytree(config_root(), config)
    pipeline = yaml.safe_load((config / "pipeline.yaml").read_text(encoding="utf-8"))
    pipeline["licensing"]["profile"] = "strict"
    (config / "pipeline.yaml").write_text(yaml.safe_dump(pipeline), encoding="utf-8")
    for number, row in enumerate(chosen.values()):
        said = facts(source_id=f"s{number}", license_type=row.text)
        make_drop(root, f"d{number:02d}", {"a.mp3": f"{number}".encode()}, said)
    done = lofi("run", "--to", "source_records", "--data", root.path, LOFI_CONFIG_ROOT=str(config))
    scan = load_scan(root)
    assert scan is not None, done.stdout + done.stderr
    drops = {drop.folder[-3:]: drop for drop in scan.drops}
    assert len(drops) == len(chosen), done.stdout + done.stderr
    for number, row in enumerate(chosen.values()):
        drop = drops[f"d{number:02d}"]
        wanted = DropStatus.ACCEPTED if judged(row.text, settings).permitted else DropStatus.FORBIDDEN
        assert (drop.status, drop.licence) == (wanted, row.licence), (row, drop.reason)
