"""What a test is when it is made: clips alike in all but what they are, the key apart, rules and length fixed."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pyloudnorm
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from lofi_pipeline.checkpoints.folder import CheckpointFolder, scan_checkpoints
from lofi_pipeline.dataset import load_version
from lofi_pipeline.entities import Split
from lofi_pipeline.listening import (
    ChangedTest,
    Files,
    Kind,
    ListeningError,
    Wanted,
    checks,
    find_test,
    make_test,
    plans,
    read_key,
    read_sheet,
    read_test,
    sound,
)
from lofi_pipeline.listening.records import Key, ListeningTest, Origin, Part, Role, Sheet
from lofi_pipeline.storage import DataRoot, append_to_ledger, file_sha256
from lofi_pipeline_tests.listening.roots import give_samples

Made = tuple[DataRoot, Files, ListeningTest, Sheet, Key]


def made(root: DataRoot, found: list[CheckpointFolder], **wanted: object) -> Made:
    test = make_test(root, found, Wanted(**{"seed": 1, **wanted}))  # pyright: ignore[reportArgumentType]
    files = find_test(root, test.test)
    return root, files, test, read_sheet(files, test), read_key(files, test)


@pytest.fixture(scope="module")
def told(scored_root: DataRoot, tmp_path_factory: pytest.TempPathFactory) -> Made:
    root = DataRoot(tmp_path_factory.mktemp("told") / "data")
    shutil.copytree(scored_root.path, root.path)
    return made(root, scan_checkpoints(root)[:1])


@pytest.fixture(scope="module")
def rated(scored_root: DataRoot, tmp_path_factory: pytest.TempPathFactory) -> Made:
    root = DataRoot(tmp_path_factory.mktemp("rated") / "data")
    shutil.copytree(scored_root.path, root.path)
    return made(root, scan_checkpoints(root))


@pytest.mark.parametrize("kind", ["told", "rated"])
def test_clips_are_alike_in_all_that_is_not_heard(kind: str, request: pytest.FixtureRequest) -> None:
    _, files, test, sheet, key = request.getfixturevalue(kind)
    tones = {name for trial in key.trials if trial.role is Role.HEADPHONES for name in trial.clips}
    paths = [files.clip(name) for name in test.clips if name not in tones]
    assert {path.name for path in (files.served / "clips").iterdir()} == {
        f"{name}.wav" for name in test.clips
    }
    assert len({path.stat().st_size for path in paths}) == 1
    assert len({path.stat().st_mtime_ns for path in (files.served / "clips").iterdir()}) == 1
    assert len({file_sha256(path) for path in paths}) == len(paths)
    for path in paths:
        info = soundfile.info(path)
        assert (info.samplerate, info.channels, info.subtype, info.format) == (48_000, 2, "PCM_16", "WAV")
        assert info.frames == round(48_000 * sheet.seconds)
        assert path.stat().st_size == 44 + 4 * info.frames  # the header, and no tags


def test_pairs_are_equally_loud_by_another_meter_and_clip_nowhere(told: Made) -> None:
    _, files, test, _, key = told
    meter = pyloudnorm.Meter(48_000)
    for trial in key.trials:
        if trial.role in (Role.TRIAL, Role.PRACTICE):
            found = [soundfile.read(files.clip(name))[0] for name in trial.clips]
            loudness = [meter.integrated_loudness(samples) for samples in found]
            assert np.ptp(loudness) < 0.2
            assert loudness[0] == pytest.approx(test.lufs, abs=0.2)
            assert max(np.abs(samples).max() for samples in found) <= 10 ** (-1 / 20) + 1e-4
            assert max(np.abs(samples[[0, -1]]).max() for samples in found) < 0.001


def test_each_trial_is_a_held_out_excerpt_beside_a_clip_for_its_prompt(told: Made) -> None:
    root, _, test, _, key = told
    held_out = {item.track.track_id: item for item in load_version(root).side(Split.VALIDATION)}
    found = scan_checkpoints(root)[0]
    assert found.record and found.scores
    prompts = {sample.path: sample.prompt for sample in found.scores.samples}
    heard = []
    for trial in key.trials:
        if trial.role in (Role.TRIAL, Role.PRACTICE):
            real, generated = sorted(trial.clips.values(), key=lambda it: it.origin is Origin.GENERATED)
            assert (real.origin, generated.of) == (Origin.HELD_OUT, found.record.partition_key)
            assert held_out[str(real.of)].prompt == prompts[generated.file]
            assert trial.clips[str(trial.right)] == generated
            heard += [(real.of, real.start), (generated.file,)]
    assert len(set(heard)) == len(heard) == 2 * (test.trials + 1)
    places = sorted(start for where in heard if len(where) == 2 for start in [where[1]])
    assert min(np.diff(places)) >= test.seconds - 1e-6  # excerpts do not overlap


def test_what_listeners_get_does_not_say_which_is_which(told: Made) -> None:
    _, files, _, sheet, key = told
    served = {path.relative_to(files.served).as_posix() for path in files.served.rglob("*") if path.is_file()}
    assert not any("key" in name for name in served)
    text = files.sheet.read_text()
    for word in ("generated", "held_out", "attention", "track_", "step", "marked", "seed"):
        assert word not in text, word
    attention = {trial.trial for trial in key.trials if trial.role is Role.ATTENTION}
    assert attention < {trial.trial for trial in sheet.of_part(Part.TRIAL)}
    assert [trial.trial for trial in sheet.trials] == sorted(trial.trial for trial in sheet.trials)
    assert all(trial.clips == sorted(trial.clips) for trial in sheet.trials)
    assert all(trial.answer is None for trial in sheet.trials if trial.part is not Part.PRACTICE)


def test_sides_and_order_are_drawn_by_seed(told: Made) -> None:
    root, _, _, sheet, _ = told
    again = made(root, scan_checkpoints(root)[:1])
    other = made(root, scan_checkpoints(root)[:1], seed=2)
    assert again[3].plans == sheet.plans != other[3].plans
    assert [t.clips for t in again[3].trials] != [t.clips for t in sheet.trials]
    for plan in sheet.plans:
        assert sorted(plan.order) == list(range(len(sheet.of_part(Part.TRIAL))))
    assert len({tuple(plan.order) for plan in sheet.plans}) == len(sheet.plans)


@given(seed=st.integers(0, 2**32), trials=st.integers(6, 30))
@settings(max_examples=30)
def test_sides_are_fair_coins(seed: int, trials: int) -> None:
    import random

    first = [shown[0] for plan in plans.make_plans(random.Random(seed), trials, 2) for shown in plan.shown]
    assert sum(first) == pytest.approx(len(first) / 2, abs=5.5 * (len(first) / 4) ** 0.5)


@given(st.floats(3, 15), st.sampled_from(list(Kind)), st.integers(2, 8), st.sampled_from([0, 6]))
def test_no_test_takes_longer_than_a_quarter_of_an_hour(
    seconds: float, kind: Kind, clips: int, headphones: int
) -> None:
    most = plans.most_trials(kind, seconds, clips, headphones=headphones)
    if most:
        assert plans.seconds_needed(kind, most, seconds, clips, headphones=headphones) <= 15 * 60 + 1e-6
    assert plans.seconds_needed(kind, most + 1, seconds, clips, headphones=headphones) > 15 * 60 - 1e-6


def test_a_rating_hides_the_reference_and_a_low_anchor_among_the_checkpoints(rated: Made) -> None:
    root, files, test, sheet, key = rated
    names = [item.record.partition_key for item in scan_checkpoints(root) if item.record]
    for trial in sheet.trials:
        if trial.part is Part.HEADPHONES:
            continue
        found = next(it for it in key.trials if it.trial == trial.trial)
        assert sorted(str(it.of) for it in found.clips.values() if it.origin is Origin.GENERATED) == names
        origins = sorted(it.origin for it in found.clips.values())
        assert origins == ["anchor", *["generated"] * 3, "held_out"]
        assert trial.reference and trial.reference not in trial.clips
        hidden = soundfile.read(files.clip(str(found.right)))[0]
        openly = soundfile.read(files.clip(trial.reference))[0]
        assert np.abs(hidden - openly).max() < 4 / 32767
        anchor = next(name for name, it in found.clips.items() if it.origin is Origin.ANCHOR)
        spectrum = np.abs(np.fft.rfft(soundfile.read(files.clip(anchor))[0][:, 0])) ** 2
        above = np.fft.rfftfreq(round(48_000 * test.seconds), 1 / 48_000) > 4_500
        assert spectrum[above].sum() < 1e-4 * spectrum.sum()
    assert test.rules.reference_at_least == 90 and test.rules.reference_missed == 0.15


def test_one_of_three_tones_is_quieter_and_loudspeakers_cancel_another() -> None:
    for quieter, opposed in ((0, 1), (2, 0), (1, 2)):
        samples = checks.three_tones(quieter, opposed)
        tones = [samples[:, n * 72_000 : n * 72_000 + 48_000] for n in range(3)]
        powers = [float((tone**2).mean()) for tone in tones]
        beside = min(power for n, power in enumerate(powers) if n != quieter)
        assert 10 * np.log10(powers[quieter] / beside) == pytest.approx(-6, abs=0.1)
        mixed = [float((tone.mean(axis=0) ** 2).mean()) for tone in tones]
        assert np.argmin(mixed) == opposed and mixed[opposed] < 1e-9


def test_a_silent_clip_is_no_trial(scored: DataRoot) -> None:
    found = scan_checkpoints(scored)[0]
    samples = sorted((found.folder / "samples").iterdir())
    assert not sound.is_fit(np.zeros((2, 48_000), np.float32))
    assert sound.is_fit(
        sound.stereo(soundfile.read(samples[0], dtype="float32", always_2d=True)[0].T, 24_000)
    )


def refusal(root: DataRoot, found: list[CheckpointFolder], **wanted: object) -> str:
    with pytest.raises(ListeningError) as refused:
        make_test(root, found, Wanted(**wanted))  # pyright: ignore[reportArgumentType]
    assert not (root.path / "listening").exists() or not find_all(root)
    return str(refused.value)


def find_all(root: DataRoot) -> list[Path]:
    return list((root.path / "listening").glob("*/test.json"))


def test_what_makes_no_good_test_is_refused_and_nothing_is_written(scored: DataRoot) -> None:
    found = scan_checkpoints(scored)
    assert "15 minutes" in refusal(scored, found[:1], trials=200)
    assert "too few" in refusal(scored, found[:1], trials=3)
    assert "ask for no more" in refusal(scored, found[:1], seconds=8.0)
    assert "between 3 and 15" in refusal(scored, found[:1], seconds=2.0)
    assert "3 to 5 checkpoints" in refusal(scored, found[:2])
    assert "margin" in refusal(scored, found[:1], margin=0.5)
    give_samples(scored, 60, 4)
    said = refusal(scored, scan_checkpoints(scored)[:1])
    assert "there are 4" in said and "evaluation.validation_prompts" in said
    (found[1].folder / "scores.json").unlink()
    assert "was not scored" in refusal(scored, scan_checkpoints(scored)[1:2])


def test_a_recording_that_left_the_data_set_is_played_to_nobody(scored: DataRoot) -> None:
    version = load_version(scored)
    newer = version.model_copy(
        update={
            "dataset": version.dataset.model_copy(update={"hash": "f" * 64}),
            "tracks": version.side(Split.TRAIN),
        }
    )
    scored.dataset_version("f" * 64).write_text(newer.model_dump_json())
    scored.dataset_manifest_json.write_text(newer.dataset.model_dump_json())
    assert "held out of training is in the current data set" in refusal(scored, scan_checkpoints(scored)[:1])


@pytest.mark.parametrize("part", ["key", "sheet", "clip", "test", "rules"])
def test_what_was_changed_since_a_test_was_made_is_refused(scored: DataRoot, part: str) -> None:
    from lofi_pipeline.listening import score_test

    root, files, test, _, key = made(scored, scan_checkpoints(scored)[:1])
    if part == "key":
        right = next(trial for trial in key.trials if trial.role is Role.TRIAL)
        other = next(name for name in right.clips if name != right.right)
        files.key.write_text(
            files.key.read_text().replace(f'"right": "{right.right}"', f'"right": "{other}"')
        )
    elif part == "sheet":
        files.sheet.write_text(files.sheet.read_text().replace("machine", "human"))
    elif part == "clip":
        files.clip(next(iter(test.clips))).write_bytes(b"RIFF")
    else:
        files.test.write_text(files.test.read_text().replace('"margin": 0.1', '"margin": 0.4'))
    with pytest.raises(ChangedTest, match="backup"):
        score_test(root, files)


def test_a_test_is_sealed_when_it_is_made(told: Made) -> None:
    root, files, _, _, _ = told
    assert append_to_ledger(root, {root.relative(files.test): file_sha256(files.test)}) == []
    assert read_test(root, files)
