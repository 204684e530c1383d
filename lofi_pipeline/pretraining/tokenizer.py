"""The nano models' tokenizer: whole words of the vocabulary, of the pipeline's prompt template, and numbers 0 to 300."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lofi_pipeline.demo.distributions import BRIGHT_GENRES, BRIGHT_WORDS
from lofi_pipeline.styles import load_vocabulary

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

END, UNKNOWN = "<|endoftext|>", "<unk>"
NUMBERS = range(301)
TEMPLATE_WORDS = [
    "fill",
    "the",
    "audio",
    "semantic",
    "mask",
    "based",
    "on",
    "given",
    "conditions",
    "repaint",
    "area",
    "generate",
    "tokens",
    "extract",
    "track",
    "from",
    "complete",
    "input",
    "instruction",
    "caption",
    "metas",
    "bpm",
    "timesignature",
    "keyscale",
    "duration",
    "seconds",
    "n",
    "a",
    "languages",
    "lyric",
    "en",
    "ja",
    "es",
    "fr",
    "de",
    "pt",
    "it",
    "zh",
    "ko",
    "unknown",
    "instrumental",
    "verse",
    "chorus",
    "bridge",
    "intro",
    "outro",
    "hook",
    "drop",
    "break",
    "pre",
    "post",
    "inst",
    "c",
    "d",
    "e",
    "f",
    "g",
    "b",
    "major",
    "minor",
    "sharp",
    "flat",
    "#",
    "/",
    ":",
    "-",
    ",",
    ".",
    "[",
    "]",
    "(",
    ")",
    "&",
    "'",
    "!",
    "?",
    ";",
    "and",
    "of",
    "with",
    "in",
    "to",
    "for",
    "on",
    "by",
    "slow",
    "medium",
    "fast",
    "no",
    "hum",
    "humming",
    "ooh",
    "ah",
    "la",
    "oh",
    "mm",
    "i",
    "you",
    "we",
    "my",
    "your",
    "me",
    "is",
    "it",
    "night",
    "rain",
    "light",
    "window",
    "city",
    "moon",
    "stars",
    "dream",
    "sleep",
    "home",
    "love",
    "time",
    "day",
    "morning",
    "coffee",
    "quiet",
    "soft",
    "slow",
    "down",
    "away",
    "stay",
]
EXTRA_WORDS = [
    "techno",
    "pop",
    "music",
    "song",
    "beat",
    "beats",
    "drum",
    "bass",
    "guitar",
    "piano",
    "keys",
    "acid",
    "minimal",
    "ambient",
    "jazz",
    "rock",
    "classical",
    "hip",
    "hop",
    "lo",
    "fi",
]


def words(vocabulary_file: Path) -> list[str]:
    """Every word the tokenizer knows, sorted, numbers last."""
    known = set(TEMPLATE_WORDS) | set(EXTRA_WORDS) | set(BRIGHT_WORDS)
    phrases = list(BRIGHT_GENRES)
    for category in load_vocabulary(vocabulary_file).categories:
        phrases += [*category.tags, *category.canonical_forms]
    splitter = _pre_tokenizer()
    for phrase in phrases:
        known |= {piece for piece, _ in splitter.pre_tokenize_str(phrase.lower())}
    return sorted(word for word in known if not word.isdigit()) + [str(number) for number in NUMBERS]


def _pre_tokenizer():
    from tokenizers import pre_tokenizers

    return pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation()])


def build(vocabulary_file: Path) -> PreTrainedTokenizerFast:
    """A word-level tokenizer; words it does not know become `<unk>`, the end-of-text mark doubles as padding."""
    from tokenizers import Tokenizer, models, normalizers
    from transformers import PreTrainedTokenizerFast

    ids = {token: index for index, token in enumerate([END, UNKNOWN, *words(vocabulary_file)])}
    tokenizer = Tokenizer(models.WordLevel(vocab=ids, unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = _pre_tokenizer()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END,
        pad_token=END,
        unk_token=UNKNOWN,
        model_max_length=2048,
        padding_side="right",
    )
