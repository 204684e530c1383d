"""One track's way from raw to tagged: read once, decoded once, in one worker; what is unchanged is not done again."""

from __future__ import annotations

import errno
import stat
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from lofi_pipeline import audio, styles
from lofi_pipeline.config import PipelineConfig
from lofi_pipeline.entities import (
    ProcessedFacts,
    RegisteredTrack,
    StyleCategory,
    StylePreset,
    TaggedFacts,
    TagKind,
    TrackRecord,
    TrackState,
    TrackStatus,
    category_of_style,
    now,
)
from lofi_pipeline.ingest.errors import TrackRefused
from lofi_pipeline.ingest.zero_shot import ear_sha256, zero_shot_styles
from lofi_pipeline.storage import (
    DataRoot,
    content_sha256,
    file_sha256,
    locked,
    read_json,
    replacing,
    write_bytes_atomic,
    write_json_atomic,
)

# Raise a number when the code behind a stage changes what it produces: every track then goes through it again.
STAGE_VERSIONS = {"raw": 1, "processed": audio.PROCESSING_VERSION, "tagged": 3}

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS})


@dataclass(frozen=True)
class ProcessingContext:
    """What the work on a track depends on beside the track itself."""

    config: PipelineConfig
    presets: Mapping[str, StylePreset]
    vocabulary: styles.Vocabulary

    @classmethod
    def open(cls, config: PipelineConfig) -> ProcessingContext:
        """The workshop of the current configuration."""
        vocabulary = styles.load_vocabulary()
        return cls(config, styles.load_presets(), vocabulary)

    @cached_property
    def _audio_hash(self) -> str:
        return content_sha256([STAGE_VERSIONS["processed"], self.config.audio])

    @cached_property
    def _style_hash(self) -> str:
        vocabulary = [[kind, self.vocabulary.tags(kind)] for kind in TagKind]
        return content_sha256([STAGE_VERSIONS["tagged"], dict(self.presets), vocabulary, self.config.quality])

    @cached_property
    def _tagger(self) -> str | None:
        return ear_sha256(self.config)

    def inputs_of(self, track: RegisteredTrack) -> dict[str, str]:
        """The hash of everything each stage depends on: bytes, what the drop says, configuration, code version."""
        # Without what is not known: a field that is added to the model later makes no work
        origins = [origin.model_dump(exclude=None if origin.url else {"url"}) for origin in track.origins]
        raw = content_sha256([STAGE_VERSIONS["raw"], track.sha256, origins])
        processed = content_sha256([self._audio_hash, track.sha256])
        # Who listens counts only where nobody declared a style: other weights change no other track
        declared = bool(track.origins and track.origins[0].style_ids)
        tagger = [] if declared or self._tagger is None else [self._tagger]
        tagged = content_sha256([self._style_hash, raw, processed, track.lyrics_sha256, *tagger])
        return {"raw": raw, "processed": processed, "tagged": tagged}


def load_record(root: DataRoot, track_id: str) -> TrackRecord | None:
    """The record of a track, or None before its first work."""
    path = root.track_record(track_id)
    return TrackRecord.parse(read_json(path), where=str(path)) if path.is_file() else None


def needs_work(root: DataRoot, track: RegisteredTrack, context: ProcessingContext) -> bool:
    """Whether the track's bytes, facts, configuration or code changed since its record, or a fault may be retried."""
    if not track.origins:
        return False
    record = load_record(root, track.track_id)
    if record is None or record.inputs != context.inputs_of(track):
        return True
    match record.status:
        case TrackStatus.FAILED:
            return record.attempts < context.config.ingest.max_attempts
        case TrackStatus.OK:
            return not _outputs_there(root, record)
        case TrackStatus.REJECTED:
            return False
        case TrackStatus.PENDING:
            return True


def _outputs_there(root: DataRoot, record: TrackRecord) -> bool:
    return (
        record.processed is not None
        and record.tagged is not None
        and _processed_there(root, record.track_id, record.processed)
        and root.inside(record.tagged.prompt_path).is_file()
        and root.inside(record.tagged.lyrics_path).is_file()
    )


def _processed_there(root: DataRoot, track_id: str, facts: ProcessedFacts) -> bool:
    return root.inside(facts.audio_path).is_file() and root.fingerprint(track_id).is_file()


