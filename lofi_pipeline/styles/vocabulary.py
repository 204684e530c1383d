"""The controlled vocabulary: the tags that a prompt may hold, their categories and spellings (config/tag_categories.yaml)."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from lofi_pipeline.config import config_file, read_yaml
from lofi_pipeline.entities import TagCategory, TagKind
from lofi_pipeline.styles.errors import StyleError, UnknownTag

FILE_NAME = "tag_categories.yaml"
_SEPARATORS = re.compile(r"[\s_\-\u2010-\u2015]+")
_GLUED_TEMPO = re.compile(r"([0-9]+)bpm")


def spelling_key(tag: str) -> str:
    """The key that all spellings of a tag share: NFKC, lower case, any run of spaces, dashes and underscores as one space."""
    key = _SEPARATORS.sub(" ", unicodedata.normalize("NFKC", tag).casefold()).strip()
    return _GLUED_TEMPO.sub(r"\1 bpm", key)


@dataclass(frozen=True)
class Vocabulary:
    """The seven categories, each once, in the order of a prompt.

    `Vocabulary.of(categories)` checks that no spelling means two tags; `canonical("Fender Rhodes") == "rhodes"`.
    """

    categories: tuple[TagCategory, ...]
    _canonical: dict[str, str] = field(repr=False)
    _kinds: dict[str, TagKind] = field(repr=False)

    @classmethod
    def of(cls, categories: Iterable[TagCategory], *, where: str = "vocabulary") -> Vocabulary:
        """Build the look-up tables.

        Raises:
            StyleError: a category is missing or there twice, or one spelling leads to two tags.
        """
        listed = list(categories)
        given = {category.category: category for category in listed}
        missing = [kind for kind in TagKind if kind not in given]
        if missing or len(listed) != len(given):
            fault = f"no category {', '.join(missing)}" if missing else "a category is there twice"
            raise StyleError(f"{where}: {fault}; each of {', '.join(TagKind)} must be there once")
        ordered = tuple(given[kind] for kind in TagKind)
        canonical: dict[str, str] = {}
        kinds: dict[str, TagKind] = {}
        for category in ordered:
            for spelling, tag in [
                *((tag, tag) for tag in category.tags),
                *category.canonical_forms.items(),
            ]:
                known = canonical.setdefault(spelling_key(spelling), tag)
                if known != tag or kinds.setdefault(tag, category.category) is not category.category:
                    raise StyleError(
                        f"{where}: {category.category}: {spelling!r} already stands for {known!r}; take one out"
                    )
        return cls(ordered, canonical, kinds)

    def canonical(self, tag: str) -> str:
        """The one spelling of a tag or alias.

        Raises:
            UnknownTag: not in the vocabulary; names the nearest tags.
        """
        found = self._canonical.get(key := spelling_key(tag))
        if found is None:
            near = dict.fromkeys(
                self._canonical[match] for match in difflib.get_close_matches(key, self._canonical)
            )
            hint = f"; did you mean {', '.join(near)}?" if near else ""
            raise UnknownTag(f"unknown tag {tag!r:.80}{hint} (the vocabulary is config/{FILE_NAME})")
        return found

    def kind_of(self, tag: str) -> TagKind:
        """The category of a tag or alias.

        Raises:
            UnknownTag: not in the vocabulary.
        """
        return self._kinds[self.canonical(tag)]

    def tags(self, kind: TagKind) -> tuple[str, ...]:
        """The canonical tags of a category, as listed."""
        return tuple(self.categories[list(TagKind).index(kind)].tags)

    def __contains__(self, tag: object) -> bool:
        return isinstance(tag, str) and spelling_key(tag) in self._canonical


def load_vocabulary(path: Path | None = None) -> Vocabulary:
    """Read config/tag_categories.yaml.

    Raises:
        RecordError: unreadable, or a category breaks a rule; named.
        StyleError: the categories do not make one vocabulary.
    """
    return _load(path or config_file(FILE_NAME))


@cache
def _load(path: Path) -> Vocabulary:
    listed = read_yaml(path)
    if not isinstance(listed, list):
        raise StyleError(f"{path}: must be a list of categories")
    categories = [TagCategory.parse(item, where=f"{path}[{index}]") for index, item in enumerate(listed)]
    return Vocabulary.of(categories, where=str(path))
