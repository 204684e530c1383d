"""The tokenizer of the toy bases."""

from __future__ import annotations

from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast


def toy_tokenizer() -> PreTrainedTokenizerFast:
    """A token for each byte and for some pairs, so that prompts fit: nothing to download, no unknown words."""
    pairs = ["on", "in", "ti", "er", "ar", "at", "en", "me", "se", "lo", "an", "or", "st", "li", "it", "ra"]
    tokens = ["<|endoftext|>", *sorted(pre_tokenizers.ByteLevel.alphabet()), *pairs]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[(pair[0], pair[1]) for pair in pairs]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|endoftext|>",
        pad_token="<|endoftext|>",
        model_max_length=2048,
    )
