"""The layers of ACE-Step 1.5's transformer that can have a LoRA, as diffusers and as ACE-Step itself call them."""

from __future__ import annotations

import re

ACE_STEP_NAMES: dict[str, str] = {"to_q": "q_proj", "to_k": "k_proj", "to_v": "v_proj", "to_out.0": "o_proj"}
"""Those of attention, where the two differ."""
_MLP = ("gate_proj", "up_proj", "down_proj")
_REST = ("condition_embedder", "linear_1", "linear_2", "time_proj")
_LAYER = re.compile(
    rf"(?:(?:layers\.\d+\.)?(?:self|cross)_attn\.)?(?:{'|'.join(map(re.escape, ACE_STEP_NAMES))})"
    rf"|(?:(?:layers\.\d+\.)?mlp\.)?(?:{'|'.join(_MLP)})"
    rf"|(?:time_embed(?:_r)?\.)?(?:{'|'.join(_REST[1:])})|{_REST[0]}"
)


def layer_name(name: str) -> str:
    """The name of a layer, or its end, as diffusers calls it.

    Raises:
        ValueError: the transformer has no such layer; names those there are.
    """
    ours = name.strip()
    for diffusers, ace_step in ACE_STEP_NAMES.items():
        if ours == ace_step or ours.endswith(f".{ace_step}"):
            ours = ours.removesuffix(ace_step) + diffusers
    if not _LAYER.fullmatch(ours):
        known = ", ".join((*ACE_STEP_NAMES, *_MLP, *_REST))
        raise ValueError(
            f"the transformer has no layer {name!r}; there are: {known}; of attention also self_attn.to_q or cross_attn.to_q, "
            "and those of one block as layers.3.self_attn.to_q"
        )
    return ours
