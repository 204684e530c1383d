"""A tempo that a prompt does not say is trained as unknown; records of an earlier version say theirs always."""

from __future__ import annotations

from lofi_pipeline.dataset.version import version_track
from lofi_pipeline.entities import Split, SupportedTag, TrackRecord
from lofi_pipeline.storage import DataRoot
from lofi_pipeline.styles import load_presets
from lofi_pipeline_tests.drops import facts, make_drop, song, work


def with_tags(record: TrackRecord, tags: list[SupportedTag]) -> TrackRecord:
    assert record.tagged
    return record.model_copy(update={"tagged": record.tagged.model_copy(update={"tags": tags})})


def test_only_a_tempo_that_is_said_is_trained(root: DataRoot) -> None:
    make_drop(root, "one", {"song.wav": song(1)}, facts())
    record = work(root)["song.wav"]
    assert record.tagged and record.tagged.says_tempo
    silent = [tag for tag in record.tagged.tags if not tag.tag.endswith(" bpm")]
    of_old, unsure = with_tags(record, []), with_tags(record, silent)
    said, old, none = (
        version_track(root, each, Split.TRAIN, set(load_presets())) for each in (record, of_old, unsure)
    )
    assert said == old and said.bpm == record.tagged.bpm
    assert none.bpm is None and none == said.model_copy(update={"bpm": None})
    assert "tags" not in of_old.model_dump(mode="json")["tagged"], "as it was written then"
