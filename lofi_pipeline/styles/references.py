"""How the 38 styles sound: where their pieces lie in a space of timbre, as benchmarks/fit_styles.py found them.

Linear discriminants of the timbre numbers (lofi_pipeline/audio/analysis/timbre.py): an affine map in which pieces of one style are a
round cloud of unit spread, and the centre of each style's cloud.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np

from lofi_pipeline.entities import StylePreset

FILE_NAME = "references.json"


@dataclass(frozen=True)
class References:
    """The map `(timbre - mean) / scale @ axes`, the centres by style id, and how distances are read.

    `sounds` are the fingerprints of the presets the centres were made for. `sharpness` turns squared distances into
    logarithms of likelihood; `familiar` and `slope` turn the mean squared distance to the nearest centre into trust.
    """

    mean: np.ndarray
    scale: np.ndarray
    axes: np.ndarray
    centres: dict[str, np.ndarray]
    sounds: dict[str, str]
    sharpness: float
    familiar: float
    slope: float

    def distances(self, timbre: np.ndarray, style_ids: list[str]) -> np.ndarray:
        """Mean squared distance a dimension to the centres: float64 [styles]; 1 is usual within a style."""
        place = (timbre - self.mean) / self.scale @ self.axes
        return np.array([np.square(place - self.centres[style_id]).mean() for style_id in style_ids])

    def trust(self, nearest: float) -> float:
        """How far the references may speak for a track so far from the nearest centre: 0 to 1."""
        return float(1 / (1 + np.exp(np.clip(self.slope * (np.log(nearest) - self.familiar), -30, 30))))

    def knows(self, preset: StylePreset) -> bool:
        """Whether the preset still describes the sound its centre was made for."""
        return self.sounds.get(preset.style_id) == sound_of(preset)


def sound_of(preset: StylePreset) -> str:
    """A fingerprint of what in a preset is heard as timbre. The tempo is not: it is measured by itself."""
    zero_shot = [
        preset.instruments,
        preset.production,
        preset.mood_options,
        preset.atmosphere,
        preset.vocal_type,
    ]
    return hashlib.sha256(json.dumps(zero_shot).encode()).hexdigest()[:16]


@cache
def load_references() -> References:
    """The references that are shipped."""
    text = resources.files("lofi_pipeline.styles").joinpath(FILE_NAME).read_text(encoding="utf-8")
    return references_of(json.loads(text))


def references_of(data: dict) -> References:
    """The references of their JSON."""
    return References(
        mean=np.array(data["mean"]),
        scale=np.array(data["scale"]),
        axes=np.array(data["axes"]),
        centres={style_id: np.array(centre) for style_id, centre in data["centres"].items()},
        sounds=data["sounds"],
        sharpness=data["sharpness"],
        familiar=data["familiar"],
        slope=data["slope"],
    )
