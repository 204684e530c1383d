"""The work on one track, from the raw file to its tags, and the record of what came of it.

A track is read and decoded once, in one worker; a stage whose inputs are unchanged is not done again. Work on many tracks
is in batch.py, the hashes of the inputs are in context.py.
"""

from __future__ import annotations

import io
import stat
import traceback
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lofi_pipeline import audio, styles
from lofi_pipeline.entities import (
    RegisteredTrack,
    StyleCategory,
    Support,
    SupportedTag,
    TaggedFacts,
    TagKind,
    TrackOrigin,
    TrackRecord,
    TrackState,
    TrackStatus,
    category_of_style,
    now,
)
from lofi_pipeline.ingest.captioner import claims_of
from lofi_pipeline.ingest.context import ProcessingContext
from lofi_pipeline.ingest.errors import OriginalChanged, TrackRefused
from lofi_pipeline.ingest.outcome import Outcome
from lofi_pipeline.ingest.outputs import has_audio, is_whole, looks_whole, with_kept_files
from lofi_pipeline.ingest.tagger import heard_in
from lofi_pipeline.ingest.zero_shot import zero_shot_styles
from lofi_pipeline.review import ReviewError, applied, found_by_pipeline, rejection, review_of
from lofi_pipeline.storage import (
    DataRoot,
    file_sha256,
    is_of_the_disk,
    locked,
    read_record,
    write_bytes_atomic,
    write_json_atomic,
)


def load_record(root: DataRoot, track_id: str) -> TrackRecord | None:
    """The record of a track, or None before its first work."""
    path = root.track_record(track_id)
    return read_record(TrackRecord, path) if path.is_file() else None


def needs_work(root: DataRoot, track: RegisteredTrack, context: ProcessingContext) -> bool:
    """Whether the track's bytes, facts, configuration or code changed since its record, or a fault may be retried."""
    if not track.origins:
        return False
    record = load_record(root, track.track_id)
    return record is None or Outcome.of(record).needs_work(root, track, context)


def work_on(root: DataRoot, track: RegisteredTrack, context: ProcessingContext) -> TrackRecord:
    """Do the stages that a track still needs and write its record. If two processes work on it, one waits for the other.

    A refusal (too short, silent, no lyrics, ...) or a fault is written to the record, never raised. A track that failed
    is tried again, however often it failed before: `needs_work` says whether it should be.

    Raises:
        OSError: the disk is full or cannot be written to; the track's record stays as it was.
    """
    with locked(root.track_record(track.track_id)):
        before = load_record(root, track.track_id)
        failed = before is not None and before.status is TrackStatus.FAILED
        if before is not None and not failed and not needs_work(root, track, context):
            return before
        if before is not None and _was_only_touched(root, track, context, before):
            record = with_kept_files(root, before)
        else:
            record = _worked_on(root, track, context, before)
        write_json_atomic(root.track_record(track.track_id), record)
        return record


def take_up_review(root: DataRoot, track: RegisteredTrack, context: ProcessingContext) -> TrackRecord | None:
    """Have what people said of a track in its record at once, where nothing else is to be done of it; the record then.

    None: it needs more work, which the next run does. Nothing is decoded or listened to.
    """
    record = load_record(root, track.track_id)
    if record is None or record.tagged is None or not track.origins:
        return None
    wanted = context.inputs_of(root, track)
    if any(record.inputs.get(stage) != wanted[stage] for stage in ("raw", "processed", "tagged")):
        return None
    if record.status is TrackStatus.FAILED or (
        record.status is TrackStatus.OK and not looks_whole(root, record)
    ):
        return None
    return work_on(root, track, context) if needs_work(root, track, context) else record


def _was_only_touched(
    root: DataRoot, track: RegisteredTrack, context: ProcessingContext, before: TrackRecord
) -> bool:
    """Whether the files of a track that is done have other times than were kept, and the same bytes: copied, or touched."""
    is_done = before.status is TrackStatus.OK and before.inputs == context.inputs_of(root, track)
    return is_done and is_whole(root, before)


def _new_record(
    root: DataRoot, track: RegisteredTrack, context: ProcessingContext, before: TrackRecord | None
) -> TrackRecord:
    """The record of a track as its work begins. Attempts are counted for as long as the inputs stay the same."""
    inputs = context.inputs_of(root, track)
    return TrackRecord(
        track_id=track.track_id,
        sha256=track.sha256,
        origins=track.origins,
        attempts=before.attempts if before is not None and before.inputs == inputs else 0,
        inputs=inputs,
        human_verified=before.human_verified and before.review is None if before else False,
        updated=now(),
    )


