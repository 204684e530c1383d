"""Ways to have music trained on that nobody granted: each is refused, or an audit is not clean, or a warning says it by name."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lofi_pipeline.audit import AuditInputs, build_report, find_subject
from lofi_pipeline.config import load_config
from lofi_pipeline.dataset.eligibility import eligibility_of
from lofi_pipeline.dataset.version import make_version
from lofi_pipeline.entities import (
    DatasetVersion,
    DropStatus,
    FindingCode,
    Severity,
    SourceType,
    Track,
    VersionTrack,
)
from lofi_pipeline.ingest import Registration
from lofi_pipeline.storage import DataRoot, read_json
from lofi_pipeline_tests import documents
from lofi_pipeline_tests.audio import id3
from lofi_pipeline_tests.credentials import signed
from lofi_pipeline_tests.documents import WORDS
from lofi_pipeline_tests.drops import facts, make_drop, register
from lofi_pipeline_tests.entities.examples import GOOD

TRAIN = {"train": "allowed", "commercial": "allowed"}


@dataclass(frozen=True)
class Attack:
    """A drop, and what must come of it: a word of the refusal, or the code of a finding."""

    name: str
    refused: str | None = None
    """A phrase of the reason for which there is no track."""
    error: str | None = None
    warning: str | None = None
    info: str | None = None
    licence: str = "AI Training Rights"
    grant: Mapping[str, Any] | None = field(default_factory=dict)
    document: str = "contract.txt"
    content: bytes = WORDS.encode()
    source: Mapping[str, Any] = field(default_factory=dict)
    tag: bytes = b""
    credentials: Mapping[str, Any] | None = None
    """What content credentials say of uses; None: there are none."""


def grant(name: str, **kinds: Any) -> Attack:
    """An attack by what its grant says."""
    known = {
        key: kinds.pop(key) for key in ("refused", "error", "warning", "info", "licence") if key in kinds
    }
    return Attack(name, grant=kinds, **known)


def evidence(name: str, document: str, content: bytes, **expected: Any) -> Attack:
    """An attack by a document."""
    return Attack(name, document=document, content=content, **expected)


def open_licence(name: str, **kinds: Any) -> Attack:
    """An attack by what stands beside a licence that permits training."""
    return Attack(name, licence=kinds.pop("licence", "CC BY 4.0"), grant=None, **kinds)


ACCEPT = "grant-not-accepted"
CONTRADICTED = "licence-contradicted"
ATTACKS = [
    # Grants
    grant("train is constrained", uses={"train": "constrained"}, constraints="for jazz only", refused="for jazz only"),
    grant("train is not allowed", uses={"train": "notAllowed"}, refused="notAllowed"),
    grant("train is unsaid", uses={"commercial": "allowed"}, refused='"train": "allowed"'),
    grant("train is unsaid, royalty free", uses={"commercial": "allowed"}, licence="Royalty Free with AI Training Rights",
          refused='"train": "allowed"'),
    grant("only training that does not generate", uses={"ai_training": "allowed"}, refused='"train": "allowed"'),
    grant("generative training is not allowed", uses=TRAIN | {"cawg.ai_generative_training": "notAllowed"}, refused="notAllowed"),
    grant("generative training as CAWG constrains it",
          uses={"cawg.ai_generative_training": {"use": "constrained", "constraint_info": "ask first"}}, refused="ask first"),
    grant("data mining is not allowed", uses=TRAIN | {"cawg.data_mining": "notAllowed"}, error=ACCEPT),
    grant("inference is not allowed", uses=TRAIN | {"ai_inference": {"use": "notAllowed"}}, error=ACCEPT),
    grant("commercial use is constrained, beside NC", uses={"train": "allowed", "commercial": "constrained"},
          constraints="not in adverts", licence="CC BY-NC 4.0", refused="not in adverts"),
    grant("commercial use is constrained", uses={"train": "allowed", "commercial": "constrained"}, constraints="no adverts",
          error=ACCEPT),
    grant("weights must stay", uses=TRAIN | {"redistribute_weights": "notAllowed"}, error=ACCEPT),
    grant("weights are constrained", uses=TRAIN | {"redistribute_weights": "constrained"}, constraints="50 copies", error=ACCEPT),
    grant("recording alone", rights=["recording"], refused="composition"),
    grant("composition alone", rights=["composition", "performers"], refused="recording"),
    grant("without performers", rights=["recording", "composition"], error=ACCEPT),
    grant("recording alone, where the licence permits", rights=["recording"], licence="CC0", error=ACCEPT),
    grant("another base model", model_versions=["ACE-Step 1.5"], refused="ACE-Step 1.5"),
    grant("another base model, where the licence permits", model_versions=["other/base"], licence="CC0", refused="other/base"),
    grant("this base model", model_versions=["other", "some/Nano"]),
    grant("it ends", validity={"end": "2099-01-01"}, error=ACCEPT),
    grant("it has ended", validity={"end": "2024-01-01"}, refused="ended on 2024-01-01"),
    grant("Germany alone", territory="Germany", error=ACCEPT),
    grant("no territory", territory=" ", error=ACCEPT),
    grant("it can be revoked", revocable=True, error=ACCEPT),
    grant("in order"),
    *(
        Attack(f"a clause that denies: {clause[:20]}", grant={"clause": clause}, error=ACCEPT, warning="clause-denies")
        for clause in (
            "The Licensee shall not train models on the Recordings.",
            "Use for text and data mining is expressly reserved.",
            "Die Nutzung zum Trainieren von KI-Modellen ist untersagt.",
            "L'entraînement de modèles d'IA est interdit.",
            "No se permite entrenar modelos de inteligencia artificial.",
            "È vietato l'addestramento di modelli.",
            "É proibido o treinamento de IA com as gravações.",
            "AI-training is niet toegestaan.",
            "録音をAIの学習に使用することを禁止します。",
        )
    ),
    Attack("a clause that grants", grant={"clause": "The right to train models is granted without limitation."}),
    # Evidence
    evidence("an empty document", "contract.txt", b"", refused="is empty"),
    evidence("source.json itself", "source.json", b"", refused="is source.json itself"),
    evidence("a copy of source.json", "terms.json", b'{"source_id": "x", "license_type": "AI Training Rights"}', refused="copy of"),
    evidence("music as a document", "b.wav", b"RIFF", refused="audio"),
    evidence("music under another name", "contract.pdf", b"RIFF\x10\0\0\0WAVEfmt " + bytes(64), refused="audio"),
    evidence("MP3 under another name", "contract.txt", id3.tag(id3.comment("x")), refused="audio"),
    evidence("one byte over and over", "contract.txt", b"A" * 5_000, refused="one byte"),
    evidence("zeros", "contract.pdf", bytes(5_000), refused="one byte"),
    evidence("blanks", "contract.txt", b" \n\t \n" * 400, refused="next to nothing"),
    evidence("a held key", "contract.txt", b"ab ab\n" * 400, refused="next to nothing"),
    evidence("one word", "contract.txt", b"yes", refused="next to nothing"),
    evidence("text as PDF", "contract.pdf", WORDS.encode(), refused="no PDF"),
    evidence("half a PDF", "contract.pdf", documents.pdf(WORDS)[:40], refused="PDF"),
    evidence("a blank PDF", "contract.pdf", documents.pdf(""), refused="blank"),
    evidence("a PDF as text", "contract.txt", documents.pdf(WORDS), refused="no text"),
    evidence("noise as text", "contract.txt", bytes(range(256)) * 9, refused="not text"),
    evidence("a blank picture", "contract.png", documents.picture(blank=True), refused="one colour"),
    evidence("a dot as picture", "contract.png", documents.picture(size=(8, 8)), refused="too small"),
    evidence("half a picture", "contract.jpg", documents.picture("JPEG")[:900], refused="picture"),
    evidence("PNG named JPEG", "contract.jpg", documents.picture(), refused="PNG"),
    evidence("no e-mail", "mail.eml", WORDS.encode(), refused="no e-mail"),
    evidence("no HTML", "page.html", WORDS.encode(), refused="no HTML"),
    evidence("no archive", "contract.docx", WORDS.encode(), refused="does not open"),
    evidence("a program", "contract.exe", WORDS.encode(), refused="no kind of document"),
    evidence("a text that denies", "contract.txt", f"{WORDS} It is not permitted to train AI.".encode(), warning="evidence-denies"),
    evidence("a PDF that denies", "c.pdf", documents.pdf(WORDS, "A label: machine learning is prohibited."),
             warning="evidence-denies"),
    evidence("an e-mail that denies", "m.eml", documents.mail(f"{WORDS} Kein KI-Training!"), warning="evidence-denies"),
    evidence("a page that denies", "p.html", documents.page(f"{WORDS} <b>No AI</b> training."), warning="evidence-denies"),
    evidence("somebody else's contract", "c.txt", b"The Other Ltd grants Somebody the right to train models.",
             warning="evidence-without-licensor"),
    evidence("a locked PDF", "contract.pdf", documents.locked_pdf(), info="evidence-unreadable"),
    evidence("a scan", "contract.png", documents.picture(), info="evidence-unreadable"),
    evidence("a PDF", "contract.pdf", documents.pdf(WORDS)),
    evidence("an e-mail", "mail.eml", documents.mail()),
    evidence("a page", "page.html", documents.page()),
    evidence("a .docx", "contract.docx", documents.office("word/document.xml")),
    evidence("an .odt", "contract.odt", documents.office("content.xml")),
    evidence("an RTF", "contract.rtf", b"{\\rtf1\\ansi " + WORDS.encode() + b"\\par}"),
    evidence("UTF-16", "contract.txt", WORDS.encode("utf-16")),
    # Contradictions
    open_licence("a url of another licence", source={"url": "https://creativecommons.org/licenses/by-nc-nd/4.0/"}, refused="url says"),
    open_licence("a url of a milder licence", source={"url": "https://creativecommons.org/publicdomain/zero/1.0/"},
                 warning=CONTRADICTED),
    open_licence("a url of the same licence", source={"url": "https://creativecommons.org/licenses/by/4.0/"}),
    open_licence("a file's url of another licence", source={"files": {"a.wav": {"url": "http://creativecommons.org/licenses/by-nd/3.0/"}}},
                 refused="url says"),
    open_licence("notes of another licence", source={"notes": "On the site: CC BY-NC-SA 3.0."}, refused="CC-BY-NC-SA-3.0"),
    open_licence("notes that deny", source={"notes": "The artist asked for no AI training."}, refused="denies training"),
    open_licence("notes that deny in German", source={"notes": "Bitte kein KI-Training."}, refused="denies training"),
    open_licence("notes that reserve all", source={"notes": "(c) 2024 X. All rights reserved."}, refused="All-Rights-Reserved"),
    open_licence("notes for private use", source={"notes": "For personal use only."}, refused="non-commercial"),
    open_licence("notes that ask for credit", licence="CC0", source={"notes": "Actually CC BY 4.0"}, warning=CONTRADICTED),
    open_licence("harmless notes", source={"notes": "Mixed by Al, no samples. Released under CC BY 4.0."}),
    open_licence("COPYRIGHT", tag=id3.tag(id3.text_frame("TCOP", "2020 X, licensed under CC BY-NC-ND 4.0")), refused="COPYRIGHT says"),
    open_licence("COMMENT", tag=id3.tag(id3.comment("Training of AI with this file is prohibited")), refused="COMMENT"),
    open_licence("WCOP", tag=id3.tag(id3.address("WCOP", "http://creativecommons.org/licenses/by-nc/3.0/us/")), refused="CC-BY-NC-3.0"),
    open_licence("WXXX", tag=id3.tag(id3.own_address("http://creativecommons.org/licenses/by-nd/4.0/")), refused="WXXX says"),
    open_licence("WXXX, wide", tag=id3.tag(id3.own_address("http://creativecommons.org/licenses/by-nd/4.0/", wide=True)),
                 refused="WXXX says"),
    open_licence("LICENSE", tag=id3.tag(id3.frame("TXXX", b"\0LICENSE\0CC BY-SA 4.0")), refused="LICENSE says"),
    open_licence("USER", tag=id3.tag(id3.terms_of_use("Kein Training von KI")), refused="USER denies"),
    open_licence("content credentials", tag=id3.tag(id3.frame("GEOB", b"\0application/c2pa\0\0\0" + b"\0\0\0\x20jumb\0\0\0\x1ejumdc2pa\0")),
                 warning="credentials-not-read"),
    open_licence("content credentials that forbid", credentials={"ai_generative_training": "notAllowed"},
                 refused="content credentials denies training"),
    open_licence("content credentials that constrain", refused="ask us",
                 credentials={"ai_training": {"use": "constrained", "constraint_info": "ask us"}}),
    open_licence("content credentials that permit", credentials={"ai_training": "allowed", "data_mining": "notAllowed"}),
    open_licence("content credentials that say nothing of it", credentials={}),
    open_licence("a harmless tag", tag=id3.tag(id3.text_frame("TIT2", "No AI"), id3.comment("thanks for listening"))),
    Attack("a licence in a tag, where all was granted by contract", tag=id3.tag(id3.text_frame("TCOP", "CC BY-NC-SA 4.0")),
           warning=CONTRADICTED),
]  # fmt: skip


WAV = b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x80\xbb\0\0\0\x77\x01\0\x02\0\x10\0data\0\0\0\0"
"""No music: nothing is decoded here."""


def with_tag(tag: bytes) -> bytes:
    """A WAV file, with an ID3 tag if there is one."""
    return id3.in_wav(WAV, tag) if tag else WAV


def dropped(root: DataRoot, attack: Attack, **more: Any) -> Path:
    """The attack as a drop."""
    kind = SourceType.CREATIVE_COMMONS if attack.grant is None else SourceType.PARTNERSHIP
    music = with_tag(attack.tag)
    if attack.credentials is not None:
        music = signed(music, "audio/wav", attack.credentials)
    files = {"a.wav": music}
    given: dict[str, Any] = {
        "source_id": "source",
        "license_type": attack.licence,
        "provider": "A label",
        "verified_by": "Ann",
    }
    if attack.grant is not None:
        if attack.document != "source.json":
            files[attack.document] = attack.content
        said = dict(attack.grant)
        document = {"document": attack.document, "clause": said.pop("clause", None)}
        given["grant"] = {"uses": TRAIN, "evidence": [document]} | said
    return make_drop(root, "drop", files, facts(kind, **(given | dict(attack.source) | more)), kind=kind)


def built(root: DataRoot, found: Registration) -> DatasetVersion:
    """A data set version of what was registered, as if its tracks had been worked on."""
    version_tracks = [
        VersionTrack.model_construct(
            track=Track.model_validate(GOOD["track"] | {"track_id": track.track_id, "source_id": "source"}),
            sha256=track.sha256,
            audio_sha256=track.sha256,
            processing=track.sha256,
            prompt="lofi",
            lyrics="",
            language="unknown",
            bpm=80,
            keyscale="A minor",
            time_signature="4",
            licence=track.origins[0].licence,
            source_ids=["source"],
            title="Title",
            artist="Artist",
        )
        for track in found.registry.tracks
    ]
    sources = {source.source_id: source for source in found.sources}
    return make_version(root, version_tracks, sources, eligibility_of(root, load_config()))[0]


def audited(root: DataRoot, version: DatasetVersion) -> set[tuple[str, str]]:
    """Severity and code of what an audit of a version finds of its source."""
    inputs = AuditInputs(root)
    subject = find_subject(inputs, version.dataset.hash)
    report = build_report(inputs, subject, config=load_config(), quick=True)
    return {
        (str(item.severity), str(item.code))
        for item in report.findings
        if item.where == "source" and item.code is not FindingCode.COST_UNKNOWN
    }


@pytest.mark.parametrize("attack", [item for item in ATTACKS if item.refused], ids=lambda item: item.name)
def test_it_is_refused_and_told_why(root: DataRoot, attack: Attack) -> None:
    dropped(root, attack)
    found = register(root)
    assert not any(track.origins for track in found.registry.tracks)
    reasons = " ".join(reason for _, reason in found.scan.refusals())
    assert attack.refused and attack.refused in reasons, reasons


@pytest.mark.parametrize("attack", [item for item in ATTACKS if not item.refused], ids=lambda item: item.name)
def test_it_is_found_by_its_name_and_nothing_else_is(root: DataRoot, attack: Attack) -> None:
    dropped(root, attack)
    found = register(root)
    assert len(found.registry.tracks) == 1, found.scan.refusals()
    wanted = {("error", attack.error), ("warning", attack.warning), ("info", attack.info)}
    assert audited(root, built(root, found)) == {item for item in wanted if item[1]}


# Acceptance


def hashes_in(text: str) -> list[str]:
    """The terms that a message asks to be accepted."""
    return json.loads(re.findall(r'"terms": (\[[^]]*\])', text)[-1])


def acceptance(terms: list[str]) -> dict[str, Any]:
    return {
        "accepted_by": "the label's lawyer",
        "date": "2026-01-02",
        "reason": "we only take jazz",
        "terms": terms,
    }


def open_terms(found: Registration) -> list[str]:
    verdict = found.scan.drops[0].verdict
    assert verdict is not None
    return [term.hash for term in verdict.to_accept]


def test_who_accepts_a_refused_term_by_name_lets_the_music_in_and_stands_in_the_audit(root: DataRoot) -> None:
    attack = grant("", uses={"train": "constrained"}, constraints="for jazz only", territory="EU")
    dropped(root, attack)
    (refusal,) = [reason for _, reason in register(root).scan.refusals()]
    terms = hashes_in(refusal)
    assert len(terms) == 2  # both at once
    dropped(root, attack, accepted=[acceptance(terms)])
    found = register(root)
    assert len(found.registry.tracks) == 1, found.scan.refusals()
    assert found.scan.drops[0].edited is None
    assert audited(root, built(root, found)) == {("info", "terms-accepted")}


@pytest.mark.parametrize(
    "change",
    [{"constraints": "for polka only"}, {"territory": "US"}, {"validity": {"end": "2090-01-01"}}],
    ids=str,
)
def test_other_terms_need_another_acceptance(root: DataRoot, change: dict[str, Any]) -> None:
    terms = {
        "uses": TRAIN | {"data_mining": "constrained"},
        "constraints": "for jazz only",
        "territory": "EU",
    }
    dropped(root, grant("", **terms))
    hashes = open_terms(register(root))
    other = DataRoot(root.path.parent / "other").create()
    dropped(other, grant("", **terms | change), accepted=[acceptance(hashes)])
    assert len(open_terms(register(other))) == 1


def test_an_acceptance_that_is_written_after_the_scan_counts_in_the_next_audit(root: DataRoot) -> None:
    attack = grant("", territory="EU")
    folder = dropped(root, attack)
    found = register(root)
    version = built(root, found)
    assert audited(root, version) == {("error", "grant-not-accepted")}
    hashes = open_terms(found)
    dropped(root, attack, accepted=[acceptance(hashes)])
    assert audited(root, version) == {("info", "terms-accepted")}
    said = json.loads((folder / "source.json").read_bytes())
    (folder / "source.json").write_text(json.dumps(said | {"accepted": []}))
    assert audited(root, version) == {("error", "grant-not-accepted")}


@pytest.mark.parametrize(
    "wrong",
    [{"accepted_by": " "}, {"reason": ""}, {"date": "2999-01-01"}, {"terms": []}, {"terms": ["all"]}],
    ids=str,
)
def test_an_acceptance_names_who_when_why_and_what(root: DataRoot, wrong: dict[str, Any]) -> None:
    dropped(root, grant("", territory="EU"), accepted=[acceptance(["0" * 16]) | wrong])
    (drop,) = register(root).scan.drops
    assert drop.status is DropStatus.REFUSED
    assert f"accepted.0.{next(iter(wrong))}" in (drop.reason or "")


def test_what_a_tag_says_may_be_answered_for_by_name(root: DataRoot) -> None:
    attack = open_licence("", tag=id3.tag(id3.text_frame("TCOP", "CC BY-NC-ND 4.0")))
    dropped(root, attack)
    (refusal,) = [reason for _, reason in register(root).scan.refusals()]
    dropped(root, attack, accepted=[acceptance(hashes_in(refusal))])
    found = register(root)
    assert len(found.registry.tracks) == 1
    assert audited(root, built(root, found)) == {("info", "terms-accepted"), ("warning", CONTRADICTED)}


def test_no_acceptance_helps_against_what_is_not_allowed(root: DataRoot) -> None:
    dropped(root, grant("", uses={"train": "notAllowed"}), accepted=[acceptance(["0" * 16])])
    assert register(root).scan.drops[0].status is DropStatus.FORBIDDEN


def test_one_document_for_two_licensors_is_told_at_both(root: DataRoot) -> None:
    for name in ("one", "two"):
        given = {"uses": TRAIN, "evidence": [{"document": "c.txt", "licensor": f"Label {name}"}]}
        source = facts(SourceType.PARTNERSHIP, source_id=name, license_type="Royalty Free", grant=given)
        files = {
            "a.wav": WAV + name.encode(),
            "c.txt": b"Label one and Label two grant the training of models.",
        }
        make_drop(root, name, files, source, kind=SourceType.PARTNERSHIP)
    for drop in register(root).scan.drops:
        assert drop.verdict is not None
        (remark,) = drop.verdict.remarks
        assert remark.code is FindingCode.EVIDENCE_SHARED
        assert "Label one" in remark.sentence and "Label two" in remark.sentence


def test_a_file_is_kept_out_by_its_tag_alone(root: DataRoot) -> None:
    folder = dropped(root, open_licence(""))
    (folder / "b.wav").write_bytes(with_tag(id3.tag(id3.text_frame("TCOP", "CC BY-NC-ND 4.0"))))
    found = register(root)
    assert [origin.path.rsplit("/")[-1] for track in found.registry.tracks for origin in track.origins] == [
        "a.wav"
    ]
    assert [path.rsplit("/")[-1] for path, _ in found.scan.refusals()] == ["b.wav"]


def test_a_document_that_turns_out_to_be_none_is_found_in_versions_that_rest_on_it(root: DataRoot) -> None:
    folder = dropped(root, grant(""))
    version = built(root, register(root))
    scan = read_json(root.drops_json)
    (folder / "contract.txt").write_bytes(b"AAAA")
    drop = register(root).scan.drops[0]
    assert drop.status is DropStatus.REFUSED
    # As in a data root from before: the version rests on bytes that only today are known to be none
    scan = read_json(root.drops_json)
    scan["drops"][0]["documents"][0]["sha256"] = version.provenance[0].evidence[0].sha256
    root.drops_json.write_text(json.dumps(scan))
    inputs = AuditInputs(root)
    report = build_report(
        inputs, find_subject(inputs, version.dataset.hash), config=load_config(), quick=True
    )
    assert FindingCode.EVIDENCE_IS_NONE in {item.code for item in report.of_severity(Severity.ERROR)}


def test_at_least_these_many_attacks_are_tried() -> None:
    harmless = [item for item in ATTACKS if not (item.refused or item.error or item.warning or item.info)]
    assert len(ATTACKS) - len(harmless) >= 75
    assert len(harmless) >= 10
