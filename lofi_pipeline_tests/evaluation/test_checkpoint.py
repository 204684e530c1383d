"""A trained checkpoint on disk, of a base in a folder of the user's: scored beside its base, once, with nano."""

from __future__ import annotations

import os
import shutil
from datetime import date
from pathlib import Path

import pytest
import soundfile

from lofi_pipeline.checkpoints.manifest import compile_manifest, read_record, write_record
from lofi_pipeline.config import EvaluationSettings
from lofi_pipeline.entities import (
    CheckpointRecord,
    CopiedPassage,
    DatasetVersion,
    HumanEvaluation,
    MemorisedSample,
    SamplesHeard,
)
from lofi_pipeline.evaluation import EvaluationError, read_scores
from lofi_pipeline.evaluation.checkpoint import cover_styles, evaluate_checkpoint, keep_human_evaluation
from lofi_pipeline.evaluation.weaknesses import weaknesses
from lofi_pipeline.storage import DataRoot, file_sha256
from lofi_pipeline_tests.damage.damages import DAMAGES, Damage
from lofi_pipeline_tests.training.conftest import job_for, run_job
from lofi_pipeline_tests.training.toy import make_dataset, save_toy_base

SETTINGS = EvaluationSettings(
    clip_seconds=1.0, validation_prompts=4, style_prompts=False, inference_steps=2, guidance_scale=1.0
)
Trained = tuple[DataRoot, DatasetVersion, Path, Path]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> tuple[DataRoot, DatasetVersion, Path]:
    folder = tmp_path_factory.mktemp("trained")
    base = save_toy_base(folder / "base")
    root = DataRoot(folder / "data")
    version = make_dataset(root)
    run_job(job_for(root, version, base, preset={"max_steps": 2}))
    return root, version, base


@pytest.fixture
def trained(original, tmp_path: Path) -> Trained:
    """Data root, version, base, and the checkpoint's folder; a copy for each test."""
    root, version, base = original
    shutil.copytree(root.path, tmp_path / "data")
    copied = DataRoot(tmp_path / "data")
    return copied, version, base, copied.checkpoint("epoch=0-step=2_lora")


def _evaluate(trained: Trained, settings: EvaluationSettings = SETTINGS):
    root, version, base, folder = trained
    return evaluate_checkpoint(root, folder, version, str(base), settings)


def _rewrite(folder: Path, **changes: object) -> None:
    """Change the record's own fields, or its checkpoint's."""
    record = read_record(folder)
    checkpoint = record.checkpoint.model_copy(
        update={
            name: value for name, value in changes.items() if name in type(record.checkpoint).model_fields
        }
    )
    own = {name: value for name, value in changes.items() if name in CheckpointRecord.model_fields}
    write_record(folder, record.model_copy(update={"checkpoint": checkpoint, **own}))


def test_a_checkpoint_is_scored_beside_its_base(trained: Trained) -> None:
    root, _, _, folder = trained
    found = _evaluate(trained)
    assert found.fresh
    assert (found.base.step, found.scores.step) == (0, 2)
    assert found.scores.key == found.base.key
    assert found.scores.metrics.fad_score != found.base.metrics.fad_score
    assert found.scores.key.embedder == "nano"
    assert read_scores(folder) == found.scores
    for sample in [*found.scores.samples, *found.base.samples]:
        assert soundfile.info(str(root.inside(str(sample.path)))).duration == 1.0
    (listed,) = compile_manifest(root)
    assert (listed.fad_score, listed.clap_score) == (
        found.scores.metrics.fad_score,
        found.scores.metrics.clap_score,
    )


def test_scores_do_not_depend_on_the_threads_that_a_process_has(trained: Trained) -> None:
    """Beside a training there are fewer than after it."""
    import torch

    root, _, _, folder = trained
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 4):
            torch.set_num_threads(threads)
            said = _evaluate(trained).scores.model_dump(exclude={"metrics": {"evaluation_date"}})
            assert torch.get_num_threads() == threads
            found.append((said, [file_sha256(path) for path in sorted((folder / "samples").iterdir())]))
            (folder / "scores.json").unlink()
            for name in ("base_scores", "samples"):
                shutil.rmtree(root.metadata / name, ignore_errors=True)
            shutil.rmtree(root.cache, ignore_errors=True)
    finally:
        torch.set_num_threads(before)
    assert found[0] == found[1] == found[2]


