"""What scores are called, after the model that gave them: a number of nano is none of CLAP's, and is never shown as one."""

from __future__ import annotations

from typing import NamedTuple

from lofi_pipeline.entities import ScoreKey

TEXT_EMBEDDER = "text embedder"
"""Among a key's versions, where another model judges prompts than the one that FAD is measured with."""
_HASH_DIGITS = 12


class ScoreNames(NamedTuple):
    """As tables, charts and cards name the numbers, and the models behind them with the first digits of their hashes."""

    fad: str
    clap: str
    embedder: str
    text_embedder: str

    @property
    def is_clap(self) -> bool:
        """Whether prompts are judged by CLAP, so that others may call the number its score."""
        return self.clap == _clap_name("clap")

    @property
    def is_nano(self) -> bool:
        """Whether FAD is measured with nano, which others do not know."""
        return self.fad == fad_name("nano")


def score_names(key: ScoreKey | None) -> ScoreNames:
    """The names of scores of a key; general ones where it is not known."""
    if key is None:
        return ScoreNames("FAD", "CLAP", "not known", "not known")
    text_name, _, text_sha256 = key.versions.get(
        TEXT_EMBEDDER, f"{key.embedder} {key.embedder_sha256}"
    ).partition(" ")
    return ScoreNames(
        fad_name(key.embedder),
        _clap_name(text_name),
        f"{key.embedder} {key.embedder_sha256[:_HASH_DIGITS]}",
        f"{text_name} {text_sha256[:_HASH_DIGITS]}",
    )


def fad_name(embedder: str) -> str:
    """The Frechet audio distance as an embedder measures it: `nano-FAD`."""
    return f"{embedder}-FAD"


def _clap_name(embedder: str) -> str:
    return "CLAP score" if embedder == "clap" else f"{embedder} alignment"
