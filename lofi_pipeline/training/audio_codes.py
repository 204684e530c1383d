"""The plan of a piece as ACE-Step's language model writes it: five codes a second, `<|audio_code_123|>` one after the other.

A base that brings `audio_tokenizer` and `audio_token_detokenizer` turns them into latents that the transformer sees in place of
silence; the prompt then has the instruction of such tasks (diffusers, pipelines/ace_step/pipeline_ace_step.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lofi_pipeline.errors import LofiError

_CODE = re.compile(r"<\|audio_code_(\d{1,9})\|>")
_MOST_BYTES = 1_000_000
"""Ten minutes are 70 kB."""


class BadAudioCodes(LofiError):
    """A file holds no audio codes, or not such as the base model can read."""


def read_audio_codes(path: Path) -> str:
    """The codes in a text file, joined; what stands between them, such as the language model's thoughts, is left out.

    Raises:
        BadAudioCodes: there are none, or it is no text.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise BadAudioCodes(f"{path}: is larger than 1 MB, which is no plan of a piece")
        found = _CODE.findall(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise BadAudioCodes(f"{path}: can't be read as text ({error})") from error
    if not found:
        raise BadAudioCodes(
            f"{path}: holds no audio codes; they look like <|audio_code_123|>, five for each second"
        )
    return written_codes(map(int, found))


def written_codes(codes: Iterable[int]) -> str:
    """Codes as the language model writes them."""
    return "".join(f"<|audio_code_{code}|>" for code in codes)


def seconds_of_codes(pipeline: Any, codes: str) -> float:
    """How long the piece is that `codes` plan.

    Raises:
        BadAudioCodes: the base has nothing that reads them, or never writes one of them.
    """
    tokenizer, detokenizer = pipeline.audio_tokenizer, pipeline.audio_token_detokenizer
    if tokenizer is None or detokenizer is None:
        raise BadAudioCodes(
            "--codes: this base has no audio_tokenizer and audio_token_detokenizer, which read them; take a base that "
            "brings both, or leave --codes out"
        )
    numbers = [int(code) for code in _CODE.findall(codes)]
    size = tokenizer.quantizer.codebook_size
    if (largest := max(numbers)) >= size:
        raise BadAudioCodes(
            f"--codes: {largest} is no code of this base, whose codes go to {size - 1}; they are from another model"
        )
    return len(numbers) * detokenizer.config.pool_window_size / pipeline.latents_per_second
