"""`lofi run`: the same jobs on the same Dagster instance, without webserver or daemon; only what is needed runs."""

import sys
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Thread
from typing import Any
from uuid import uuid4

import dagster as dg

from lofi_pipeline import progress
from lofi_pipeline.assets.partitions import CHECKPOINTS, TRACKS, add_partitions
from lofi_pipeline.automation.checkpoint_sensor import look_at_checkpoints
from lofi_pipeline.automation.instance import open_instance
from lofi_pipeline.automation.jobs import ASSETS, JobName
from lofi_pipeline.automation.orphans import end_orphans
from lofi_pipeline.automation.ranges import ranges_of
from lofi_pipeline.automation.stability import Watch
from lofi_pipeline.automation.unreported import ALL_ASSETS, tell_unreported
from lofi_pipeline.cli.console import consoles_apart
from lofi_pipeline.cli.job_process import run_job
from lofi_pipeline.cli.root import say_what_threatens
from lofi_pipeline.config import PipelineConfig, load_config
from lofi_pipeline.definitions import defs
from lofi_pipeline.processes import ENDING_SECONDS, child_process
from lofi_pipeline.resources import Workspace, base_name
from lofi_pipeline.storage import DataRoot, remove_temporary_files

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
_TRAINED = frozenset(ASSETS[JobName.TRAIN])
_CHECKED = dg.DagsterEventType.ASSET_CHECK_EVALUATION


@dataclass(frozen=True)
class Failure:
    """A job that failed, and why."""

    job: JobName
    reason: str

    def __str__(self) -> str:
        return f"{self.job}: {self.reason}"


@dataclass
class Outcome:
    """What a headless run did."""

    seconds: dict[str, float] = field(default_factory=dict)
    dagster_runs: int = 0
    failures: list[Failure] = field(default_factory=list)