def work_on(root: DataRoot, track: RegisteredTrack, context: ProcessingContext) -> TrackRecord:
    """Take a track through what it still needs and write its record. Of two at once, one waits for the other.

    A refusal (too short, silent, no lyrics, ...) or a fault is written to the record, never raised. A track that failed
    is tried again, however often it did: whether to ask once more is the caller's choice.

    Raises:
        OSError: the disk is full or cannot be written: no track's fault, and none is blamed for it.
    """
    with locked(root.track_record(track.track_id)):
        before = load_record(root, track.track_id)
        failed = before is not None and before.status is TrackStatus.FAILED
        if before is not None and not failed and not needs_work(root, track, context):
            return before
        return _worked_on(root, track, context, before)


def _worked_on(
    root: DataRoot, track: RegisteredTrack, context: ProcessingContext, before: TrackRecord | None
) -> TrackRecord:
    inputs = context.inputs_of(track)
    attempts = before.attempts if before is not None and before.inputs == inputs else 0
    record = TrackRecord(
        track_id=track.track_id,
        sha256=track.sha256,
        origins=track.origins,
        attempts=attempts,
        inputs=inputs,
        human_verified=before.human_verified if before else False,
        updated=now(),
    )
    step = _Steps(root, track, context, before)
    for stage, work in (
        ("raw_tracks", step.check_raw),
        ("processed_audio", step.process),
        ("tagged_prompts", step.tag),
    ):
        try:
            record = work(record)
        except (TrackRefused, audio.RefusedAudio, styles.LyricsError) as refusal:
            record = _ended(record, TrackStatus.REJECTED, stage, str(refusal))
            break
        except Exception as fault:
            if isinstance(fault, OSError) and fault.errno in NO_ROOM:
                raise
            where = traceback.extract_tb(fault.__traceback__)[-1]
            reason = f"{type(fault).__name__}: {fault} ({Path(where.filename).name}:{where.lineno})"
            record = _ended(record, TrackStatus.FAILED, stage, reason)
            record = record.model_copy(update={"attempts": attempts + 1})
            break
    write_json_atomic(root.track_record(track.track_id), record)
    return record


def _ended(record: TrackRecord, status: TrackStatus, stage: str, reason: str) -> TrackRecord:
    return record.model_copy(update={"status": status, "failed_stage": stage, "reason": reason})


def failed_record(
    root: DataRoot, track: RegisteredTrack, context: ProcessingContext, reason: str
) -> TrackRecord:
    """Write and return the record of a track whose worker died over it."""
    before = load_record(root, track.track_id)
    inputs = context.inputs_of(track)
    attempts = before.attempts if before is not None and before.inputs == inputs else 0
    record = TrackRecord(
        track_id=track.track_id,
        sha256=track.sha256,
        origins=track.origins,
        status=TrackStatus.FAILED,
        failed_stage="processed_audio",
        reason=reason,
        attempts=attempts + 1,
        inputs=inputs,
        updated=now(),
    )
    write_json_atomic(root.track_record(track.track_id), record)
    return record


