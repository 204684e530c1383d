"""What the work on a track depends on beside the track itself, and the hashes that say whether it has changed.

The work is in process_track.py. The hashes are kept in track records: what changes them makes every track be processed again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from lofi_pipeline import audio, styles
from lofi_pipeline.config import PipelineConfig
from lofi_pipeline.entities import RegisteredTrack, StylePreset, TagKind
from lofi_pipeline.ingest.tagger import hearing_sha256
from lofi_pipeline.ingest.zero_shot import tagger_sha256
from lofi_pipeline.review import review_hash
from lofi_pipeline.storage import DataRoot, content_sha256

EVIDENCE_VERSION = 2
"""Raise it when other tags are drawn from the same measurements: tracks whose style nobody declared are tagged again."""

STAGE_VERSIONS = {"raw": 1, "processed": audio.PROCESSING_VERSION, "tagged": 3}
"""Raise a number when the code behind a stage changes what it produces: every track then goes through it again."""


@dataclass(frozen=True)
class ProcessingContext:
    """The configuration, the style presets and the vocabulary that tracks are processed with."""

    config: PipelineConfig
    presets: Mapping[str, StylePreset]
    vocabulary: styles.Vocabulary

    @classmethod
    def open(cls, config: PipelineConfig) -> ProcessingContext:
        """With the presets and the vocabulary of the configuration folder."""
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
    def sha256(self) -> str:
        """Of what all tracks depend on, whatever stands in their drops; not of models that listen."""
        return content_sha256([STAGE_VERSIONS, self._audio_hash, self._style_hash])

    @cached_property
    def _tagger_hash(self) -> str | None:
        return tagger_sha256(self.config)

    @cached_property
    def _evidence(self) -> list[object]:
        """What decides over the tags of a track whose style nobody declared, beside its measurements."""
        suggesting = [self._tagger_hash] if self._tagger_hash else []
        tagging = self.config.tagging
        captioner = [each for each in (tagging.caption_command, tagging.caption_url) if each]
        return [*suggesting, EVIDENCE_VERSION, hearing_sha256(self.config), *captioner]

    def inputs_of(self, root: DataRoot, track: RegisteredTrack) -> dict[str, str]:
        """By stage, the hash of all it depends on: the bytes, the drop's facts, the configuration, the version of the code.

        `review` is there where people said something of the track. It is apart from `tagged`, so that an edit is put over what
        was found before, and nothing is listened to again.
        """
        # What is unknown of these is left out: the fields came later, and must not make work on tracks that were done before.
        origins = [
            origin.model_dump(
                exclude={name for name in ("url", "credited", "stems") if getattr(origin, name) is None}
            )
            for origin in track.origins
        ]
        raw = content_sha256([STAGE_VERSIONS["raw"], track.sha256, origins])
        processed = content_sha256([self._audio_hash, track.sha256])
        # Models that listen count only where nobody declared a style: other weights change no other track.
        declared = bool(track.origins and track.origins[0].style_ids)
        evidence = [] if declared else self._evidence
        tagged = content_sha256([self._style_hash, raw, processed, track.lyrics_sha256, *evidence])
        reviewed = review_hash(root, track.track_id)
        review = {"review": reviewed} if reviewed else {}
        return {"raw": raw, "processed": processed, "tagged": tagged, **review}