class Headless:
    """Runs the stages of one data root in order, up to and with the stage asked for."""

    def __init__(self, root: DataRoot, config: PipelineConfig, instance: dg.DagsterInstance) -> None:
        self.root, self.config, self.instance = root, config, instance
        self.outcome = Outcome()
        self._cursor: str | None = None
        self._lineage: str | None = None
        """The one that this run trains, or found trained."""
        self._evaluated = ASSETS[JobName.EVALUATE]
        self._not_scored: set[str | None] = set()

    def run(self, last: str) -> Outcome:
        """Run what is needed. A failure ends the way there, but never what does not depend on it."""
        upto = STAGES.index(last)
        remove_temporary_files(self.root)
        self._timed("source_records", self._register)
        if upto >= STAGES.index("raw_tracks"):
            self._timed("tracks", self._ingest)
        if upto >= STAGES.index("dataset_manifest"):
            self._timed("dataset_manifest", self._build_dataset)
        self._tell(ALL_ASSETS - _TRAINED)
        failed = any(failure.job is not JobName.INGEST for failure in self.outcome.failures)
        if last == "encoded_dataset" and not failed:
            assets = ["base_model", "encoded_dataset"]
            self._timed("encoded_dataset", lambda: self._job(JobName.TRAIN, assets=assets))
        elif upto > STAGES.index("encoded_dataset") and not failed:
            self._train_and_evaluate(last)
        self._tell(_TRAINED)
        return self.outcome

    def _tell(self, assets: Collection[str]) -> None:
        """Enter in the history what stands on disk of these assets and is not in it, once the work that was due is done."""
        workspace = Workspace(data_root=str(self.root.path))
        for number, told in enumerate(tell_unreported(self.instance, workspace, assets), start=1):
            progress.report("history", number, 0, f"{told.asset} {told.partition or ''}".rstrip())

    def audit(self, partition_keys: list[str]) -> Outcome:
        """Audit checkpoints anew, so that the history shows what holds of them now."""
        add_partitions(self.instance, CHECKPOINTS.name, partition_keys)
        for key in partition_keys:
            self._job(JobName.EVALUATE, assets=["license_audit"], partition_key=key)
        return self.outcome

    def _timed(self, stage: str, work: Callable[[], None]) -> None:
        start = time.monotonic()
        work()
        self.outcome.seconds[stage] = round(time.monotonic() - start, 2)

    def _register(self) -> None:
        from lofi_pipeline.ingest import changed_drops, load_scan
        from lofi_pipeline.styles import load_presets

        scan = load_scan(self.root)
        changed = changed_drops(
            self.root,
            scan,
            style_ids=set(load_presets()),
            licensing=self.config.licensing,
            base=base_name(self.config),
        )
        if changed or scan is None:
            self._job(JobName.REGISTER)

    def _ingest(self) -> None:
        from lofi_pipeline.ingest import load_registry, pending_tracks

        # The history may have been lost, or another data root's files were copied here
        add_partitions(
            self.instance, TRACKS.name, (track.track_id for track in load_registry(self.root).tracks)
        )
        ordered = self.instance.get_dynamic_partitions(str(TRACKS.name))
        pending = pending_tracks(self.root, self.config)
        for tags in ranges_of(pending, ordered, most=self.config.ingest.batch_size):
            self._job(JobName.INGEST, tags=tags)

    def _build_dataset(self) -> None:
        from lofi_pipeline.dataset import dataset_is_current

        if not dataset_is_current(self.root, self.config):
            self._job(JobName.BUILD_DATASET, assets=["dataset_manifest"])

    def _train_and_evaluate(self, last: str) -> None:
        """While training runs in a process of its own, the real sensor is asked again and again what is to be scored.

        Up to lora_checkpoints, those that came from elsewhere are only verified.
        """
        start = time.monotonic()
        scoring = 0.0
        evaluate = last != "lora_training"
        if last == "lora_checkpoints":
            self._evaluated = ["lora_checkpoints"]
        if not self._training_is_complete():
            with self._training() as is_running:
                while is_running():
                    scoring += self._score_landed() if evaluate else 0.0
                    progress.go_on()
                    time.sleep(POLL_SECONDS)
        self.outcome.seconds["lora_training"] = round(time.monotonic() - start, 2)
        # A training that was killed may not have told of what it landed last: that must stand still before it is scored.
        while evaluate and ((spent := self._score_landed()) or self._something_settles()):
            scoring += spent
            if not spent:
                time.sleep(POLL_SECONDS)
        if last == "quality_metrics":
            self.outcome.seconds["quality_metrics"] = round(scoring, 2)

    @contextmanager
    def _training(self) -> Iterator[Callable[[], bool]]:
        """The job in a process of its own while the block goes on; gives whether it still runs. Left early, it is interrupted."""
        run_id = str(uuid4())
        command = (sys.executable, "-m", "lofi_pipeline.cli.job_process", JobName.TRAIN, run_id)
        with (
            child_process(command, ending_seconds=2 * ENDING_SECONDS) as child,
            progress.when_stopped(child.ask_to_end),  # not when the scoring beside it next reports
        ):
            relay = Thread(target=progress.show_lines, args=(child.messages,), daemon=True)
            relay.start()
            yield lambda: child.process.poll() is None
            progress.go_on()  # it may be over because it was asked to end
            relay.join()
        end_orphans(self.instance)  # its run, when it was killed
        self._note(JobName.TRAIN, run_id, otherwise="\n".join(child.last_words))

    def _training_is_complete(self) -> bool:
        from lofi_pipeline.dataset import load_version
        from lofi_pipeline.training.bases import describe_base
        from lofi_pipeline.training.lineage import last_checkpoint, lineage_of
        from lofi_pipeline.training.start import start_of

        settings = self.config.training
        base = describe_base(base_name(self.config))
        start = start_of(self.root, settings.preset, base.sha256)
        lineage = lineage_of(load_version(self.root), settings.active, settings.preset, base, start)
        self._lineage = lineage.lineage
        return last_checkpoint(self.root, lineage) is not None

    def _former_is_active(self) -> bool:
        """Whether the training that begins has not yet moved another lineage to the archive: of that nothing is scored again."""
        from lofi_pipeline.checkpoints.manifest import active_lineage

        active = active_lineage(self.root)
        return active is not None and self._lineage not in (None, active.lineage)

    def _score_landed(self) -> float:
        """Carry out what one tick of checkpoint_sensor asks for; the seconds it took, 0.0 when nothing was asked."""
        start = time.monotonic()
        if self._cursor is None:
            # What lies there when the command is given was copied in before: nobody waits for it to settle.
            self._cursor = Watch.load(self._tick().cursor).settled().model_dump_json()
        tick = self._tick()
        self._cursor = tick.cursor
        worked = False
        for request in tick.run_requests or []:
            if request.partition_key in self._not_scored:
                continue
            asked = [key.to_user_string() for key in request.asset_selection or []]
            assets = [asset for asset in asked if asset in self._evaluated]
            # What is left out of it now is asked for again
            run_key = request.run_key if assets == asked else f"{request.run_key} {' '.join(assets)}"
            if not assets or self._asked_before(run_key):
                continue
            worked, failures = True, len(self.outcome.failures)
            self._job(
                JobName.EVALUATE,
                partition_key=request.partition_key,
                assets=assets,
                tags={RUN_KEY_TAG: run_key or ""},
            )
            if len(self.outcome.failures) > failures:
                # Once a command: on a full disk all attempts would be spent before anybody could make room.
                self._not_scored.add(request.partition_key)
        return time.monotonic() - start if worked else 0.0

    def _something_settles(self) -> bool:
        """Whether the last tick passed something over that may soon have stood still for long enough."""
        return Watch.load(self._cursor).settling(time.time(), self.config.ingest.stable_seconds)

    def _tick(self) -> dg.SensorResult:
        """What one tick of checkpoint_sensor gives, also of what failed before: somebody asks for it now."""
        with dg.build_sensor_context(
            instance=self.instance,
            cursor=self._cursor,
            definitions=defs,
            resources={"workspace": Workspace()},
        ) as context:
            again = not self._former_is_active()
            return look_at_checkpoints(context, Workspace(), attempts=None, again=again)

    def _asked_before(self, run_key: str | None) -> bool:
        """The daemon starts each run key once; so does this."""
        return bool(run_key) and bool(
            self.instance.get_run_records(dg.RunsFilter(tags={RUN_KEY_TAG: run_key}), limit=1)
        )

    def _job(self, job: JobName, **options: Any) -> None:
        """One Dagster run in this process, with the options of `run_job`."""
        progress.go_on()
        run_id = run_job(self.instance, job, **options)
        progress.go_on()
        self._note(job, run_id)

    def _note(self, job: JobName, run_id: str, otherwise: str = "") -> None:
        """Count a run that is over, and its failure. `otherwise`: the reason for one that Dagster knows no reason of."""
        run = self.instance.get_run_by_id(run_id)
        self.outcome.dagster_runs += run is not None
        if run is None or not run.is_success:
            reason = _reason(self.instance, run_id) or otherwise or "no reason was given; see the Dagster UI"
            self.outcome.failures.append(Failure(job, reason))


