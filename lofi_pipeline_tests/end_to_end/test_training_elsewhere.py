"""A training that is packed here, carried out where nothing of the pipeline is installed, and brought back, by the commands."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from lofi_pipeline.storage import DataRoot
from lofi_pipeline_tests.end_to_end.conftest import Way
from lofi_pipeline_tests.end_to_end.lofi import INTERVAL, SMALL, Lofi, materialized, write_config
from lofi_pipeline_tests.exporting.elsewhere import train_elsewhere


@pytest.mark.slow
def test_its_checkpoints_are_scored_and_audited_when_they_are_brought_back(
    prepared: Way, base: Path, tmp_path: Path
) -> None:
    presets = {"toy": SMALL["training"]["presets"]["toy"] | {"max_steps": INTERVAL}}
    config = write_config(tmp_path / "config", training={"presets": presets})
    lofi = Lofi(prepared.lofi.copy(tmp_path / "data").root, config, base)
    packed = lofi("export-training", str(tmp_path / "bundle"), "--base", str(base))
    assert packed.code == 0, packed.said
    bundle = tmp_path / "elsewhere"
    shutil.copytree(tmp_path / "bundle", bundle, copy_function=shutil.copyfile)
    done = train_elsewhere(bundle, base)
    assert done.returncode == 0, done.stdout + done.stderr
    (landed,) = DataRoot(bundle / "data").checkpoints.glob("epoch=*")
    weights = (landed / "adapter_model.safetensors").read_bytes()
    shutil.copytree(landed, lofi.root.checkpoints / landed.name, copy_function=shutil.copyfile)
    said = lofi.run()
    assert [line["step"] for line in said["checkpoints"]] == [INTERVAL]
    assert said["checkpoints"][0]["is_valid"] and said["checkpoints"][0]["fad"] >= 0
    here = lofi.root.checkpoint(landed.name)
    assert (here / "adapter_model.safetensors").read_bytes() == weights  # it was not trained again
    (key,) = materialized(lofi.root, "license_audit")
    report = json.loads((lofi.root.audits / key / "report.json").read_bytes())
    assert [finding for finding in report["findings"] if finding["severity"] == "error"] == []
    assert "trained-elsewhere" in {finding["code"] for finding in report["findings"]}
