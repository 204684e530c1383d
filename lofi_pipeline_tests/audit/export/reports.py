"""Audit reports as the tests want them: full, bare, hostile, large."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from lofi_pipeline.entities import (
    AuditReport,
    AuditSubject,
    AuditVerdict,
    BaseModelFacts,
    Checkpoint,
    CheckpointRecord,
    Dataset,
    Evidence,
    EvidenceFile,
    Grant,
    Lineage,
    Obligation,
    Permission,
    Precision,
    Provenance,
    QualityMetrics,
    SourceRecord,
    SourceType,
    Split,
    Use,
    Validity,
    Verdict,
)
from lofi_pipeline.entities.audit import (
    Attribution,
    BaseModelRow,
    CacheFacts,
    CaptionFacts,
    IntegrityFacts,
    ObligationRow,
    SourceRow,
    SubjectKind,
    TrackRow,
    TrainingFacts,
)
from lofi_pipeline.entities.finding import Finding, FindingCode, Severity
from lofi_pipeline.entities.style import StyleCategory
from lofi_pipeline_tests.checkpoints.folders import make_scores

MADE = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
TRAINED = date(2026, 1, 2)
SECONDS = 120.0
CC_BY = "CC-BY-4.0"
CC_BY_URL = "https://creativecommons.org/licenses/by/4.0/legalcode"
CONTRACT = "LicenseRef-AI-Training-Rights"


def sha(text: str) -> str:
    """A hash that depends on `text` alone."""
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()


TERM = "Constrained (commercial): Not for advertising."
"""What the grants of these sources limit."""


def verdict(licence: str = CC_BY, *, permitted: bool = True) -> Verdict:
    """What the policy says of a licence."""
    asks = (Obligation.ATTRIBUTION,) if licence.startswith("CC-BY") else (Obligation.CONTRACT_TERMS,)
    return Verdict(
        permitted=permitted,
        licence=licence,
        reason="It allows any use as long as the author is named."
        if permitted
        else "The grant has expired; ask for a new one.",
        obligations=asks,
        strictness=10,
        url=CC_BY_URL if licence == CC_BY else None,
        policy=sha("policy"),
        day=TRAINED,
    )


def source(number: int, tracks: list[TrackRow], text: str | None = None) -> SourceRow:
    """A source: even numbers Creative Commons, odd ones a contract with a grant and evidence."""
    source_id = tracks[0].source_ids[0] if tracks else f"source-{number}"
    contract = number % 2 == 1
    facts: dict[str, Any] = {
        "source_id": source_id,
        "source_type": SourceType.COMMISSIONED if contract else SourceType.CREATIVE_COMMONS,
        "provider": text or f"Provider {number}",
        "license_type": text or ("AI Training Rights" if contract else "CC BY 4.0"),
        "cost": 250.0 if contract else None,
        "date_acquired": date(2025, 6, 1 + number % 28),
        "verified_by": text or "A. Lawyer",
        "notes": text or "Seen with our own eyes.",
    }
    evidence = Evidence(
        document="contract.pdf", clause=text or "Training of models is granted.", licensor=text or "The Label"
    )
    judged = verdict(CONTRACT if contract else CC_BY)
    if contract:
        judged = judged.model_copy(update={"terms": (text or TERM, "It can be revoked.")})
    return SourceRow(
        record=SourceRecord(track_ids=[track.track_id for track in tracks], **facts),
        provenance=Provenance(
            source_id=source_id,
            verdict=judged,
            grant=Grant(
                uses={Use.TRAIN: Permission.ALLOWED, Use.COMMERCIAL: Permission.CONSTRAINED},
                constraints=text or "Not for advertising.",
                territory=text or "worldwide",
                validity=Validity(start=date(2025, 1, 1), end=date(2030, 1, 1)),
                model_versions=[text or "nano"],
                evidence=[evidence],
            )
            if contract
            else None,
            evidence=[
                EvidenceFile(
                    evidence=evidence,
                    path=f"raw/commissioned/{number}/contract.pdf",
                    sha256=sha(f"contract {number}"),
                    size=12_345,
                )
            ]
            if contract
            else [],
            url=f"https://example.org/source/{number}",
        ),
        tracks=len(tracks),
        seconds=SECONDS * len(tracks),
        verdict_then=judged,
        then_recorded=True,
        verdict_now=judged,
    )


def track(number: int, source_id: str, licence: str, text: str | None = None) -> TrackRow:
    """A track of a source."""
    return TrackRow(
        track_id=f"track_{number:03d}",
        title=text or f"Rain on glass {number}",
        artist=text or "Artist",
        filename=(text or f"rain {number}.wav").replace("/", "_").replace("\\", "_")[:500] or "x",
        split=Split.VALIDATION if number % 10 == 0 else Split.TRAIN,
        style_ids=["CORE-01"],
        seconds=SECONDS,
        licence=licence,
        source_ids=[source_id],
        provider=text or "Provider",
        url=f"https://example.org/track/{number}",
        original_sha256=sha(f"original {number}"),
        audio_sha256=sha(f"audio {number}"),
        audio_path=f"processed/core/track_{number:03d}.mp3",
        prompt_sha256=sha("prompt"),
        prompt=text or "lofi hip hop, mellow, rhodes",
        obligations=(Obligation.ATTRIBUTION,) if licence == CC_BY else (),
        terms=() if licence == CC_BY else (text or TERM, "It can be revoked."),
    )


def checkpoint_subject() -> AuditSubject:
    """A checkpoint with its record and scores."""
    lineage = Lineage(
        dataset_hash=sha("data set"),
        config_hash=sha("configuration"),
        lineage=sha("lineage"),
        base=BaseModelFacts(name="nano", sha256=sha("base"), sampling_rate=48_000, latents_per_second=25.0),
        preset="nano",
        checkpoint_interval=5000,
        max_steps=50_000,
    )
    folder = "checkpoints/epoch=0-step=5000_lora"
    record = CheckpointRecord(
        checkpoint=Checkpoint(
            checkpoint_id="epoch=0-step=5000_lora",
            step=5000,
            path=folder,
            timestamp=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
            is_valid=True,
            config_hash=lineage.config_hash,
            dataset_hash=lineage.dataset_hash,
        ),
        lineage=lineage,
        files={"adapter_model.safetensors": sha("weights"), "adapter_config.json": sha("adapter")},
        loss=0.5,
    )
    return AuditSubject(
        kind=SubjectKind.CHECKPOINT,
        id="epoch=0-step=5000_lora",
        hash=sha("checkpoint"),
        partition_key=record.partition_key,
        path=folder,
        record=record,
        metrics=metrics(4.2, 0.31),
        score_key=make_scores(10, 4.2).key,
        precision=PRECISION,
    )


PRECISION = Precision(
    clips=24,
    reference_tracks=7,
    reference_styles=2,
    duplicates=[["track_001", "track_005"]],
    fad_se_by_clip=0.031,
    fad_se_by_track=0.083,
    fad_infinity=3.9,
    kad=0.0123,
    kad_se=0.004,
    clap_interval=(0.28, 0.34),
    floor=(0.9, 1.26, 1.6),
    floor_windows=24,
)


def metrics(fad: float, clap: float) -> QualityMetrics:
    """Scores."""
    return QualityMetrics(
        checkpoint_id="epoch=0-step=5000_lora", evaluation_date=MADE, fad_score=fad, clap_score=clap
    )


def overall(day: date, *, recorded: bool = True) -> AuditVerdict:
    """What all licences come to."""
    return AuditVerdict(
        day=day,
        permitted=True,
        commercial_use=True,
        obligations=(Obligation.ATTRIBUTION, Obligation.CONTRACT_TERMS),
        policy=sha("policy"),
        recorded=recorded,
        sentence="Every source permits training.",
    )


def full(
    tracks: int = 12, sources: int = 4, *, text: str | None = None, source_ids: list[str] | None = None
) -> AuditReport:
    """A report with every optional fact. `text` stands wherever people write; `source_ids` replaces the ids."""
    ids = source_ids or [f"source-{number}" for number in range(sources)]
    licences = [CONTRACT if number % 2 else CC_BY for number in range(len(ids))]
    rows = [
        track(number, ids[number % len(ids)], licences[number % len(ids)], text)
        for number in range(1, tracks + 1)
    ]
    by_source: dict[str, list[TrackRow]] = {source_id: [] for source_id in ids}
    for row in rows:
        by_source[row.source_ids[0]].append(row)
    given = [
        source(number, by_source[source_id], text)
        if by_source[source_id]
        else source(number, [track(1, source_id, licences[number], text)], text)
        for number, source_id in enumerate(ids)
    ]
    asking = [row for row in rows if Obligation.ATTRIBUTION in row.obligations]
    subject = checkpoint_subject()
    assert subject.lineage is not None
    held_out = [row for row in rows if row.split is Split.VALIDATION]
    return AuditReport(
        subject=subject,
        made=MADE,
        dataset=dataset(rows),
        seconds=SECONDS * tracks,
        validation_seconds=SECONDS * len(held_out),
        trained=TRAINED,
        then=overall(TRAINED),
        now=overall(MADE.date(), recorded=False),
        profile="cc",
        commercial=True,
        policy=sha("policy"),
        cost=500.0,
        sources=given,
        tracks=rows,
        licences={CC_BY: SECONDS * len(asking), CONTRACT: SECONDS * (len(rows) - len(asking))},
        obligations=[
            ObligationRow(
                obligation=Obligation.ATTRIBUTION,
                sentence="Name the authors.",
                source_ids=ids[::2],
                tracks=len(asking),
            )
        ],
        attribution=[
            Attribution(
                track_id=row.track_id,
                title=row.title or row.filename,
                artist=row.artist or row.provider,
                source_id=row.source_ids[0],
                provider=row.provider,
                licence=row.licence,
                licence_url=CC_BY_URL,
                url=row.url,
            )
            for row in asking
        ],
        base=BaseModelRow(
            facts=subject.lineage.base,
            licence="Apache-2.0",
            licence_text=text or "Apache License 2.0",
            sentence=text or "Made by this project.",
        ),
        captions=CaptionFacts(
            sentence=text or "Made from tags.", prompts=3, tags={"rhodes": tracks}, with_lyrics=1
        ),
        caches=[CacheFacts(path="cache/latents", files=3, bytes=99, sentence="Copies of the music.")],
        training=TrainingFacts(
            steps=5000, skipped_steps=1, logged_steps=4999, sentence="It was resumed once, on the same data."
        ),
        configuration={"learning_rate": "0.0015", "lora_rank": "16"},
        base_metrics=metrics(9.9, 0.1),
        base_precision=PRECISION,
        reference=[row.track_id for row in held_out],
        integrity=IntegrityFacts(checked=True, files=10, bytes=1000),
        findings=[
            Finding(
                severity=Severity.WARNING,
                code=FindingCode.FILE_MISSING,
                where=text or "source-0",
                sentence=text or "Nobody is on record as having verified it.",
            )
        ],
    )


def dataset(rows: list[TrackRow]) -> Dataset:
    """The data set entity of some tracks."""
    held_out = sum(row.split is Split.VALIDATION for row in rows)
    return Dataset(
        dataset_id=f"ds-{sha('data set')[:8]}",
        created=datetime(2026, 1, 1, tzinfo=UTC),
        track_count=len(rows),
        train_count=len(rows) - held_out,
        validation_count=held_out,
        total_duration=SECONDS * len(rows) / 3600,
        style_distribution={StyleCategory.CORE: len(rows)},
        hash=sha("data set"),
    )


def bare() -> AuditReport:
    """A data set version without any fact that may be left out."""
    row = track(1, "old", "LicenseRef-Unknown")
    row = replace(row, title=None, artist=None, url=None, audio_path=None, obligations=())
    record = SourceRecord(
        source_id="old",
        source_type=SourceType.ROYALTY_FREE,
        provider="Somebody",
        license_type="something",
        date_acquired=date(2020, 1, 1),
        track_ids=["track_001"],
    )
    refused = Verdict(permitted=False, licence="LicenseRef-Unknown", reason="Not known.", strictness=75)
    empty = AuditVerdict(
        day=TRAINED, permitted=False, commercial_use=False, recorded=False, sentence="Not permitted."
    )
    return AuditReport(
        subject=AuditSubject(
            kind=SubjectKind.DATASET, id="ds-old", hash=sha("old"), path="metadata/datasets/old.json"
        ),
        made=MADE,
        dataset=dataset([row]),
        seconds=SECONDS,
        validation_seconds=0,
        trained=TRAINED,
        then=empty,
        now=empty,
        profile="strict",
        commercial=False,
        cost=0,
        sources=[
            SourceRow(
                record=record,
                tracks=1,
                seconds=SECONDS,
                verdict_then=refused,
                then_recorded=False,
                verdict_now=refused,
            )
        ],
        tracks=[row],
        licences={"LicenseRef-Unknown": SECONDS},
        obligations=[],
        attribution=[],
        captions=CaptionFacts(sentence="Not recorded.", prompts=0, tags={}, with_lyrics=0),
        integrity=IntegrityFacts(checked=False),
        findings=[
            Finding(
                severity=Severity.ERROR,
                code=FindingCode.NOT_PERMITTED_THEN,
                where="old",
                sentence="Not permitted.",
            )
        ],
    )
