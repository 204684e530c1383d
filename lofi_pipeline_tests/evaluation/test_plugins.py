"""An embedder of another package: found by its entry point, tried before it is used, and named in the score."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

from lofi_pipeline.config import EvaluationSettings
from lofi_pipeline.entities import RecordError
from lofi_pipeline.evaluation import EvaluationError, missing_weights, open_embedder, score_key
from lofi_pipeline.evaluation.reference import load_reference
from lofi_pipeline_tests.evaluation.toys import SETTINGS

EXAMPLE = """
import numpy as np

class BandEmbedder:
    name, weights_sha256 = "bands", "0" * 64
    dimension, sample_rate, window_seconds = 8, 24_000, 1.0

    def embed_audio(self, samples):
        bands = np.array_split(np.abs(np.fft.rfft(samples, axis=1)), self.dimension, axis=1)
        return np.log1p(np.stack([band.mean(axis=1) for band in bands], axis=1)).astype(np.float32)

    def embed_text(self, texts):
        return None

def open_bands(settings):
    return BandEmbedder()
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Put a package with this code where Python finds it, as pip does."""

    def put(code: str) -> EvaluationSettings:
        (tmp_path / "lofi_bands.py").write_text(code)
        facts = tmp_path / "lofi_bands-2.1.dist-info"
        facts.mkdir()
        (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: lofi-bands\nVersion: 2.1\n")
        (facts / "entry_points.txt").write_text("[lofi_pipeline.embedders]\nbands = lofi_bands:open_bands\n")
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "lofi_bands", raising=False)
        return EvaluationSettings.model_validate({**SETTINGS.model_dump(), "embedder": "bands"})

    yield put
    sys.modules.pop("lofi_bands", None)


def test_an_installed_embedder_is_opened_by_name_and_its_package_is_in_the_key(install, rooted) -> None:
    settings = install(EXAMPLE)
    assert missing_weights(settings) == []
    embedder = open_embedder(settings)
    assert embedder.embed_audio(np.ones((3, 24_000), np.float32)).shape == (3, 8)
    root, version = rooted
    key = score_key(root, version, embedder, settings)
    assert (key.embedder, key.versions["lofi-bands"]) == ("bands", "2.1")
    assert key.versions["text embedder"].startswith("nano ")


def test_another_version_of_its_package_embeds_anew(install, rooted, tmp_path: Path) -> None:
    settings = install(EXAMPLE)
    root, version = rooted
    embedder = open_embedder(settings)
    load_reference(root, version, embedder, 1.0)
    load_reference(root, version, embedder, 1.0)
    assert len(list((root.cache / "reference").iterdir())) == 1
    facts = tmp_path / "lofi_bands-2.1.dist-info" / "METADATA"
    facts.write_text(facts.read_text().replace("Version: 2.1", "Version: 2.2"))
    importlib.invalidate_caches()
    load_reference(root, version, embedder, 1.0)
    assert len(list((root.cache / "reference").iterdir())) == 2


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (('"bands", "0"', '"hands", "0"'), "calls itself 'hands'"),
        (('"0" * 64', '"weights"'), "64 hexadecimal digits"),
        (("axis=1)).astype", "axis=0)).astype"), r"of shape \(8, 2\), not \(2, 8\)"),
        (("np.log1p", "np.nan * np.log1p"), "gives NaN or infinity"),
        (("return BandEmbedder()", "raise OSError('no weights')"), "OSError: no weights; mend it"),
        (("return BandEmbedder()", "return 5"), "has no attribute"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_one_that_does_not_do_its_duty_is_refused(install, change: tuple[str, str], says: str) -> None:
    settings = install(EXAMPLE.replace(*change))
    with pytest.raises(EvaluationError, match=says):
        open_embedder(settings)


def test_a_name_that_nobody_has_is_refused_with_those_there_are() -> None:
    with pytest.raises(RecordError, match="no embedder 'clpa'; there are: auto, nano, musicnn"):
        EvaluationSettings.parse({"embedder": "clpa"}, where="evaluation")
