"""A clip scorer of another package: found by its entry point, named in the key, its numbers beside the scores."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from lofi_pipeline.config import EvaluationSettings
from lofi_pipeline.evaluation import evaluate
from lofi_pipeline.evaluation.clip_scorers import _opened, judge_clips
from lofi_pipeline.evaluation.errors import BadClipScorer
from lofi_pipeline.evaluation.generate import Clip
from lofi_pipeline.evaluation.prompts import PromptSpec
from lofi_pipeline_tests.evaluation.toys import SETTINGS, BandEmbedder

EXAMPLE = """
import numpy as np

class Loudness:
    weights_sha256, sample_rate = "0" * 64, 16_000

    def score(self, samples, prompt):
        return 10 * np.log10(np.mean(samples**2) + 1e-12)

def open_loudness(settings):
    return Loudness()
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Put a package with this code where Python finds it, as pip does; gives settings that ask for its scorer."""

    def put(code: str = EXAMPLE) -> EvaluationSettings:
        (tmp_path / "lofi_loudness.py").write_text(code)
        facts = tmp_path / "lofi_loudness-1.3.dist-info"
        facts.mkdir()
        (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: lofi-loudness\nVersion: 1.3\n")
        (facts / "entry_points.txt").write_text(
            "[lofi_pipeline.clip_scorers]\nloudness = lofi_loudness:open_loudness\n"
        )
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "lofi_loudness", raising=False)
        return EvaluationSettings.model_validate({**SETTINGS.model_dump(), "clip_scorers": ["loudness"]})

    _opened.cache_clear()
    yield put
    _opened.cache_clear()
    sys.modules.pop("lofi_loudness", None)


def clip(level: float) -> Clip:
    noise = np.random.default_rng(0).normal(0, level, (2, 8_000)).astype(np.float32)
    return Clip(PromptSpec(f"clip {level}", "lofi", 80, "A minor", 0), noise, 8_000)


def test_its_numbers_stand_beside_the_scores_and_its_weights_in_the_key(install, pipeline, rooted) -> None:
    root, version = rooted
    plain, judged = (
        evaluate(
            root,
            version,
            pipeline,
            BandEmbedder(),
            settings,
            step=0,
            checkpoint_id="epoch=0-step=0_lora",
            samples_dir=root.checkpoints / "samples",
        )
        for settings in (SETTINGS, install())
    )
    assert plain.clip_scores is None and "clip_scores" not in plain.model_dump()
    assert judged.clip_scores is not None
    found = judged.clip_scores["loudness"]
    assert len(found.of_clip) == len(judged.samples) and found.mean == pytest.approx(np.mean(found.of_clip))
    assert judged.key.versions["clip scorer loudness"] == f"1.3 {'0' * 64}"
    assert judged.metrics.fad_score == plain.metrics.fad_score and judged.key != plain.key


def test_it_is_given_each_clip_at_its_own_rate(install) -> None:
    found = judge_clips([clip(0.1), clip(0.01)], install())["loudness"]
    assert found.of_clip[0] - found.of_clip[1] == pytest.approx(20, abs=0.1)
    code = EXAMPLE.replace("10 * np.log10(np.mean(samples**2) + 1e-12)", "samples.shape[1]")
    _opened.cache_clear()
    sys.modules.pop("lofi_loudness")
    Path(sys.path[0], "lofi_loudness.py").write_text(code)
    settings = EvaluationSettings.model_validate({**SETTINGS.model_dump(), "clip_scorers": ["loudness"]})
    assert judge_clips([clip(0.1)], settings)["loudness"].of_clip == [16_000]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("10 * np.log10(np.mean(samples**2) + 1e-12)", "np.nan"), "loudness gives nan for clip 0.1"),
        (("10 * np.log10(np.mean(samples**2) + 1e-12)", "1 / 0"), "ZeroDivisionError"),
        (('"0" * 64', '"none"'), "64 hexadecimal digits"),
        (("return Loudness()", "return weights"), "NameError"),
    ],
)
def test_one_that_does_not_do_its_duty_is_refused(install, change: tuple[str, str], says: str) -> None:
    settings = install(EXAMPLE.replace(*change))
    with pytest.raises(BadClipScorer, match=says):
        judge_clips([clip(0.1)], settings)


def test_a_name_that_nobody_has_is_refused() -> None:
    with pytest.raises(ValidationError, match="no clip scorer 'taste'; there are: none"):
        EvaluationSettings.model_validate({"clip_scorers": ["taste"]})
