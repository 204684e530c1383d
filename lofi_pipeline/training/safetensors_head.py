"""The head of a safetensors file: names, shapes and places of its tensors, without reading these. Torch-free."""

from __future__ import annotations

import math
from pathlib import Path

from pydantic import BaseModel, NonNegativeInt, TypeAdapter

from lofi_pipeline.storage.json_text import loads

NO_SAFETENSORS = "is no safetensors file"
_LARGEST_HEAD = 100 * 2**20


class TensorHead(BaseModel):
    """What the head says of one tensor."""

    shape: list[NonNegativeInt]
    data_offsets: tuple[NonNegativeInt, NonNegativeInt]

    @property
    def bytes(self) -> int:
        """That it takes in the file."""
        return self.data_offsets[1] - self.data_offsets[0]

    @property
    def numbers(self) -> int:
        """How many it holds."""
        return math.prod(self.shape)


Head = dict[str, TensorHead]
_HEAD = TypeAdapter(Head)


def read_head(path: Path) -> tuple[Head, str | None]:
    """The head of a file, and what is wrong with the file, as the end of a sentence. Whoever made the file wrote the head."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > _LARGEST_HEAD:
            return {}, NO_SAFETENSORS
        data = file.read(length)
    if len(data) < length:
        return {}, f"is cut off: it has {size} bytes, its head alone {8 + length}"
    try:
        said = loads(data)
        head = _HEAD.validate_python({name: facts for name, facts in said.items() if name != "__metadata__"})
    except (ValueError, AttributeError):
        return {}, NO_SAFETENSORS
    whole = 8 + length + max((tensor.data_offsets[1] for tensor in head.values()), default=0)
    if size < whole:
        return head, f"is cut off: it has {size} bytes of {whole}"
    return head, f"has {size} bytes, not {whole}" if size > whole else None
