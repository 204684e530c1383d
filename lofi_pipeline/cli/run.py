"""`lofi run`: the same jobs on the same Dagster instance, without webserver or daemon; only what is needed runs."""

import os
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
from dagster._core.storage.noop_compute_log_manager import NoOpComputeLogManager

from lofi_pipeline import progress
from lofi_pipeline.assets.partitions import CHECKPOINTS, TRACKS
from lofi_pipeline.automation.checkpoint_sensor import checkpoint_sensor
from lofi_pipeline.automation.instance import open_instance
from lofi_pipeline.automation.orphans import end_orphans, owner_tag
from lofi_pipeline.automation.ranges import ranges_of
from lofi_pipeline.automation.stability import Watch
from lofi_pipeline.automation.unreported import unreported_tracks
from lofi_pipeline.config import PipelineConfig, load_config
from lofi_pipeline.definitions import defs
from lofi_pipeline.environment import THREADS_VARIABLE
from lofi_pipeline.resources import Workspace, base_name
from lofi_pipeline.storage import DataRoot

STAGES = (
    "source_records",
    "raw_tracks",
    "processed_audio",
    "tagged_prompts",
    "dataset_manifest",
    "encoded_dataset",
    "lora_training",
    "lora_checkpoints",
    "quality_metrics",
)
POLL_SECONDS = 1.0
RUN_KEY_TAG = "dagster/run_key"
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass
class Outcome:
    """What a headless run did."""

    seconds: dict[str, float] = field(default_factory=dict)
    dagster_runs: int = 0
    failures: list[str] = field(default_factory=list)