def _worked_on(
    root: DataRoot, track: RegisteredTrack, context: ProcessingContext, before: TrackRecord | None
) -> TrackRecord:
    record = _new_record(root, track, context, before)
    step = Steps(root, track, context, before, _state_of(root, track))
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
        except (OriginalChanged, ReviewError) as change:
            record = _failed(record, stage, str(change))
            break
        except Exception as fault:
            if is_of_the_disk(fault, inputs=root.raw):
                raise  # no track is to blame
            where = traceback.extract_tb(fault.__traceback__)[-1]
            reason = f"{type(fault).__name__}: {fault} ({Path(where.filename).name}:{where.lineno})"
            record = _failed(record, stage, reason)
            break
    return _done(root, record, before) if record.status is TrackStatus.OK else record


def _done(root: DataRoot, record: TrackRecord, before: TrackRecord | None) -> TrackRecord:
    """The record of a track that is done. What was made again as it was keeps its day: nothing that rests on it is changed."""
    record = with_kept_files(root, record)
    if before is None:
        return record
    same = record.model_copy(update={"updated": before.updated, "kept_files": before.kept_files})
    return record.model_copy(update={"updated": before.updated}) if same == before else record


def _state_of(root: DataRoot, track: RegisteredTrack) -> tuple[int, int, int] | None:
    """What changes when a track's original is replaced or written to; None: it is not there."""
    try:
        info = root.inside(track.origins[0].path).lstat()
    except OSError:
        return None
    return info.st_ino, info.st_size, info.st_mtime_ns


def _ended(record: TrackRecord, status: TrackStatus, stage: str, reason: str) -> TrackRecord:
    return record.model_copy(update={"status": status, "failed_stage": stage, "reason": reason})


def _failed(record: TrackRecord, stage: str, reason: str) -> TrackRecord:
    """Ended by a fault, which counts as an attempt."""
    ended = _ended(record, TrackStatus.FAILED, stage, reason)
    return ended.model_copy(update={"attempts": record.attempts + 1})


def failed_record(
    root: DataRoot, track: RegisteredTrack, context: ProcessingContext, reason: str
) -> TrackRecord:
    """Write and return the record of a track whose worker process died."""
    record = _new_record(root, track, context, load_record(root, track.track_id))
    record = _failed(record, "processed_audio", reason)
    write_json_atomic(root.track_record(track.track_id), record)
    return record


