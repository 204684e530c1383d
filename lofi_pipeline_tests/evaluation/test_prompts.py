"""The fixed prompts: of the validation split and of every style, always the same."""

from __future__ import annotations

import pytest

from lofi_pipeline.evaluation import ReferenceMissing, evaluation_prompts
from lofi_pipeline.evaluation.prompts import prompts_sha256, style_prompts
from lofi_pipeline.styles import load_presets, load_vocabulary
from lofi_pipeline_tests.evaluation.toys import SETTINGS, toy_root

_prompts = evaluation_prompts


def _style_prompts(version, settings=SETTINGS):
    return style_prompts(version, settings, load_presets(), load_vocabulary())


def test_validation_tracks_are_cycled_with_other_seeds(rooted) -> None:
    _, version = rooted
    first, second, again = _prompts(version, SETTINGS)
    assert (first.prompt, second.prompt) == (version.tracks[0].prompt, version.tracks[1].prompt)
    assert again.prompt == first.prompt and again.seed != first.seed
    assert (first.bpm, first.keyscale) == (74, "A minor")


def test_every_style_is_asked_for_with_several_seeds_in_its_tempo(rooted) -> None:
    _, version = rooted
    presets = load_presets()
    styles = _style_prompts(version)
    assert [spec.style_id for spec in styles] == [style for style in sorted(presets) for _ in range(3)]
    assert len(styles) == 3 * 38
    for spec in styles:
        low, high = presets[str(spec.style_id)].tempo_range
        assert low <= spec.bpm <= high and f"{spec.bpm} bpm" in spec.prompt


def test_names_and_seeds_are_all_different(rooted) -> None:
    prompts = [*_prompts(rooted[1], SETTINGS), *_style_prompts(rooted[1])]
    assert len({spec.name for spec in prompts}) == len({spec.seed for spec in prompts}) == len(prompts) == 117


def test_the_hash_follows_what_is_generated(rooted) -> None:
    version = rooted[1]
    base = prompts_sha256(_prompts(version, SETTINGS), SETTINGS)
    assert base == prompts_sha256(_prompts(version, SETTINGS), SETTINGS.model_copy(update={"batch_size": 1}))
    for change in ({"seed": 1}, {"inference_steps": 3}, {"clip_seconds": 2.0}, {"guidance_scale": 1.0}):
        settings = SETTINGS.model_copy(update=change)
        assert base != prompts_sha256(_prompts(version, settings), settings)


def test_an_empty_validation_split_is_refused(tmp_path) -> None:
    _, version = toy_root(tmp_path, validation_tracks=0)
    with pytest.raises(ReferenceMissing, match="validation split is empty"):
        _prompts(version, SETTINGS)


def test_a_size_takes_the_place_of_the_number_of_validation_prompts(rooted) -> None:
    counts = {}
    for size in ("quick", "standard", "thorough", None):
        settings = SETTINGS.model_copy(update={"size": size})
        prompts = _prompts(rooted[1], settings)
        counts[size] = sum(spec.style_id is None for spec in prompts)
        assert len({spec.seed for spec in prompts}) == len({spec.name for spec in prompts}) == len(prompts)
    assert counts == {"quick": 24, "standard": 200, "thorough": 400, None: 3}
