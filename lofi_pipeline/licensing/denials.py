"""Sentences that deny AI training, in the clauses of grants, in documents, notes and tags of files; in several languages.

A licence's own name is searched for bans in licensing/text.py. What follows from a denial is decided in grants.py,
contradictions.py and ingest/documents.py.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from lofi_pipeline.licensing.training_words import bans_training

LONGEST_SENTENCE = 600
"""Longer ones are searched in pieces."""
MOST_QUOTED = 200
AS_LONG_AS_A_NAME = 5
"""Words of a phrase such as "TDM opt-out" in a tag, which is read as the name of a licence is: in doubt it is a ban."""

_END = re.compile(r"(?<=[.!?;])\s+|[。！？；]|\n\s*\n|\n(?=\s*(?:\d+[.)]|[-*•]))")
_QUOTES = str.maketrans(
    {**dict.fromkeys('"()[]{}«»„“”', " "), "‘": "'", "’": "'", **dict.fromkeys("‐‑‒–—―−", "-")}
)
_NEAR = r".{0,120}?"

_HARMLESS = re.compile(
    r"\bnot (?:only|limited to|restricted to|object\w*|exclude\w*|prohibit\w*|forbid\w*|withh\w+|oppos\w*)\b"
    r"|\bwithout (?:any )?(?:limit\w*|restrict\w*|end\b|further|prior|additional|charge|royalt\w*)"
    r"|\bno (?:objections?|restrictions?|limit\w*|end|further|additional|such)\b"
    r"|\bnon-? ?exclusive\w*|\bnicht-? ?ausschlie(?:ss|ß)lich\w*|\bnicht nur\b|\bohne (?:einschr\w*|begrenz\w*)"
    r"|\bnon exclusi\w*|\bsans (?:limit\w*|restriction\w*)|\bsin (?:limit\w*|restricci\w*)|\bno exclusiv\w*"
)
"""Negations that deny nothing: taken out before the others are looked for."""

_WORDS = {
    # In each language: what denies, and what is denied
    "en": (
        r"not|never|no|nor|neither|without|cannot|can't|mustn't|don't|won't|prohibit\w*|forbid\w*|forbade|exclud\w*|reserv\w*"
        r"|with(?:held|hold\w*)|revok\w*|refus\w*|declin\w*|den(?:y|ies|ied)|disallow\w*|bann?(?:ed|s)?|opt(?:s|ed)? out|opt-out",
        r"train(?:s|ed|ing)?|machine learning|deep learning|a\.?i\.?|gen-?ai|artificial intelligence|text and data mining|tdm"
        r"|data mining|generative|fine-?tun\w*|neural net\w*|language models?",
    ),
    "de": (
        r"kein\w*|nicht|nie(?:mals)?|ohne|untersagt|verboten|ausgeschlossen|vorbehalten|verweigert|widerrufen",
        r"ki|training\w*|trainier\w*|anlern\w*|künstliche\w* intelligenz|maschinelle\w* lern\w*|ki-\w+|data-mining",
    ),
    "fr": (
        r"pas|aucun\w*|sans|jamais|interdi\w*|exclu\w*|réserv\w*|refus\w*|ni",
        r"entra[iî]n\w*|apprentissage\w*|ia|intelligence artificielle|fouille de textes?",
    ),
    "es": (
        r"no|sin|ning[uú]n\w*|nunca|prohib\w*|exclu\w*|reserv\w*|deneg\w*",
        r"entren\w*|ia|inteligencia artificial|aprendizaje autom[aá]tico|miner[ií]a de",
    ),
    "it": (
        r"non|senza|nessun\w*|mai|vietat\w*|proibi\w*|esclus\w*|riservat\w*",
        r"addestr\w*|ia|intelligenza artificiale|apprendimento automatico|estrazione di",
    ),
    "pt": (
        r"n[aã]o|sem|nenhum\w*|nunca|proib\w*|vedad\w*|exclu\w*|reserv\w*",
        r"trein\w*|ia|intelig[eê]ncia artificial|aprendizad?\w* de m[aá]quina|minera[cç][aã]o",
    ),
    "nl": (
        r"niet|geen|nooit|zonder|verboden|uitgesloten|voorbehouden",
        r"train\w*|ai|kunstmatige intelligentie|machinaal leren|datamining",
    ),
    "pl": (
        r"nie|bez|zabron\w*|zakaz\w*|wyklucz\w*|zastrzeg\w*",
        r"trenow\w*|szkol\w*|uczeni\w* maszyn\w*|sztuczn\w* inteligencj\w*|ai",
    ),
    "sv": (
        r"inte|ej|ingen|inget|förbjud\w*|undantag\w*|ikke|ingen|forbud\w*|forbudt",
        r"träning\w*|tränas?|ai|maskininlärning|artificiell intelligens|trenes?|trening\w*|træn\w*|maskinlæring|maskinlæring",
    ),
    "ru": (
        r"не|нельзя|без|запрещ\w*|запрет\w*|исключ\w*",
        r"обучени\w*|обуча\w*|нейросет\w*|ии|искусственн\w* интеллект\w*|машинн\w* обучени\w*",
    ),
}
_LATIN_AND_CYRILLIC = re.compile(
    "|".join(
        rf"\b(?:{denies})\b{_NEAR}\b(?:{denied})(?!\w)|\b(?:{denied})(?!\w){_NEAR}\b(?:{denies})\b"
        for denies, denied in _WORDS.values()
    )
)
_EAST_ASIAN = re.compile(
    r"(?:ai|学習|學習|学习|訓練|训练|トレーニング|人工智能|人工知能|학습|훈련).{0,40}?"
    r"(?:禁止|禁じ|不可|不得|不允许|不許|严禁|嚴禁|許可し(?:ない|ません)|認め(?:ない|ません)|お断り|しないで|できません|금지|불가|않|안 됩니다)"
    r"|(?:禁止|不得|不可|不允许|不許|严禁|嚴禁|请勿|請勿|금지).{0,40}?(?:ai|学習|學習|学习|訓練|训练|人工智能|人工知能|학습|훈련)"
)


def denials(text: str, *, most: int = 3) -> list[str]:
    """The first sentences of a text that deny AI training, quoted as they stand there, cut where they are long."""
    found: list[str] = []
    for sentence in sentences(text):
        if _denies(sentence):
            found.append(quoted(sentence))
            if len(found) == most:
                break
    return found


def sentences(text: str) -> Iterator[str]:
    """The sentences of a text, each on one line; a long one in pieces that overlap."""
    for part in _END.split(text):
        line = " ".join(part.split())
        step = LONGEST_SENTENCE - MOST_QUOTED
        for start in range(0, max(len(line) - MOST_QUOTED, 1), step):
            if piece := line[start : start + LONGEST_SENTENCE]:
                yield piece


def _denies(sentence: str) -> bool:
    plain = unicodedata.normalize("NFKC", sentence).casefold().translate(_QUOTES)
    plain = " ".join(_HARMLESS.sub(" ", plain.replace("_", " ")).split())
    if _LATIN_AND_CYRILLIC.search(plain) or _EAST_ASIAN.search(plain):
        return True
    return len(plain.split()) <= AS_LONG_AS_A_NAME and bans_training(plain)


def quoted(text: str, *, most: int = MOST_QUOTED) -> str:
    """A text on one line, without what moves a terminal's cursor or turns the direction of writing, cut where it is long."""
    line = "".join(char if char.isprintable() else " " for char in " ".join(text.split()))
    return line if len(line) <= most else f"{line[: most - 1].rstrip()}…"
