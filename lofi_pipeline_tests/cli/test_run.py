"""`lofi run` asks the real sensor what is to be scored; training and scoring themselves are stood in for."""

import time
from typing import Any

import dagster as dg
import pytest

from lofi_pipeline.checkpoints.manifest import read_record
from lofi_pipeline.cli.run import POLL_SECONDS, Headless
from lofi_pipeline.config import load_config
from lofi_pipeline.definitions import defs
from lofi_pipeline.storage import DataRoot
from lofi_pipeline_tests.checkpoints.folders import make_folder
from lofi_pipeline_tests.end_to_end.lofi import write_config


class KilledAfterLanding(Headless):
    """Its training lands a checkpoint and is killed before it can tell of it; what would run is noted."""

    ran: list[str | None]

    def _train(self) -> None:
        while self._cursor is None:  # what lies there before the first look is taken to stand still
            time.sleep(0.05)
        make_folder(self.root, 20)
        self.outcome.failures.append("train: the training process ended with code -9")

    def _job(
        self, name: str, *, partition_key: str | None = None, tags: dict[str, str] | None = None, **_: Any
    ) -> None:
        self.ran.append(partition_key)
        self.instance.create_run_for_job(defs.resolve_job_def(name), tags=tags)


def test_a_checkpoint_that_training_was_killed_before_telling_of_is_scored_in_the_same_run(
    root: DataRoot, instance: dg.DagsterInstance, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Longer than from one look to the next, or it would stand still by then already.
    config = write_config(tmp_path / "config", ingest={"stable_seconds": 3 * POLL_SECONDS})
    monkeypatch.setenv("LOFI_CONFIG_ROOT", str(config))
    way = KilledAfterLanding(root, load_config(), instance)
    way.ran = []
    way._train_and_evaluate(evaluate=True)
    assert way.ran == [read_record(root.checkpoint("epoch=0-step=20_lora")).partition_key]