def test_what_was_scored_is_not_scored_again_until_a_setting_changes(trained: Trained) -> None:
    first = _evaluate(trained)
    again = _evaluate(trained)
    assert (again.fresh, again.scores, again.base) == (False, first.scores, first.base)
    other = _evaluate(trained, SETTINGS.model_copy(update={"seed": 1}))
    assert other.fresh
    assert other.scores.key != first.scores.key
    assert other.base != first.base


def test_another_embedder_hears_the_clips_that_are_there_and_nothing_is_generated(
    trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, _, _, folder = trained
    first = _evaluate(trained)
    heard = HumanEvaluation(evaluator_count=3, accuracy=0.6, p_value=0.2, date=date(2026, 1, 2))
    keep_human_evaluation(root, folder, heard)
    clips = {path: path.read_bytes() for path in root.path.rglob("*.flac")}

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("a clip was generated")

    monkeypatch.setattr("lofi_pipeline.evaluation.generate.generate", fail)
    monkeypatch.setattr("lofi_pipeline.evaluation.score.hear", fail)
    _rewrite(folder, pruned=True)
    other = _evaluate(trained, SETTINGS.model_copy(update={"embedder": "musicnn"}))
    assert other.fresh and {other.scores.key.embedder, other.base.key.embedder} == {"musicnn"}
    assert [sample.path for sample in other.scores.samples] == [
        sample.path for sample in first.scores.samples
    ]
    assert other.scores.metrics.fad_score != first.scores.metrics.fad_score
    assert other.scores.heard == first.scores.heard is not None
    assert other.scores.memorised == first.scores.memorised
    back = _evaluate(trained)
    assert back.base == first.base
    assert [it.scores.metrics.human_evaluation for it in (first, other, back)] == [None, heard, heard]
    # What the samples had before comes back as it was, not as 16 bits of them would be scored
    without = {"metrics": {"human_evaluation"}}
    assert back.scores.model_dump(exclude=without) == first.scores.model_dump(exclude=without)
    assert {path: path.read_bytes() for path in root.path.rglob("*.flac")} == clips


def test_former_scores_that_were_edited_are_not_taken_back(trained: Trained) -> None:
    root, _, _, _ = trained
    musicnn = SETTINGS.model_copy(update={"embedder": "musicnn"})
    first = _evaluate(trained)
    other = _evaluate(trained, musicnn)
    (kept,) = (root.cache / "scores").rglob("*.json")
    written = kept.read_bytes()
    fad = str(first.scores.metrics.fad_score).encode()
    for edited in (written.replace(fad, b"0.001", 1), b"", b"{}"):
        kept.write_bytes(edited)
        back = _evaluate(trained).scores
        assert back.metrics.fad_score == pytest.approx(first.scores.metrics.fad_score, rel=1e-2)
        again = _evaluate(trained, musicnn).scores
        assert again == other.scores
    kept.unlink()  # it is a cache
    assert _evaluate(trained).scores.metrics.fad_score == back.metrics.fad_score


def test_samples_that_were_changed_are_not_scored_again(trained: Trained) -> None:
    root, _, _, folder = trained
    first = _evaluate(trained)
    _rewrite(folder, pruned=True)
    root.inside(str(first.scores.samples[0].path)).write_bytes(b"another")
    with pytest.raises(EvaluationError, match="its weights were pruned"):
        _evaluate(trained, SETTINGS.model_copy(update={"embedder": "musicnn"}))
    # Of the same size and time, so that nothing is noticed until its bytes are read
    _rewrite(folder, pruned=False)
    sample = root.inside(str(_evaluate(trained).scores.samples[0].path))
    before, whole = sample.stat(), sample.read_bytes()
    sample.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    os.utime(sample, ns=(before.st_atime_ns, before.st_mtime_ns))
    _rewrite(folder, pruned=True)
    with pytest.raises(EvaluationError, match=f"{sample.name} changed or missing.* from a backup"):
        _evaluate(trained, SETTINGS.model_copy(update={"embedder": "musicnn"}))


def test_the_adapter_is_gone_before_the_next_is_scored(trained: Trained) -> None:
    """The base is kept in memory; scored after a checkpoint it is still the base."""
    before = _evaluate(trained)
    shutil.rmtree(trained[0].metadata / "base_scores")
    after = _evaluate(trained)
    assert after.base.metrics.fad_score == before.base.metrics.fad_score


def test_invalid_pruned_and_foreign_checkpoints_are_refused(trained: Trained, tmp_path: Path) -> None:
    root, version, _, folder = trained
    other = save_toy_base(tmp_path / "other", seed=7)
    with pytest.raises(EvaluationError, match="was trained on"):
        evaluate_checkpoint(root, folder, version, str(other), SETTINGS)
    _rewrite(folder, pruned=True)
    with pytest.raises(EvaluationError, match="pruned"):
        _evaluate(trained)
    _rewrite(folder, is_valid=False, invalid_reason="swapped")
    with pytest.raises(EvaluationError, match=r"not valid \(swapped\)"):
        _evaluate(trained)


def test_a_pruned_checkpoint_keeps_the_scores_it_has(trained: Trained) -> None:
    first = _evaluate(trained)
    _rewrite(trained[3], pruned=True)
    again = _evaluate(trained)
    assert (again.fresh, again.scores) == (False, first.scores)


@pytest.mark.parametrize("damage", DAMAGES)
def test_scores_and_samples_that_were_changed_are_made_again(trained: Trained, damage: Damage) -> None:
    root, _, _, folder = trained
    first = _evaluate(trained)
    samples = [root.inside(str(sample.path)) for sample in first.scores.samples]
    before = [path.read_bytes() for path in samples]
    (base_scores,) = (root.metadata / "base_scores").glob("*.json")
    for path in (folder / "scores.json", samples[0]):
        damage(path)
        again = _evaluate(trained)
        assert again.fresh and read_scores(folder) == again.scores
        assert again.scores.metrics.fad_score == first.scores.metrics.fad_score
        assert [path.read_bytes() for path in samples] == before
        assert not _evaluate(trained).fresh
    base_scores.write_bytes(b"")
    assert _evaluate(trained).base.metrics.fad_score == first.base.metrics.fad_score


def test_no_sample_is_written_through_a_link_of_a_checkpoint_from_elsewhere(
    trained: Trained, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (trained[3] / "samples").symlink_to(outside)
    with pytest.raises(EvaluationError, match="samples: is a link, and would be written through; remove it"):
        _evaluate(trained)
    assert list(outside.iterdir()) == []


def test_former_scores_go_when_their_samples_are_replaced_and_not_before(
    trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, others = trained[3], SETTINGS.model_copy(update={"inference_steps": 1})
    _evaluate(trained, others)  # the base is scored with these settings, too
    former = _evaluate(trained).scores

    def fail(*_: object, **__: object) -> None:
        raise OSError("the disk is gone")

    for broken, left in (("score_clips", former), ("write_sample", None)):
        with monkeypatch.context() as patch:
            patch.setattr(f"lofi_pipeline.evaluation.score.{broken}", fail)
            with pytest.raises(OSError, match="the disk is gone"):
                _evaluate(trained, others)
        assert read_scores(folder) == left


STYLED = SETTINGS.model_copy(update={"style_prompts": True, "style_seeds": 2})


def _cover(trained: Trained, settings: EvaluationSettings = STYLED):
    root, version, base, folder = trained
    return cover_styles(root, folder, version, str(base), settings)


def test_coverage_of_styles_stands_beside_scores_that_stay_as_they_are(
    trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, _, _, folder = trained
    plain = _evaluate(trained).scores

    def fail(*_: object, **__: object) -> None:
        raise OSError("the disk is gone")

    # Killed before all is written, it leaves the scores that there were
    with monkeypatch.context() as patch:
        patch.setattr("lofi_pipeline.evaluation.score.write_sample", fail)
        with pytest.raises(OSError, match="the disk is gone"):
            _cover(trained)
    assert read_scores(folder) == plain
    covered = _cover(trained)
    assert read_scores(folder) == covered and covered.metrics.style_coverage is not None
    assert len(covered.metrics.style_coverage) == 38
    assert covered.styles and len(covered.styles.samples) == 2 * 38
    for sample in covered.styles.samples:
        assert soundfile.info(str(root.inside(str(sample.path)))).duration == 1.0
    assert covered.samples == plain.samples and covered.precision == plain.precision
    record = read_record(folder)
    assert {f"samples/{Path(str(sample.path)).name}" for sample in covered.all_samples} <= set(
        record.kept_files
    )
    # And once is enough
    monkeypatch.setattr("lofi_pipeline.evaluation.generate.generate", None)
    assert _cover(trained) == covered
    assert _evaluate(trained).scores == covered


def test_another_embedder_hears_the_clips_of_styles_that_are_there(
    trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    _evaluate(trained)
    first = _cover(trained)
    monkeypatch.setattr("lofi_pipeline.evaluation.generate.generate", None)
    other = _evaluate(trained, STYLED.model_copy(update={"embedder": "musicnn"})).scores
    assert other.key.embedder == "musicnn" and other.styles and first.styles
    assert [sample.path for sample in other.styles.samples] == [
        sample.path for sample in first.styles.samples
    ]
    assert other.memorised == first.memorised
    assert (
        other.metrics.style_coverage == first.metrics.style_coverage
    )  # prompts are judged by nano both times


def test_a_copy_in_a_clip_of_a_style_counts(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    _evaluate(trained)
    passage = CopiedPassage(
        sample="CORE-01-1.flac", track="track_001", start=0.0, end=0.5, track_start=3.0, correlation=0.99
    )

    def copying(*_: object, **__: object) -> SamplesHeard:
        return SamplesHeard(tracks_searched=1, passages=[passage])

    monkeypatch.setattr("lofi_pipeline.evaluation.style_clips.hear", copying)
    covered = _cover(trained)
    assert covered.memorised == [MemorisedSample("CORE-01-1.flac", "track_001", 0.5)]
    assert covered.heard and covered.heard.passages == [passage]


ENDS = "validation+train-holdout-crops"


def test_ends_that_training_kept_out_count_to_the_reference_where_that_is_asked_for(tmp_path: Path) -> None:
    base, root = save_toy_base(tmp_path / "base"), DataRoot(tmp_path / "data")
    version = make_dataset(root, seconds=20.0)
    run_job(job_for(root, version, base, preset={"max_steps": 2, "holdout_seconds": 12.0}))
    folder = root.checkpoint("epoch=0-step=2_lora")
    alone = evaluate_checkpoint(root, folder, version, str(base), SETTINGS).scores
    with_ends = SETTINGS.model_copy(update={"reference": ENDS})
    found = evaluate_checkpoint(root, folder, version, str(base), with_ends)
    assert found.scores.key != alone.key and found.base.key == found.scores.key
    precision = found.scores.precision
    assert alone.precision and precision
    assert (alone.precision.reference_tracks, alone.precision.reference_ends) == (1, 0)
    assert (precision.reference_tracks, precision.reference_ends) == (4, 3)
    assert (
        found.scores.reference_windows == alone.reference_windows + 3 * 2
    )  # seconds that follow the 18th of 30
    assert any(
        "3 of the 4 reference tracks are ends of training tracks" in it for it in weaknesses(precision)
    )


def test_without_ends_that_were_kept_out_there_is_nothing_to_compare_with(trained: Trained) -> None:
    with pytest.raises(EvaluationError, match=r"training\.presets\.\S+\.holdout_seconds and train again"):
        _evaluate(trained, SETTINGS.model_copy(update={"reference": ENDS}))
