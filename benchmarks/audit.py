"""How long an audit of a checkpoint takes, and how much memory: `python benchmarks/audit.py --tracks 500 50000`.

Records are synthetic and complete: version, track records, published and processed files, originals, evidence, checkpoint,
scores. Music files are small (--bytes), so that the figures are of the audit and not of the disk; hashing real music comes
on top at about the speed of SHA-256.

Processor time of `lofi audit` with all of its files, imports included, and most memory: 5,000 tracks 6.1 s and 120 MB; 50,000 tracks
22.7 s and 289 MB (200,501 files hashed). On two cores that other processes shared: a version's records are read one by one from
the file, and neither FFmpeg nor scipy.ndimage is loaded; before, they took 333 MB.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, date, datetime
from pathlib import Path

from benchmarks.memory import peak_bytes
from lofi_pipeline.audit import AuditInputs, build_report, find_subject, write_audit
from lofi_pipeline.config import config_hash, load_config
from lofi_pipeline.entities import (
    CHECKPOINT_RECORD,
    BaseModelFacts,
    CheckpointRecord,
    Dataset,
    DatasetVersion,
    Evidence,
    EvidenceFile,
    Grant,
    Lineage,
    ProcessedFacts,
    Provenance,
    QualityReport,
    RegisteredTrack,
    Registry,
    SourceRecord,
    SourceType,
    Split,
    StyleCategory,
    TaggedFacts,
    Track,
    TrackMeasurements,
    TrackOrigin,
    TrackRecord,
    TrackState,
    TrackStatus,
    VersionTrack,
    checkpoint_id_of,
    now,
)
from lofi_pipeline.licensing import judge_source
from lofi_pipeline.storage import (
    DataRoot,
    content_sha256,
    file_sha256,
    version_hash,
    write_json_atomic,
)

TRACKS_OF_A_SOURCE = 100
STEP = 60


def build(root: DataRoot, count: int, size: int) -> None:
    """Write a data root of `count` tracks with music files of `size` bytes."""
    root.create()
    root.track_records.mkdir()
    sources = [_source(root, number, count) for number in range(-(-count // TRACKS_OF_A_SOURCE))]
    records = [record for record, _ in sources]
    tracks = [_track(root, number, records[number // TRACKS_OF_A_SOURCE], size) for number in range(count)]
    provenance = [item for _, item in sources]
    digest = version_hash(
        {
            "tracks": [item.model_dump(mode="json") for item in tracks],
            "sources": [item.model_dump(mode="json") for item in records],
            "provenance": [item.model_dump(mode="json") for item in provenance],
        }
    )
    held_out = sum(item.track.split is Split.VALIDATION for item in tracks)
    dataset = Dataset(
        dataset_id=f"dataset-{digest[:12]}",
        created=now(),
        track_count=count,
        train_count=count - held_out,
        validation_count=held_out,
        total_duration=sum(item.track.duration for item in tracks) / 3600,
        style_distribution={style: count if style is StyleCategory.CORE else 0 for style in StyleCategory},
        hash=digest,
    )
    version = DatasetVersion(dataset=dataset, tracks=tracks, sources=records, provenance=provenance)
    write_json_atomic(root.dataset_version(digest), version)
    write_json_atomic(root.dataset_manifest_json, dataset)
    origin = {item.track.track_id: _origin(item) for item in tracks}
    write_json_atomic(
        root.registry_json,
        Registry(
            tracks=[
                RegisteredTrack(
                    track_id=item.track.track_id, sha256=item.sha256, origins=[origin[item.track.track_id]]
                )
                for item in tracks
            ]
        ),
    )
    _checkpoint(root, digest)


def _source(root: DataRoot, number: int, count: int) -> tuple[SourceRecord, Provenance]:
    first, last = number * TRACKS_OF_A_SOURCE, min((number + 1) * TRACKS_OF_A_SOURCE, count)
    record = SourceRecord(
        source_id=f"source-{number:04d}",
        track_ids=[f"track_{item + 1:03d}" for item in range(first, last)],
        source_type=SourceType.COMMISSIONED,
        provider=f"Provider {number}",
        license_type="AI Training Rights" if number % 2 else "CC BY 4.0",
        cost=100.0,
        date_acquired=date(2025, 1, 1),
        verified_by="benchmark",
    )
    folder = root.raw / "commissioned" / record.source_id
    folder.mkdir(parents=True)
    contract = folder / "contract.pdf"
    contract.write_bytes(f"contract of {record.source_id}".encode() * 100)
    evidence = Evidence(document=contract.name, clause="AI training is granted.")
    file = EvidenceFile(
        evidence=evidence,
        path=root.relative(contract),
        sha256=file_sha256(contract),
        size=contract.stat().st_size,
    )
    grant = Grant.model_validate(
        {"uses": {"train": "allowed", "commercial": "allowed"}, "evidence": [evidence]}
    )
    verdict = judge_source(record, load_config().licensing, grant=grant, evidence=[file])
    return record, Provenance(source_id=record.source_id, verdict=verdict, grant=grant, evidence=[file])


def _track(root: DataRoot, number: int, source: SourceRecord, size: int) -> VersionTrack:
    track_id = f"track_{number + 1:03d}"
    split = Split.VALIDATION if number % 10 == 0 else Split.TRAIN
    folder = root.validation if split is Split.VALIDATION else root.final
    original = root.raw / "commissioned" / source.source_id / f"{track_id}.wav"
    original.write_bytes(f"original {number} ".encode().ljust(size, b"\1"))
    prompt = f"lofi hip hop, mellow, rhodes, {60 + number % 40} bpm, vinyl crackle, instrumental"
    processed = root.processed / "core"
    for name, data in (
        (f"{track_id}.mp3", f"processed {number} ".encode().ljust(size, b"\0")),
        (f"{track_id}_prompt.txt", prompt.encode()),
        (f"{track_id}_lyrics.txt", b"[instrumental]"),
    ):
        (processed / name).write_bytes(data)
        os.link(processed / name, folder / name)
    paths = {
        kind: root.relative(folder / f"{track_id}{ending}")
        for kind, ending in (("audio", ".mp3"), ("prompt", "_prompt.txt"), ("lyrics", "_lyrics.txt"))
    }
    item = VersionTrack(
        track=Track(
            track_id=track_id,
            filename=original.name,
            audio_path=paths["audio"],
            prompt_path=paths["prompt"],
            lyrics_path=paths["lyrics"],
            duration=120.0,
            sample_rate=48_000,
            quality_score=90,
            style_ids=["CORE-01"],
            source_id=source.source_id,
            split=split,
        ),
        sha256=file_sha256(original),
        audio_sha256=file_sha256(processed / f"{track_id}.mp3"),
        processing=content_sha256(track_id),
        prompt=prompt,
        lyrics="[instrumental]",
        language="en",
        bpm=80,
        keyscale="A minor",
        time_signature="4",
        licence="CC-BY-4.0",
        source_ids=[source.source_id],
        title=f"Title {number}",
        artist=f"Artist {number % 50}",
    )
    root.track_record(track_id).write_text(_record(root, item).model_dump_json())  # 50,000 times no fsync
    return item


def _origin(item: VersionTrack) -> TrackOrigin:
    return TrackOrigin(
        source_id=item.source_ids[0],
        path=f"raw/commissioned/{item.source_ids[0]}/{item.track.filename}",
        licence=item.licence,
        title=item.title,
        artist=item.artist,
    )


def _record(root: DataRoot, item: VersionTrack) -> TrackRecord:
    track_id = item.track.track_id
    base = root.relative(root.processed / "core" / track_id)
    measured = TrackMeasurements(
        tempo_bpm=80,
        tempo_confidence=1,
        key="A",
        mode="minor",
        key_confidence=1,
        time_signature_confidence=1,
        brightness_hz=1000,
        onset_density=2,
    )
    return TrackRecord(
        track_id=track_id,
        sha256=item.sha256,
        origins=[_origin(item)],
        state=TrackState.TRAINING_READY,
        status=TrackStatus.OK,
        processed=ProcessedFacts(
            audio_path=f"{base}.mp3",
            audio_sha256=item.audio_sha256,
            duration=item.track.duration,
            quality=QualityReport(score=90),
            measurements=measured,
            input_lufs=-14,
            output_lufs=-14,
            true_peak_dbtp=-1,
            gain_db=0,
            source_rate=48_000,
            source_channels=2,
            source_codec="pcm_s16le",
        ),
        tagged=TaggedFacts(
            style_ids=["CORE-01"],
            styles_declared=True,
            style_confidence=1,
            prompt=item.prompt,
            lyrics=item.lyrics,
            language=item.language,
            bpm=80,
            prompt_path=f"{base}_prompt.txt",
            lyrics_path=f"{base}_lyrics.txt",
        ),
        updated=datetime(2026, 1, 1, tzinfo=UTC),
    )


def _checkpoint(root: DataRoot, digest: str) -> None:
    base = BaseModelFacts(
        name="toy", sha256=content_sha256("toy"), sampling_rate=48_000, latents_per_second=25
    )
    configuration = config_hash(load_config().training.presets["nano"], base.sha256)
    lineage = Lineage(
        dataset_hash=digest,
        config_hash=configuration,
        lineage=content_sha256({"dataset": digest, "config": configuration}),
        base=base,
        preset="nano",
        checkpoint_interval=STEP,
        max_steps=STEP,
    )
    name = checkpoint_id_of(STEP)
    folder = root.checkpoint(name)
    folder.mkdir()
    weights = folder / "adapter_model.safetensors"
    weights.write_bytes(b"\0" * 1_000_000)
    checkpoint = {
        "checkpoint_id": name,
        "step": STEP,
        "path": root.relative(folder),
        "timestamp": now(),
        "is_valid": True,
        "config_hash": configuration,
        "dataset_hash": digest,
    }
    record = CheckpointRecord.parse(
        {"checkpoint": checkpoint, "lineage": lineage, "files": {weights.name: file_sha256(weights)}},
        where=name,
        context={"checkpoint_interval": STEP},
    )
    write_json_atomic(folder / CHECKPOINT_RECORD, record)
    write_json_atomic(root.checkpoint_manifest_json, [record.checkpoint])


def measure(root: DataRoot, *, quick: bool) -> dict[str, float | int | bool]:
    """Audit the one checkpoint and write its files, in this process, as `lofi audit` does."""
    start = time.monotonic()
    inputs = AuditInputs(root)
    subject = find_subject(inputs, checkpoint_id_of(STEP))
    report = build_report(inputs, subject, config=load_config(), quick=quick)
    gathered, gathered_mb = time.monotonic() - start, peak_bytes() >> 20
    written = write_audit(inputs, subject, report)
    return {
        "quick": quick,
        "gathered_s": round(gathered, 2),
        "all_s": round(time.monotonic() - start, 2),
        "cpu_s": round(time.process_time(), 2),
        "rss_gathered_mb": gathered_mb,
        "rss_mb": peak_bytes() >> 20,
        "clean": report.clean,
        "tracks": len(report.tracks),
        "files_hashed": report.integrity.files,
        "mb_hashed": round(report.integrity.bytes / 1e6, 1),
        "mb_written": round(sum(path.stat().st_size for path in written.files) / 1e6, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tracks", type=int, nargs="+", default=[500, 50_000])
    parser.add_argument("--bytes", type=int, default=4096, help="size of a music file")
    parser.add_argument(
        "--measure", type=Path, help="only audit this data root (what the script calls itself with)"
    )
    parser.add_argument(
        "--quick", action="store_true", help="with --measure: leave the bytes of music unread"
    )
    given = parser.parse_args()
    if given.measure:
        print(json.dumps(measure(DataRoot(given.measure), quick=given.quick)))
        return
    for count in given.tracks:
        with tempfile.TemporaryDirectory(prefix="lofi-audit-") as folder:
            root = DataRoot(Path(folder) / "data")
            build(root, count, given.bytes)
            command = [sys.executable, __file__, "--measure", str(root.path)]
            for how in ([], ["--quick"]):
                done = subprocess.run([*command, *how], check=True, capture_output=True, text=True)
                print(done.stdout.strip().splitlines()[-1], flush=True)


if __name__ == "__main__":
    main()
