"""A data root with checkpoints that people can listen to: real tracks, real scores files, small clips in place of generated ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import soundfile

from lofi_pipeline.checkpoints.folder import CheckpointFolder, scan_checkpoints
from lofi_pipeline.checkpoints.kept import remember_scores
from lofi_pipeline.checkpoints.ledger_entries import enter_scores
from lofi_pipeline.config import load_config
from lofi_pipeline.dataset import build_dataset, load_version
from lofi_pipeline.entities import Sample, Split
from lofi_pipeline.evaluation.records import write_scores
from lofi_pipeline.listening import Files, Given, Kind, Sheet, invite, take_answer
from lofi_pipeline.listening.records import CONSENT, Key, Part, Role
from lofi_pipeline.storage import DataRoot, file_sha256
from lofi_pipeline_tests.audit.roots import land, lineage_for

CLIP_SECONDS = 3.0
CLIPS = 10


def listenable(root: DataRoot, steps: Sequence[int] = (60,), clips: int = CLIPS) -> list[CheckpointFolder]:
    """Publish the tracks of a data root, and land scored checkpoints of them with samples that can be heard."""
    version = build_dataset(root, load_config()).version
    for step in steps:
        land(root, lineage_for(version), step)
        give_samples(root, step, clips)
    return scan_checkpoints(root)


def give_samples(root: DataRoot, step: int, clips: int, seconds: float = CLIP_SECONDS) -> None:
    """Samples of the prompts of held-out tracks: noisy chords, mono at 24 kHz, as loud as a model makes them."""
    found = next(item for item in scan_checkpoints(root) if item.step == step)
    assert found.record and found.scores
    tracks = load_version(root).side(Split.VALIDATION)
    for old in (found.folder / "samples").glob("*"):
        old.unlink()
    samples = []
    for number in range(clips):
        track = tracks[number % len(tracks)]
        path = found.folder / "samples" / f"validation-{number:02d}-{track.track.track_id}.flac"
        dice = np.random.default_rng([step, number])
        times = np.arange(round(24_000 * seconds)) / 24_000
        music = 0.3 * np.sin(2 * np.pi * dice.uniform(150, 600) * times) + dice.normal(0, 0.05, len(times))
        soundfile.write(path, dice.uniform(0.1, 1.5) * music, 24_000)
        prompt, place = track.prompt, root.relative(path)
        samples.append(Sample(prompt=prompt, seed=number, path=place, clap=0.5, sha256=file_sha256(path)))
    scores = found.scores.model_copy(update={"samples": samples})
    write_scores(found.folder, scores)
    enter_scores(root, found.folder, found.record, scores)
    remember_scores(found.folder, scores)


def answers_of(
    key: Key, sheet: Sheet, wrong: int = 0, *, ratings: Mapping[str, int] | None = None
) -> list[Given]:
    """Those of a listener who passes all checks, and is wrong in so many trials; `ratings`: what each thing gets."""
    given, left = [Given(trial=CONSENT, chosen="yes")], wrong
    parts = {trial.trial: trial for trial in sheet.trials}
    for trial in key.trials:
        shown = parts[trial.trial]
        if sheet.kind is Kind.RATE and shown.part is not Part.HEADPHONES:
            wanted = {name: (ratings or {}).get(what_of(trial.clips[name]), 50) for name in shown.clips}
            given.append(Given(trial=trial.trial, ratings=wanted))
            continue
        chosen = trial.right
        if trial.role is Role.TRIAL and left:
            chosen, left = next(name for name in shown.clips if name != trial.right), left - 1
        given.append(Given(trial=trial.trial, chosen=chosen, seconds=1.5))
    return given


def what_of(source: object) -> str:
    return str(getattr(source, "of", None) if source.origin == "generated" else source.origin)  # pyright: ignore


def listen(files: Files, sheet: Sheet, key: Key, wrong: int = 0, **changes: object) -> str:
    """Have a listener take the whole test; returns the code."""
    code = invite(files, [None])[0].listener
    for given in answers_of(key, sheet, wrong, **changes):  # pyright: ignore[reportArgumentType]
        take_answer(files, sheet, code, given)
    return code
