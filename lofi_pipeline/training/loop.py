"""The LoRA training loop on accelerate: exact to resume, never saving what is not finite.

Nothing random has state: crop, timestep, noise and dropout follow from (seed, step), the learning rate from the step.
So adapter, the optimiser's moments and the step are all there is to keep. What a step sees is in sampling.py, its loss in
loss.py, how it moves the weights in optimisers.py, what tells when to stop in held_out.py, the process around it in run.py.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from functools import cached_property
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from accelerate.utils import broadcast_object_list

from lofi_pipeline.checkpoints.loss_log import LOG_NAME, LogEntry, append, open_log, rewind
from lofi_pipeline.checkpoints.manifest import lineage_home, trainings
from lofi_pipeline.config import TrainingPreset
from lofi_pipeline.entities import CheckpointRecord, Lineage, Split
from lofi_pipeline.storage import DataRoot, locked
from lofi_pipeline.training.accelerator import open_accelerator, refuse_other_processes
from lofi_pipeline.training.averages import Averages
from lofi_pipeline.training.bases import (
    TRANSFORMER,
    FixedInputs,
    base_folder,
    load_base,
    pick_device,
    read_fixed_inputs,
    torch_threads,
)
from lofi_pipeline.training.checkpoints import commit_checkpoint, require_answers_of
from lofi_pipeline.training.crops_ahead import CropsAhead
from lofi_pipeline.training.device import TrainingMemory
from lofi_pipeline.training.encode import encode_dataset
from lofi_pipeline.training.errors import NonFiniteTraining, TrainingError
from lofi_pipeline.training.held_out import HeldOut
from lofi_pipeline.training.lineage import last_step
from lofi_pipeline.training.loss import Batch, CropReader, FlowMatching, bucket_by_shape
from lofi_pipeline.training.memory import Shape
from lofi_pipeline.training.optimisers import (
    averaged,
    begin,
    clip_gradients,
    learning_rate,
    new_optimiser,
    optimiser_tensors,
    restore_optimiser,
    take_step,
)
from lofi_pipeline.training.packing import pack
from lofi_pipeline.training.prior import Prior, make_prior
from lofi_pipeline.training.records import Emit, EncodedDataset, EventKind, TrainingEvent, TrainingJob
from lofi_pipeline.training.resume import (
    TrainingState,
    clear_resume_snapshot,
    find_resume_point,
    read_as_trained,
    write_resume_snapshot,
)
from lofi_pipeline.training.sampling import BatchPlan
from lofi_pipeline.training.speed import CUDA_GRAPHS, compile_whole, keep_tokens_together
from lofi_pipeline.training.start import start_folder
from lofi_pipeline.training.stopping import watch, why_to_end
from lofi_pipeline.training.trackers import Trackers, tracker_folder, wanted_trackers
from lofi_pipeline.training.weights import adapter_tensors, add_adapter

if TYPE_CHECKING:
    from diffusers import AceStepPipeline  # pyright: ignore[reportPrivateImportUsage]

    from lofi_pipeline.entities import DatasetVersion

PROGRESS_SECONDS = 1.0

Stop = Callable[[], bool]


def prepare_process(device: str) -> None:
    """Give this process its share of the cores; on the CPU allow only operations that give the same bits each time."""
    torch.set_num_threads(torch_threads())
    if device == "cpu":
        torch.use_deterministic_algorithms(True, warn_only=True)


class Trainer:
    """One training process: its models, its optimiser, and how far it is."""

    def __init__(
        self, job: TrainingJob, root: DataRoot, version: DatasetVersion, lineage: Lineage, emit: Emit
    ) -> None:
        self.job, self.root, self.lineage = job, root, lineage
        self.preset = job.preset
        self.device = pick_device(job.device)
        self.end = last_step(lineage)
        prepare_process(self.device)
        trackers, tracked = wanted_trackers(job.trackers), tracker_folder(root, lineage)
        self.accelerator = open_accelerator(job, self.device, log_with=trackers or None, project_dir=tracked)
        self._emit = emit
        self._trackers = Trackers(self.accelerator, tracked, trackers, self._say)
        processes = self.accelerator.num_processes
        self.state = TrainingState(lineage=lineage.lineage, step=0, processes=processes)
        self.encoded = self._encode(version)
        self._training = _reader(root, self.encoded, Split.TRAIN, self.preset)
        self._plan = self._batch_plan()
        self.memory = TrainingMemory(self._shape(), job, self._plan.shapes, self.device)
        with self.memory.faults_in_words(lambda: self.state.step):
            self._prior = self._make_prior()
            self._load()

    def _load(self) -> None:
        """What a step needs on the device."""
        self.pipeline = self._open_base()
        self.flow = FlowMatching(self._fixed_inputs(), self.preset, str(self.accelerator.device))
        self.transformer: Any = self.pipeline.transformer
        self.parameters = add_adapter(self.transformer, self.preset)
        self.names = {id(p): name for name, p in self.transformer.named_parameters() if p.requires_grad}
        if self.preset.gradient_checkpointing:
            self.transformer.enable_gradient_checkpointing()
        if self._is_on_gpu:  # on two cores it gained 3 %
            keep_tokens_together(self.transformer)
        if self.preset.compile:
            compile_whole(self.transformer, mode=CUDA_GRAPHS if self._has_one_shape else None)
        optimiser = new_optimiser(self.preset, self.parameters, self.device)
        self.model, self.optimiser = self.accelerator.prepare(self.transformer, optimiser)
        self.averages = Averages(self.transformer, self.parameters, self.preset)
        validation = _reader(self.root, self.encoded, Split.VALIDATION, self.preset)
        self._held_out = HeldOut(validation, self._training, self.flow, self.preset)
        self._crops = CropsAhead(self._draw, self.end)

    def _encode(self, version: DatasetVersion) -> EncodedDataset:
        """The data set; among several processes the main one encodes first.

        What encodes is loaded only where something is not in the cache yet, and gone before the transformer comes.
        """
        main = self.accelerator.is_main_process
        # Trainings beside each other encode one after the other: what one has made the next one finds
        alone = locked(self.root.checkpoints / "encoding", timeout=-1) if main else nullcontext()
        with self.accelerator.main_process_first(), alone:
            encoded = encode_dataset(
                version,
                self.root,
                self.job.base,
                self.preset,
                self._log_encoding if main else None,
                device=str(self.accelerator.device),
                chunk_seconds=self.job.encode_chunk_seconds,
            )
            # What is packed is removed where it lay: only while no other training reads it there
            packs = main and self.job.latents == "shards" and len(trainings(self.root)) <= 1
            return pack(self.root, encoded) if packs else encoded

    def _open_base(self) -> AceStepPipeline:
        """The base with its transformer alone."""
        device = str(self.accelerator.device)
        return load_base(self.job.base, device=device, dtype=self._dtype, only=TRANSFORMER)

    def _shape(self) -> Shape:
        return Shape.of_base(base_folder(self.job.base))

    def _fixed_inputs(self) -> FixedInputs:
        return read_fixed_inputs(self.job.base, self._dtype)

    @property
    def _is_on_gpu(self) -> bool:
        return self.accelerator.device.type == "cuda"

    @property
    def _has_one_shape(self) -> bool:
        """Whether each step is one batch, always of one shape: what CUDA graphs were measured with.

        A second batch of a step would begin while the gradients of the first one lie in memory that the graph writes to.
        """
        shapes = {shape for track in self._plan.shapes for shape in track}
        others = self.preset.gradient_accumulation > 1 or self._prior or self.accelerator.num_processes > 1
        return self._is_on_gpu and len(shapes) == 1 and not others

    @property
    def _dtype(self) -> torch.dtype:
        """Of the base's weights."""
        return torch.bfloat16 if self.preset.precision == "bf16" else torch.float32

    def _make_prior(self) -> Prior | None:
        """Clips of the base; among several processes the main one makes them first."""
        with self.accelerator.main_process_first():
            device = str(self.accelerator.device)
            return make_prior(self.root, self.job.base, self.lineage.base, self.preset, device)

    def _batch_plan(self) -> BatchPlan:
        return BatchPlan(
            shapes=tuple(
                tuple((track.crop_frames, caption.tokens) for caption in track.captions)
                for track in self._training.tracks
            ),
            batch_size=self.preset.batch_size * self.preset.gradient_accumulation,
            seed=self.preset.seed,
            world=self.accelerator.num_processes,
        )

    def _event(self, kind: EventKind, **fields: Any) -> None:
        if self.accelerator.is_main_process:
            self._emit(TrainingEvent(kind=kind, step=self.state.step, max_steps=self.end, **fields))

    def _say(self, sentence: str) -> None:
        self._event(EventKind.PROGRESS, message=sentence)

    def _log_encoding(self, done: int, total: int, track_id: str) -> None:
        if track_id and done and done % 50 == 0:
            self._event(EventKind.PROGRESS, message=f"encoding track {done + 1} of {total}")

    def resume(self) -> None:
        """Go on from the furthest whole state of this lineage, or begin."""
        point = find_resume_point(self.root, self.lineage, self._say)
        if point is None:
            start = self.lineage.started_from
            if start:
                folder = start_folder(self.root, start)
                self.averages.restore(read_as_trained(folder), None, 0)
                require_answers_of(folder, self.transformer, start.partition_key)
            on = f", from {start.partition_key}" if start else ""
            self._event(
                EventKind.STARTED, message=f"{len(self._training.tracks)} tracks on {self.device}{on}"
            )
            return
        refuse_other_processes(point.state, self.end, self.accelerator.num_processes)
        self.averages.restore(point.adapter, point.average, point.state.counted)
        restore_optimiser(self._inner_optimiser, self.names, point.moments, self.preset.optimizer)
        self.state = point.state
        self._event(EventKind.RESUMED, message=f"from {point.where}")

    @cached_property
    def home(self) -> Path:
        """Where the lineage lies. Asked for once all processes have met: the first one decides it."""
        return lineage_home(self.root, self.lineage.lineage)

    @property
    def _inner_optimiser(self) -> torch.optim.Optimizer:
        return getattr(self.optimiser, "optimizer", self.optimiser)

    def run(self, stop: Stop) -> None:
        """Train to the end, or until `stop()`, committing checkpoints on the way.

        Raises:
            NonFiniteTraining: `max_bad_steps` steps in a row had a loss or gradient that is not finite.
        """
        self.resume()
        path = self.home / LOG_NAME
        with ExitStack() as stack:
            stack.callback(self._crops.close)
            self._trackers.open(self.state.step)
            stack.callback(self._trackers.close)
            log: FileIO | None = None
            if self.accelerator.is_main_process:
                rewind(path, self.state.step or -1)  # the line of step 0 is written again
                log = stack.enter_context(open_log(path))
            begins = not self._is_over()
            if begins:
                self._say(self.memory.planned())
            stack.enter_context(self.memory.faults_in_words(lambda: self.state.step))
            if self.state.step == 0:
                self._log(log, self._measured(LogEntry(step=0)))
            begin(self._inner_optimiser)
            self._steps(stop, log)
        if begins:
            self._say(self.memory.measured())
        if self._is_over():
            skipped = f"{self.state.skipped} steps skipped" if self.state.skipped else ""
            why = f"ended early: {self.state.ended}" if self.state.ended else ""
            self._event(EventKind.FINISHED, message="; ".join(filter(None, (skipped, why))))
        else:
            self._event(EventKind.STOPPED, message="asked to stop; the same command goes on from here")

    def _is_over(self) -> bool:
        return bool(self.state.ended) or self.state.step >= self.end

    def _steps(self, stop: Stop, log: FileIO | None) -> None:
        began, first = time.monotonic(), self.state.step
        reported = saved = began
        self.transformer.train()
        while not self._is_over():
            loss = self._step()
            moment = time.monotonic()
            rate = (self.state.step - first) / (moment - began)
            lr = learning_rate(self.state.step - 1, self.preset)
            entry = LogEntry(step=self.state.step, loss=loss, learning_rate=lr)
            if loss is None:
                self._report_skipped_step()
            if self.state.step % self.lineage.checkpoint_interval == 0:
                self._checkpoint(entry, rate, log)
                saved = moment
            else:
                self._log(log, entry)
                if moment - reported >= PROGRESS_SECONDS:
                    reported = moment
                    self._event(EventKind.PROGRESS, loss=loss, learning_rate=lr, steps_per_second=rate)
                if moment - saved >= self.job.snapshot_minutes * 60:
                    saved = moment
                    self._write_snapshot()
            if self._asked_to(stop):
                self._write_snapshot()
                return

    def _asked_to(self, stop: Stop) -> bool:
        """Whether any of the processes was asked to stop: all of them end at the same step."""
        if self.accelerator.num_processes == 1:
            return stop()
        asked: Any = self.accelerator.reduce(
            torch.tensor(float(stop()), device=self.accelerator.device), "sum"
        )
        return float(asked) > 0

    def _draw(self, step: int) -> list[Batch]:
        # Of all processes together: what is random about a crop does not depend on how many share the work
        rank = self.accelerator.process_index
        crops = self._training.draw(self._plan.chosen(step), "train", self.preset.seed, step, 0)
        ours = crops[self._plan.share(rank)] + (self._prior.draw(step, rank) if self._prior else [])
        batches = map(Batch.of, bucket_by_shape(ours, most=self.preset.batch_size))
        return [batch.pinned() if self._is_on_gpu else batch for batch in batches]

    def _step(self) -> float | None:
        """One optimiser step; the loss, or None when it was skipped because loss or gradient was not finite."""
        step = self.state.step
        batches = self._crops.of(step)
        count = sum(map(len, batches))
        total = torch.zeros((), device=self.accelerator.device)
        for place, batch in enumerate(batches, start=1):
            # One backward a batch keeps one batch's activations in memory; between machines only the last is reduced.
            with nullcontext() if place == len(batches) else self.accelerator.no_sync(self.model):
                part = self.flow.loss(self.model, batch) * (len(batch) / count)
                self.accelerator.backward(part)
            total += part.detach()
        norm = clip_gradients(self.parameters, self.preset.max_grad_norm)
        loss: Any = self.accelerator.reduce(total, "mean")
        finite = bool(torch.isfinite(loss)) and math.isfinite(norm)
        if finite:
            take_step(self.optimiser, self.preset, step, self.device)
            self.averages.update()
        self.optimiser.zero_grad(set_to_none=True)
        done = self.state.model_copy(update={"step": step + 1})
        if finite:
            counted = {"loss_sum": done.loss_sum + float(loss), "loss_count": done.loss_count + 1}
            self.state = done.model_copy(update=counted | {"skipped_in_a_row": 0})
            return float(loss)
        self.state = done.model_copy(
            update={"skipped": done.skipped + 1, "skipped_in_a_row": done.skipped_in_a_row + 1}
        )
        return None

    def _report_skipped_step(self) -> None:
        """Raises: NonFiniteTraining, where too many steps in a row were skipped."""
        row = self.state.skipped_in_a_row
        self._event(
            EventKind.SKIPPED, message=f"loss or gradient not finite; {self.state.skipped} skipped so far"
        )
        if row >= self.job.max_bad_steps:
            raise NonFiniteTraining(
                f"{row} steps in a row, up to step {self.state.step}, had a loss or gradient that is not finite; "
                f"nothing of them was saved. Lower training.presets.{self.job.preset_name}.learning_rate, set precision "
                "to fp32, or look for a damaged track; then run again"
            )

    def _refuse_non_finite(self) -> None:
        if not all(bool(torch.isfinite(parameter).all()) for parameter in self.parameters):
            raise NonFiniteTraining(
                f"the adapter's weights are not finite at step {self.state.step}: nothing was saved. "
                f"Lower training.presets.{self.job.preset_name}.learning_rate and run again"
            )

    def _measured(self, entry: LogEntry) -> LogEntry:
        """The entry with the losses of held-out tracks, and whether that is better than before noted in the state."""
        if self.accelerator.is_main_process:
            entry = self._held_out.measured(entry, self.transformer, self.averages)
        if self.preset.stop_on:
            seen_by_all: list[LogEntry] = broadcast_object_list([entry])
            so_far = watch(self.state.watch, seen_by_all[0], self.preset)
            ended = why_to_end(so_far, self.preset) if self.state.step < self.end else None
            update = {"watch": so_far, "ended": ended}
            self.state = self.state.model_copy(update=update)
        return entry

    def _checkpoint(self, entry: LogEntry, rate: float, log: FileIO | None) -> None:
        """Measure and commit. Nothing is compiled for it anew: a checkpoint asks otherwise than training does."""
        eager = torch.compiler.set_stance("force_eager") if self.preset.compile else nullcontext()
        with eager, averaged(self._inner_optimiser):
            entry = self._measured(entry)
            self._log(log, entry)
            self._commit_checkpoint(entry, rate)

    def _log(self, log: FileIO | None, entry: LogEntry) -> None:
        if log:
            append(log, entry)
        self._trackers.log(entry)

    def _commit_checkpoint(self, entry: LogEntry, rate: float) -> None:
        self._refuse_non_finite()
        loss = self.state.loss_sum / self.state.loss_count if self.state.loss_count else None
        self.state = self.state.model_copy(update={"loss_sum": 0.0, "loss_count": 0})
        if self.accelerator.is_main_process:
            record = commit_checkpoint(
                self.root,
                self.lineage,
                self.pipeline,
                state=self.state,
                moments=optimiser_tensors(self._inner_optimiser, self.names, self.preset.optimizer),
                loss=loss,
                validation_loss=entry.validation_loss,
                averages=self.averages,
            )
            clear_resume_snapshot(self.home)
            self._log_checkpoint(record, rate)
        self.accelerator.wait_for_everyone()

    def _log_checkpoint(self, record: CheckpointRecord, rate: float) -> None:
        self._event(
            EventKind.CHECKPOINT,
            loss=record.loss,
            validation_loss=record.validation_loss,
            learning_rate=learning_rate(self.state.step - 1, self.preset),
            steps_per_second=rate,
            checkpoint_id=record.checkpoint.checkpoint_id,
            partition_key=record.partition_key,
        )

    def _write_snapshot(self) -> None:
        """Keep the state between checkpoints, but not right after a skipped step: it may be where things went wrong."""
        worth_it = self.state.step % self.lineage.checkpoint_interval and not self.state.skipped_in_a_row
        if self.accelerator.is_main_process and worth_it:
            self._refuse_non_finite()
            moments = optimiser_tensors(self._inner_optimiser, self.names, self.preset.optimizer)
            adapter, average = adapter_tensors(self.transformer), self.averages.tensors()
            write_resume_snapshot(self.home, self.state, adapter, moments, average)


def _reader(root: DataRoot, encoded: EncodedDataset, split: Split, preset: TrainingPreset) -> CropReader:
    tracks = encoded.side(split)
    if split is Split.TRAIN and not tracks:
        raise TrainingError(
            "the data set has no track in its training split; add music and build the data set again"
        )
    return CropReader(root, tracks, preset)
