"""Sentences that deny training are recognised in many wordings and languages, and those that grant it are not."""

from __future__ import annotations

import pytest

from lofi_pipeline.entities import SourceType
from lofi_pipeline.licensing import judge, load_policy
from lofi_pipeline.licensing.contradictions import named_licences, same_licence
from lofi_pipeline.licensing.denials import LONGEST_SENTENCE, denials

DENYING = """
The Licensee shall not train any machine learning model on the Recordings.
No AI training.
AI training is not permitted.
may not be used to train AI
Use for text and data mining is reserved.
TDM opt-out
all rights incl. AI training withheld
AI training rights: none, revoked 2024
Training: denied
Licensor does NOT authorise the training of artificial intelligence
machine learning is excluded from this licence
Recordings shall never be fed into generative systems
use in training sets is expressly disallowed
Kein KI-Training erlaubt.
Das Training von KI-Modellen ist untersagt.
Die Nutzung zum Trainieren von KI ist nicht gestattet
L'entraînement de modèles d'IA est interdit.
Ne pas utiliser pour entraîner une IA
Prohibido su uso para entrenar modelos de inteligencia artificial.
No se permite el entrenamiento de IA
Vietato l'addestramento di modelli di IA
Non può essere usato per addestrare
É proibido o treinamento de IA
Não pode ser usada para treinar modelos
AI-training is niet toegestaan
nie wolno trenować modeli
Får inte användas för träning av AI
Запрещено использовать для обучения нейросетей
AI学習禁止
この曲をAIの学習に使用することは禁止です。
禁止用于AI训练
AI 학습 금지
""".strip().splitlines()
HARMLESS = """
We grant AI training rights for the recordings of this session.
The licensor grants the right to train machine learning models, worldwide and without end.
What is trained may be used commercially, and its weights may be passed on.
A non-exclusive licence to train AI models, without limitation.
No attribution is required. AI training is permitted.
Training is allowed; sublicensing is not allowed.
All rights reserved.
Wir erlauben das Training von KI-Modellen.
We do not object to AI training.
Thanks for listening, no rain today
Nous autorisons l'entraînement de modèles
""".strip().splitlines()


@pytest.mark.parametrize("text", DENYING)
def test_a_denial_is_recognised_and_quoted(text: str) -> None:
    assert denials(f"Thank you for your interest. {text}\n\nYours, a label")
    (quoted,) = denials(text)
    assert quoted in text


@pytest.mark.parametrize("text", HARMLESS)
def test_what_denies_nothing_is_no_denial(text: str) -> None:
    assert denials(text) == []


def test_a_denial_at_the_end_of_a_long_text_is_found_and_cut() -> None:
    text = "lorem ipsum " * 5_000 + "the licensee shall not train models" + " dolor sit" * 200
    (quoted, *_) = denials(text)
    assert "shall not train" in text and len(quoted) <= LONGEST_SENTENCE


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Licensed to the public under http://creativecommons.org/licenses/by-nc-sa/3.0/ verify at x", ["CC-BY-NC-SA-3.0"]),
        ("https://creativecommons.org/licenses/by-sa/3.0/us/legalcode", ["CC-BY-SA-3.0"]),
        ("thanks! Licensed under CC BY-NC-ND 4.0, see my site", ["CC-BY-NC-ND-4.0"]),
        ("(c) 2020 X. All rights reserved", ["LicenseRef-All-Rights-Reserved"]),
        ("All rights reserved, except as CC BY 4.0 says", ["CC-BY-4.0"]),
        ("for personal use only", ["LicenseRef-CC-BY-NC"]),
        ("Copyright 2020 by me", []),
        ("https://example.org/album", []),
    ],
)  # fmt: skip
def test_licences_are_found_in_running_text(text: str, names: list[str]) -> None:
    named = named_licences(text, load_policy())
    assert [judge(name, SourceType.CREATIVE_COMMONS).licence for name in named] == names


def test_a_licence_without_a_version_is_that_of_any_version_and_two_versions_are_two() -> None:
    assert same_licence("LicenseRef-CC-BY", ["CC-BY-4.0"])
    assert same_licence("CC-BY-3.0", ["LicenseRef-CC-BY"])
    assert not same_licence("CC-BY-3.0", ["CC-BY-4.0"])
    assert not same_licence("CC-BY-NC-4.0", ["CC-BY-4.0"])
