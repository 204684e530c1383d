"""Caption variants: the tags of a prompt in other orders and in sentences, as different people might write them.

The prompt itself is made in prompt.py.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from lofi_pipeline.entities import TagKind
from lofi_pipeline.styles.vocabulary import Vocabulary

MOST = 64
_SENTENCES = (
    "a {mood} {genre} track with {instruments} at {tempo}, {rest}",
    "{genre}, {mood}, featuring {instruments}, {rest}, {tempo}",
    "{mood} {genre} led by {instruments}; {rest}; {tempo}",
    "{instruments} in a {mood} {genre} piece, {tempo}, {rest}",
    "{genre} at {tempo}: {mood}, {instruments}, {rest}",
)
_NEEDED = (TagKind.GENRE, TagKind.MOOD, TagKind.INSTRUMENTS, TagKind.TEMPO)


def caption_variants(prompt: str, vocabulary: Vocabulary, *, count: int, seed: str = "") -> list[str]:
    """At most `count` different captions with exactly the tags of a prompt, the prompt itself first.

    Some have the tags in another order, some are sentences; none leaves a tag out or adds one. The same prompt, count and seed
    (such as a track's sha256) give the same captions.

    Raises:
        UnknownTag: the prompt holds a tag that is not in the vocabulary.
        ValueError: count is not between 1 and 64.
    """
    if not 1 <= count <= MOST:
        raise ValueError(f"count must be between 1 and {MOST}, not {count}")
    tags = [vocabulary.canonical(tag) for tag in prompt.split(", ")]
    captions = dict.fromkeys([prompt])
    for candidate in _candidates(tags, vocabulary, seed):
        if len(captions) == count:
            break
        captions.setdefault(candidate)
    return list(captions)


def _candidates(tags: Sequence[str], vocabulary: Vocabulary, seed: str) -> Iterator[str]:
    """Sentences and shuffled lists in turn."""
    for number in range(8 * MOST):
        digest = hashlib.sha256(f"{seed}:{number}".encode()).digest()
        if number % 2 == 0:
            yield _sentence(tags, vocabulary, digest)
        else:
            yield ", ".join(_shuffled(tags, digest))


def _sentence(tags: Sequence[str], vocabulary: Vocabulary, digest: bytes) -> str:
    by_kind: dict[TagKind, list[str]] = {}
    for tag in tags:
        by_kind.setdefault(vocabulary.kind_of(tag), []).append(tag)
    rest = [tag for tag in tags if vocabulary.kind_of(tag) not in _NEEDED]
    if not rest or any(kind not in by_kind for kind in _NEEDED):
        return ", ".join(_shuffled(tags, digest))
    words = {str(kind): " and ".join(by_kind[kind]) for kind in _NEEDED}
    pattern = _SENTENCES[digest[0] % len(_SENTENCES)]
    return pattern.format(**words, rest=", ".join(_shuffled(rest, digest)))


def _shuffled(tags: Sequence[str], digest: bytes) -> list[str]:
    """The tags in an order that depends on the digest alone."""
    return sorted(tags, key=lambda tag: hashlib.sha256(digest + tag.encode()).digest())