@dataclass(frozen=True)
class _Steps:
    """The three stages of one track, each from record to record."""

    root: DataRoot
    track: RegisteredTrack
    context: ProcessingContext
    before: TrackRecord | None

    def _unchanged(self, stage: str, record: TrackRecord) -> bool:
        return self.before is not None and self.before.inputs.get(stage) == record.inputs[stage]

    def check_raw(self, record: TrackRecord) -> TrackRecord:
        """The bytes are still those that were registered."""
        path = self.root.inside(self.track.origins[0].path)
        if not stat.S_ISREG(path.lstat().st_mode) or file_sha256(path) != self.track.sha256:
            raise TrackRefused(
                f"{self.track.origins[0].path}: changed since it was registered; scan the drops again"
            )
        return record

    def process(self, record: TrackRecord) -> TrackRecord:
        """Decode, measure, normalise and encode, unless that very work is already there."""
        before = self.before.processed if self.before else None
        if (
            before
            and self._unchanged("processed", record)
            and _processed_there(self.root, record.track_id, before)
        ):
            return record.model_copy(
                update={"processed": before, "state": record.state.to(TrackState.PROCESSED)}
            )
        declared = record.origins[0].style_ids
        category = category_of_style(declared[0]) if declared else StyleCategory.CORE
        destination = self.root.processed / category / f"{record.track_id}.mp3"
        result = audio.process(
            self.root.inside(record.origins[0].path), destination, self.context.config.audio
        )
        with replacing(self.root.fingerprint(record.track_id)) as temporary, temporary.open("wb") as handle:
            np.save(handle, result.fingerprint, allow_pickle=False)
        write_bytes_atomic(self.root.thumbnail(record.track_id), result.thumbnail)
        facts = result.facts(self.root.relative(destination))
        if before and before.audio_path != facts.audio_path:
            _remove_outputs(self.root.inside(before.audio_path))
        return record.model_copy(update={"processed": facts, "state": record.state.to(TrackState.PROCESSED)})

    def tag(self, record: TrackRecord) -> TrackRecord:
        """Styles, prompt and lyrics; then, if the quality suffices, ready for training."""
        assert record.processed is not None
        origin, measured = record.origins[0], record.processed.measurements
        presets = self.context.presets
        lyrics_file = self.root.inside(origin.lyrics_path) if origin.lyrics_path else None
        vocals = origin.vocals
        if (
            vocals is None
            and lyrics_file
            and styles.read_lyrics(lyrics_file) not in ("", styles.INSTRUMENTAL_LYRICS)
        ):
            vocals = True  # who hands in words says that somebody sings them
        style_ids, confidence, review = list(origin.style_ids), 1.0, False
        if not style_ids:
            zero_shot = zero_shot_styles(
                self.root,
                self.root.inside(record.processed.audio_path),
                self.context.config,
                presets,
                self.context.vocabulary,
            )
            best, review = styles.suggest_for(measured, presets, vocals=vocals, zero_shot=zero_shot)
            style_ids, confidence = [best.style_id], best.confidence
        lyrics = styles.lyrics_of(lyrics_file, has_words=styles.has_words(style_ids, presets, vocals))
        prompt = styles.build_prompt(
            style_ids, measured, presets, self.context.vocabulary, vocals=vocals, key=record.sha256
        )
        record = self._moved(record, category_of_style(style_ids[0]))
        processed = record.processed
        assert processed is not None
        stem = self.root.inside(processed.audio_path).with_suffix("")
        prompt_path = stem.with_name(f"{stem.name}_prompt.txt")
        lyrics_path = stem.with_name(f"{stem.name}_lyrics.txt")
        write_bytes_atomic(prompt_path, prompt.encode())
        write_bytes_atomic(lyrics_path, lyrics.encode())
        tagged = TaggedFacts(
            style_ids=style_ids,
            styles_declared=bool(origin.style_ids),
            style_confidence=confidence,
            needs_review=review,
            prompt=prompt,
            lyrics=lyrics,
            language=origin.language or "unknown",
            bpm=styles.prompt_bpm(style_ids, measured, presets),
            prompt_path=self.root.relative(prompt_path),
            lyrics_path=self.root.relative(lyrics_path),
        )
        record = record.model_copy(update={"tagged": tagged, "state": record.state.to(TrackState.TAGGED)})
        least, quality = self.context.config.quality.min_score, processed.quality
        if quality.score < least:
            worst = max(quality.parts, key=lambda part: part.penalty, default=None)
            because = f": {worst.sentence}" if worst else ""
            reason = f"quality score {quality.score} is below {least}{because}"
            return _ended(record, TrackStatus.REJECTED, "tagged_prompts", reason)
        if record.human_verified:
            record = record.model_copy(update={"state": record.state.to(TrackState.VERIFIED)})
        return record.model_copy(
            update={"status": TrackStatus.OK, "state": record.state.to(TrackState.TRAINING_READY)}
        )

    def _moved(self, record: TrackRecord, category: StyleCategory) -> TrackRecord:
        """The processed audio in the folder of its style's category."""
        assert record.processed is not None
        there = self.root.inside(record.processed.audio_path)
        here = self.root.processed / category / there.name
        if here == there:
            return record
        here.parent.mkdir(parents=True, exist_ok=True)
        there.replace(here)
        _remove_outputs(there)
        facts = record.processed.model_copy(update={"audio_path": self.root.relative(here)})
        return record.model_copy(update={"processed": facts})


def _remove_outputs(audio_path: Path) -> None:
    """Remove the three files of a track from a folder that it has left."""
    audio_path.unlink(missing_ok=True)
    for kind in ("prompt", "lyrics"):
        audio_path.with_name(f"{audio_path.stem}_{kind}.txt").unlink(missing_ok=True)