def _reason(instance: dg.DagsterInstance, run_id: str) -> str:
    """Why a run failed: the words of whoever raised, without Dagster's frames around them; empty when none stand there."""
    events = [entry.dagster_event for entry in instance.all_logs(run_id) if entry.dagster_event]
    checks = [event.asset_check_evaluation_data for event in events if event.event_type is _CHECKED]
    # With a failed check, the step's own error would only count the checks.
    reasons = [
        str(check.metadata["reason"].value)
        for check in checks
        if not check.passed and "reason" in check.metadata
    ]
    reasons = reasons or [_words(event) for event in events if event.is_step_failure]
    return "; ".join(reasons or [event.message or "" for event in events if event.is_job_failure])


def _words(event: dg.DagsterEvent) -> str:
    failed = event.step_failure_data
    if failed.user_failure_data and failed.user_failure_data.description:
        return failed.user_failure_data.description
    error = failed.error
    while error and error.cause:
        error = error.cause
    return error.message.strip() if error else ""


@contextmanager
def headless(root: DataRoot) -> Iterator[Headless]:
    """A Headless for a data root, on the Dagster instance that lies in it."""
    config = load_config()
    say_what_threatens(root)
    with open_instance(root) as instance, consoles_apart():
        end_orphans(instance)
        yield Headless(root, config, instance)