class Headless:
    """Runs the stages of one data root in order, up to and with the stage asked for."""

    def __init__(self, root: DataRoot, config: PipelineConfig, instance: dg.DagsterInstance) -> None:
        self.root, self.config, self.instance = root, config, instance
        self.outcome = Outcome()
        self._cursor: str | None = None

    def run(self, last: str) -> Outcome:
        """Run what is needed. A failure ends the way there, but never what does not depend on it."""
        upto = STAGES.index(last)
        self._timed("source_records", self._register)
        if upto >= STAGES.index("raw_tracks"):
            self._timed("tracks", self._ingest)
        if upto >= STAGES.index("dataset_manifest"):
            self._timed("dataset_manifest", self._build_dataset)
        failed = any(name != "ingest" for name in map(_job_of, self.outcome.failures))
        if upto < STAGES.index("encoded_dataset") or failed:
            return self.outcome
        if last == "encoded_dataset":
            self._timed(
                "encoded_dataset", lambda: self._job("train", assets=["base_model", "encoded_dataset"])
            )
        else:
            self._train_and_evaluate(evaluate=last == "quality_metrics")
        return self.outcome

    def audit(self, partition_keys: list[str]) -> Outcome:
        """Audit checkpoints anew, so that the history shows what holds of them now."""
        name = str(CHECKPOINTS.name)
        known = set(self.instance.get_dynamic_partitions(name))
        self.instance.add_dynamic_partitions(name, [key for key in partition_keys if key not in known])
        for key in partition_keys:
            self._job("evaluate", assets=["license_audit"], partition_key=key)
        return self.outcome

    def _timed(self, stage: str, work: Any) -> None:
        start = time.monotonic()
        work()
        self.outcome.seconds[stage] = round(time.monotonic() - start, 2)

    def _register(self) -> None:
        from lofi_pipeline.ingest import changed_drops, load_scan
        from lofi_pipeline.styles import load_presets

        scan = load_scan(self.root)
        changed = changed_drops(
            self.root, scan, style_ids=set(load_presets()), licensing=self.config.licensing
        )
        if changed or scan is None:
            self._job("register")

    def _ingest(self) -> None:
        from lofi_pipeline.ingest import load_registry, pending_tracks

        known = set(self.instance.get_dynamic_partitions(str(TRACKS.name)))
        missing = [t.track_id for t in load_registry(self.root).tracks if t.track_id not in known]
        if missing:  # the history was lost, or another data root's files were copied here
            self.instance.add_dynamic_partitions(str(TRACKS.name), missing)
        ordered = self.instance.get_dynamic_partitions(str(TRACKS.name))
        pending = {*pending_tracks(self.root, self.config), *unreported_tracks(self.instance, self.root)}
        for tags in ranges_of(pending, ordered, most=self.config.ingest.batch_size):
            self._job("ingest", tags=tags)

    def _build_dataset(self) -> None:
        from lofi_pipeline.dataset import dataset_is_current

        if not dataset_is_current(self.root, self.config):
            self._job("build_dataset", assets=["dataset_manifest"])

    def _train_and_evaluate(self, *, evaluate: bool) -> None:
        """Training in a thread; meanwhile the real sensor is asked, again and again, what is to be scored."""
        start = time.monotonic()
        scoring = 0.0
        with ThreadPoolExecutor(max_workers=1) as pool:
            training = pool.submit(self._train)
            try:
                while evaluate and not training.done():
                    scoring += self._score_landed()
                    time.sleep(POLL_SECONDS)
            finally:
                training.result()
        self.outcome.seconds["lora_training"] = round(time.monotonic() - start, 2)
        os.environ.setdefault(THREADS_VARIABLE, str(os.cpu_count() or 1))  # nobody shares the cores any more
        # A training that was killed may not have told of what it landed last: that must stand still before it is scored.
        while evaluate and ((spent := self._score_landed()) or self._something_settles()):
            scoring += spent
            if not spent:
                time.sleep(POLL_SECONDS)
        if evaluate:
            self.outcome.seconds["quality_metrics"] = round(scoring, 2)

    def _train(self) -> None:
        if not self._training_is_complete():
            self._job("train")

    def _training_is_complete(self) -> bool:
        from lofi_pipeline.checkpoints.manifest import active_lineage, scan_checkpoints
        from lofi_pipeline.dataset import load_version
        from lofi_pipeline.training.bases import describe_base
        from lofi_pipeline.training.lineage import last_step, lineage_of

        settings = self.config.training
        lineage = lineage_of(
            load_version(self.root), settings.active, settings.preset, describe_base(base_name(self.config))
        )
        active = active_lineage(self.root)
        if active is None or active.lineage != lineage.lineage:
            return False
        records = [found.record for found in scan_checkpoints(self.root) if found.record]
        return any(
            record.lineage.lineage == lineage.lineage
            and record.checkpoint.step == last_step(lineage)
            and record.checkpoint.is_valid
            for record in records
        )

    def _score_landed(self) -> float:
        """Carry out what one tick of checkpoint_sensor asks for; the seconds it took, 0.0 when nothing was asked."""
        start = time.monotonic()
        if self._cursor is None:
            # What lies there when the command is given was copied in before: nobody waits for it to settle.
            self._cursor = Watch.load(self._tick().cursor).settled().model_dump_json()
        tick = self._tick()
        self._cursor = tick.cursor
        for request in tick.dynamic_partitions_requests or []:
            self.instance.add_dynamic_partitions(request.partitions_def_name, list(request.partition_keys))
        worked = False
        for request in tick.run_requests or []:
            if self._asked_before(request.run_key):
                continue
            worked = True
            self._job(
                "evaluate",
                partition_key=request.partition_key,
                assets=[key.to_user_string() for key in request.asset_selection or []],
                tags={RUN_KEY_TAG: request.run_key or ""},
            )
        return time.monotonic() - start if worked else 0.0

    def _something_settles(self) -> bool:
        """Whether the last tick passed something over that may soon have stood still for long enough."""
        return Watch.load(self._cursor).settling(time.time(), self.config.ingest.stable_seconds)

    def _tick(self) -> dg.SensorResult:
        """What one tick of checkpoint_sensor gives; evaluate_tick would look partitions up in no instance."""
        with dg.build_sensor_context(
            instance=self.instance,
            cursor=self._cursor,
            definitions=defs,
            resources={"workspace": Workspace()},
        ) as context:
            result = checkpoint_sensor(context)
        assert isinstance(result, dg.SensorResult)
        return result

    def _asked_before(self, run_key: str | None) -> bool:
        """The daemon starts each run key once; so does this."""
        return bool(run_key) and bool(
            self.instance.get_run_records(dg.RunsFilter(tags={RUN_KEY_TAG: run_key}), limit=1)
        )

    def _job(
        self,
        name: str,
        *,
        assets: list[str] | None = None,
        partition_key: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """One Dagster run in this process; what it could not do is kept as a failure."""
        progress.go_on()
        result = defs.resolve_job_def(name).execute_in_process(
            instance=self.instance,
            asset_selection=[dg.AssetKey(asset) for asset in assets] if assets else None,
            partition_key=partition_key,
            tags={**owner_tag(), **(tags or {})},
            run_config=_QUIET,
            raise_on_error=False,
        )
        self.outcome.dagster_runs += 1
        progress.go_on()
        if not result.success:
            self.outcome.failures.append(f"{name}: {_reason(result)}")


def _job_of(failure: str) -> str:
    return failure.split(":")[0]


def _reason(result: dg.ExecuteInProcessResult) -> str:
    """Why a run failed: the words of whoever raised, without Dagster's frames around them."""
    reasons = [
        str(check.metadata["reason"].value)
        for check in result.get_asset_check_evaluations()
        if not check.passed and "reason" in check.metadata
    ]
    if reasons:  # the step's own error would only count the checks
        return "; ".join(reasons)
    for event in result.get_step_failure_events():
        data = event.step_failure_data
        if data.user_failure_data and data.user_failure_data.description:
            reasons.append(data.user_failure_data.description)
        elif data.error:
            error = data.error
            while error.cause:
                error = error.cause
            reasons.append(error.message.strip())
    return "; ".join(reasons) or "the run did not start; see it in the Dagster UI (make ui)"


def _let_runs_share_a_process(instance: dg.DagsterInstance) -> None:
    """Keep Dagster's hands off what belongs to the whole process: training and scoring run in two threads of it.

    Each run that starts would configure Python's logging anew, for handlers that dagster.yaml may name and ours does not:
    that locks logging against the other run for ever. And each step would turn standard output into a file, whose
    restoring needs the order of a stack.
    """
    instance.get_yaml_python_handlers = list  # pyright: ignore[reportAttributeAccessIssue]
    instance._compute_log_manager = NoOpComputeLogManager()


@contextmanager
def headless(root: DataRoot) -> Iterator[Headless]:
    """A Headless for a data root, on the Dagster instance that lies in it."""
    config = load_config()
    with open_instance(root) as instance:
        _let_runs_share_a_process(instance)
        end_orphans(instance)
        yield Headless(root, config, instance)