@dataclass(frozen=True)
class Steps:
    """The three stages of one track, each from record to record."""

    root: DataRoot
    track: RegisteredTrack
    context: ProcessingContext
    before: TrackRecord | None
    original: tuple[int, int, int] | None
    """The state of the original before anything was read of it."""

    def _unchanged(self, stage: str, record: TrackRecord) -> bool:
        return self.before is not None and self.before.inputs.get(stage) == record.inputs[stage]

    def check_raw(self, record: TrackRecord) -> TrackRecord:
        """Check that the bytes are still those that were registered; read what the tags say of the music."""
        path = self.root.inside(self.track.origins[0].path)
        if not stat.S_ISREG(path.lstat().st_mode) or file_sha256(path) != self.track.sha256:
            raise OriginalChanged(
                f"{self.track.origins[0].path}: changed since it was registered; scan the drops again"
            )
        tags = audio.read_tags(path).tags
        return record.model_copy(update={"tags": tags if any(tags.model_dump().values()) else None})

    def _check_not_replaced(self) -> None:
        """Check that what was decoded is what was hashed before."""
        if _state_of(self.root, self.track) != self.original:
            raise OriginalChanged(
                f"{self.track.origins[0].path}: changed while it was worked on; scan the drops again"
            )

    def process(self, record: TrackRecord) -> TrackRecord:
        """Decode, measure, normalise and encode; what was processed from the same inputs is kept."""
        before = self.before.processed if self.before else None
        if self.before and self._unchanged("processed", record) and has_audio(self.root, self.before):
            return record.model_copy(
                update={
                    "processed": before,
                    "kept_files": self.before.kept_files,
                    "state": record.state.to(TrackState.PROCESSED),
                }
            )
        declared = record.origins[0].style_ids
        category = category_of_style(declared[0]) if declared else StyleCategory.CORE
        destination = self.root.processed / category / f"{record.track_id}.mp3"
        result = audio.process(
            self.root.inside(record.origins[0].path), destination, self.context.config.audio
        )
        self._check_not_replaced()
        fingerprint = io.BytesIO()  # written to a file, numpy does not say why it could not be
        np.save(fingerprint, result.fingerprint, allow_pickle=False)
        write_bytes_atomic(self.root.fingerprint(record.track_id), fingerprint.getvalue())
        write_bytes_atomic(self.root.thumbnail(record.track_id), result.thumbnail)
        facts = result.facts(self.root.relative(destination))
        if before and before.audio_path != facts.audio_path:
            _remove_outputs(self.root.inside(before.audio_path))
        return record.model_copy(update={"processed": facts, "state": record.state.to(TrackState.PROCESSED)})

    def tag(self, record: TrackRecord) -> TrackRecord:
        """Styles, prompt and lyrics, with what people say of them; then, if the quality suffices, ready for training."""
        presets, vocabulary = self.context.presets, self.context.vocabulary
        review = review_of(self.root, record.track_id, sha256=record.sha256)
        tagged = found = self._found(record)
        if review is not None:
            tagged = applied(review, found, record, presets, vocabulary)
        self._check_words(record, tagged)
        record = self._moved(record, category_of_style(tagged.style_ids[0]))
        written = self._write_texts(record, tagged.prompt, tagged.lyrics)
        record = record.model_copy(
            update={
                "tagged": tagged.model_copy(update=written),
                "found": found.model_copy(update=written) if review else None,
                "review": review,
                "human_verified": review.verified if review else record.human_verified,
                "state": record.state.to(TrackState.TAGGED),
            }
        )
        if record.human_verified:
            record = record.model_copy(update={"state": record.state.to(TrackState.VERIFIED)})
        return self._checked_quality(record)

    def _found(self, record: TrackRecord) -> TaggedFacts:
        """What the pipeline finds, whatever people say: what was found from the same inputs is kept."""
        before = found_by_pipeline(self.before) if self.before else None
        if before is not None and self._unchanged("tagged", record):
            return before
        assert record.processed is not None
        origin, measured = record.origins[0], record.processed.measurements
        lyrics_file = self.root.inside(origin.lyrics_path) if origin.lyrics_path else None
        vocals = _has_vocals(origin, lyrics_file)
        known, review = self._styles(record, vocals)
        chosen, disputed = self._tags(record, known, vocals)
        tags = self._with_declared(origin, chosen.tags)
        otherwise = styles.declared_otherwise(origin, measured, self.context.vocabulary)
        prompt_path, lyrics_path = _text_paths(Path(record.processed.audio_path))
        return TaggedFacts(
            style_ids=list(known.style_ids),
            styles_declared=bool(origin.style_ids),
            style_confidence=known.confidence,
            needs_review=review or bool(disputed),
            prompt=", ".join(tag.tag for tag in tags),
            lyrics=styles.lyrics_of(lyrics_file, has_words=False),
            lyrics_timing=styles.lyrics_timing(lyrics_file),
            language=origin.language or "unknown",
            bpm=origin.bpm or styles.prompt_bpm(known, measured, self.context.presets),
            prompt_path=prompt_path.as_posix(),
            lyrics_path=lyrics_path.as_posix(),
            tags=tags,
            offered=_not_in(tags, [*chosen.tags, *chosen.offered]),
            disputed=[*disputed, *otherwise],
            caption=origin.caption,
            keyscale=origin.key,
            time_signature=origin.time_signature,
        )

    def _with_declared(self, origin: TrackOrigin, tags: list[SupportedTag]) -> list[SupportedTag]:
        """The tags, those that source.json says in place of others of their categories."""
        declared = styles.declared_tags(origin, self.context.vocabulary)
        if not declared:
            return tags
        return styles.with_said(
            [tag for tag in tags if tag.support is not Support.NOTHING],
            declared,
            self.context.vocabulary,
            replace=list(TagKind),
        )

    def _check_words(self, record: TrackRecord, tagged: TaggedFacts) -> None:
        """Check that a track that has words has lyrics."""
        vocals = record.origins[0].vocals
        if vocals is None and not styles.is_instrumental(tagged.lyrics):
            vocals = True
        has_words = styles.has_words(tagged.style_ids, self.context.presets, vocals)
        styles.require_words(tagged.lyrics, has_words=has_words)

    def _styles(self, record: TrackRecord, vocals: bool | None) -> tuple[styles.KnownStyles, bool]:
        """The styles, and whether a person should review them: declared, else verified before, else suggested."""
        assert record.processed is not None
        if declared := record.origins[0].style_ids:
            return styles.KnownStyles(declared, Support.DECLARED, 1.0), False
        verified = self.before.tagged if self.before and record.human_verified else None
        if verified:
            return styles.KnownStyles(verified.style_ids, Support.VERIFIED, 1.0), False
        presets, vocabulary, config = self.context.presets, self.context.vocabulary, self.context.config
        zero_shot = zero_shot_styles(self.root, self._audio(record), config, presets, vocabulary)
        measured = record.processed.measurements
        best, review = styles.suggest_for(measured, presets, vocals=vocals, zero_shot=zero_shot)
        return styles.KnownStyles([best.style_id], Support.SUGGESTED, best.confidence), review

    def _tags(
        self, record: TrackRecord, known: styles.KnownStyles, vocals: bool | None
    ) -> tuple[styles.TagChoice, list[str]]:
        """The tags, and what was claimed against a measurement. Models listen where nobody declared a style."""
        assert record.processed is not None
        measured, config = record.processed.measurements, self.context.config
        presets, vocabulary = self.context.presets, self.context.vocabulary
        heard, claims = None, styles.CheckedClaims()
        if not record.origins[0].style_ids:
            heard = heard_in(self._audio(record), config)
            if claimed := claims_of(self._audio(record), config.tagging):
                claims = styles.check_claims(claimed, measured, heard, vocabulary, vocals=vocals)
        chosen = styles.choose_tags(
            known,
            measured,
            presets,
            vocabulary,
            vocals=vocals,
            key=record.sha256,
            heard=heard,
            claims=claims,
        )
        return chosen, claims.disputed

    def _audio(self, record: TrackRecord) -> Path:
        assert record.processed is not None
        return self.root.inside(record.processed.audio_path)

    def _write_texts(self, record: TrackRecord, prompt: str, lyrics: str) -> dict[str, str]:
        """Write prompt and lyrics beside the processed audio; return their paths, as the record has them."""
        assert record.processed is not None
        paths = _text_paths(self.root.inside(record.processed.audio_path))
        for path, text in zip(paths, (prompt, lyrics), strict=True):
            write_bytes_atomic(path, text.encode())
        return dict(zip(("prompt_path", "lyrics_path"), map(self.root.relative, paths), strict=True))

    def _checked_quality(self, record: TrackRecord) -> TrackRecord:
        """Ready for training, or rejected: by a person, for the fault that cost most, or as one part of a recording alone."""
        assert record.processed is not None
        if record.review is not None and (reason := rejection(record.review)):
            return _ended(record, TrackStatus.REJECTED, "tagged_prompts", reason)
        least, quality = self.context.config.quality.min_score, record.processed.quality
        if quality.score < least:
            worst = max(quality.parts, key=lambda part: part.penalty, default=None)
            because = f": {worst.sentence}" if worst else ""
            reason = f"quality score {quality.score} is below {least}{because}"
            return _ended(record, TrackStatus.REJECTED, "tagged_prompts", reason)
        stem = next((part for part in quality.parts if part.name == audio.STEM), None)
        if stem and not record.origins[0].stems:
            return _ended(record, TrackStatus.REJECTED, "tagged_prompts", stem.sentence)
        return record.model_copy(
            update={"status": TrackStatus.OK, "state": record.state.to(TrackState.TRAINING_READY)}
        )

    def _moved(self, record: TrackRecord, category: StyleCategory) -> TrackRecord:
        """Move the processed audio into the folder of its style's category."""
        assert record.processed is not None
        source = self.root.inside(record.processed.audio_path)
        target = self.root.processed / category / source.name
        if target == source:
            return record
        target.parent.mkdir(parents=True, exist_ok=True)
        source.replace(target)
        _remove_outputs(source)
        facts = record.processed.model_copy(update={"audio_path": self.root.relative(target)})
        return record.model_copy(update={"processed": facts})


def _has_vocals(origin: TrackOrigin, lyrics_file: Path | None) -> bool | None:
    """Whether somebody sings: as declared, else yes if a lyrics file has words, else unknown."""
    if origin.vocals is None and lyrics_file:
        has_words = not styles.is_instrumental(styles.read_lyrics(lyrics_file))
        return True if has_words else None
    return origin.vocals


def _not_in(taken: list[SupportedTag], tags: list[SupportedTag]) -> list[SupportedTag]:
    names = {tag.tag for tag in taken}
    return [tag for tag in tags if tag.tag not in names and tag.support is not Support.NOTHING]


def _text_paths(audio_path: Path) -> tuple[Path, Path]:
    """Where the prompt and the lyrics of a processed MP3 lie: beside it."""
    prompt, lyrics = (audio_path.with_name(f"{audio_path.stem}_{kind}.txt") for kind in ("prompt", "lyrics"))
    return prompt, lyrics


def _remove_outputs(audio_path: Path) -> None:
    """Remove the three files of a track from a folder that it has left."""
    for path in (audio_path, *_text_paths(audio_path)):
        path.unlink(missing_ok=True)
