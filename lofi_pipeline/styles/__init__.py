"""Styles: presets with inheritance, the controlled vocabulary, prompts, suggestions and lyrics.

No audio is read here: suggestions and prompts work on measurements. What the other packages use is imported from here.
"""

from lofi_pipeline.styles.captions import caption_variants
from lofi_pipeline.styles.claims import CheckedClaims, Claims, check_claims
from lofi_pipeline.styles.contradiction import contradicted
from lofi_pipeline.styles.declared import declared_otherwise, declared_tags, no_such_tag
from lofi_pipeline.styles.errors import (
    LyricsError,
    LyricsMissing,
    StyleError,
    UnknownStyle,
    UnknownTag,
)
from lofi_pipeline.styles.evidence import measured_tags
from lofi_pipeline.styles.hearing import Hearing
from lofi_pipeline.styles.lyrics import (
    INSTRUMENTAL_LYRICS,
    MAX_LYRICS_BYTES,
    is_instrumental,
    lyrics_of,
    lyrics_timing,
    normalise_lyrics,
    read_lyrics,
    require_words,
)
from lofi_pipeline.styles.presets import (
    STYLE_IDS,
    load_presets,
    preset_of,
    resolve_presets,
)
from lofi_pipeline.styles.prompt import (
    INSTRUMENTAL,
    has_words,
    leading_instruments,
    style_prompt,
    vocal_type_of,
)
from lofi_pipeline.styles.suggest import SURE_ENOUGH, Suggestion, needs_review, suggest, suggest_for
from lofi_pipeline.styles.tag_choice import (
    NOTHING_KNOWN_TAG,
    KnownStyles,
    TagChoice,
    build_prompt,
    choose_tags,
    prompt_bpm,
    with_said,
)
from lofi_pipeline.styles.tempo import TEMPO_TAG_RANGE, fold_tempo, tempo_support, tempo_tag
from lofi_pipeline.styles.vocabulary import Vocabulary, load_vocabulary
from lofi_pipeline.styles.why import why
from lofi_pipeline.styles.zero_shot import direction, standouts, style_texts

__all__ = [
    "INSTRUMENTAL",
    "INSTRUMENTAL_LYRICS",
    "MAX_LYRICS_BYTES",
    "NOTHING_KNOWN_TAG",
    "STYLE_IDS",
    "SURE_ENOUGH",
    "TEMPO_TAG_RANGE",
    "CheckedClaims",
    "Claims",
    "Hearing",
    "KnownStyles",
    "LyricsError",
    "LyricsMissing",
    "StyleError",
    "Suggestion",
    "TagChoice",
    "UnknownStyle",
    "UnknownTag",
    "Vocabulary",
    "build_prompt",
    "caption_variants",
    "check_claims",
    "choose_tags",
    "contradicted",
    "declared_otherwise",
    "declared_tags",
    "direction",
    "fold_tempo",
    "has_words",
    "is_instrumental",
    "leading_instruments",
    "load_presets",
    "load_vocabulary",
    "lyrics_of",
    "lyrics_timing",
    "measured_tags",
    "needs_review",
    "no_such_tag",
    "normalise_lyrics",
    "preset_of",
    "prompt_bpm",
    "read_lyrics",
    "require_words",
    "resolve_presets",
    "standouts",
    "style_prompt",
    "style_texts",
    "suggest",
    "suggest_for",
    "tempo_support",
    "tempo_tag",
    "vocal_type_of",
    "why",
    "with_said",
]
