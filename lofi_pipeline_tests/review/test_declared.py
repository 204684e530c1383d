"""What source.json says of a file's tempo, key, metre, caption and tags is in its prompt and its record; what contradicts is shown."""

from __future__ import annotations

import pytest

from lofi_pipeline.config import load_config
from lofi_pipeline.dataset import build_dataset
from lofi_pipeline.entities import Support
from lofi_pipeline.ingest import load_scan
from lofi_pipeline.storage import DataRoot
from lofi_pipeline_tests.drops import TODAY, facts, make_drop, register, song, work


def test_what_source_json_says_goes_before_what_is_measured_and_contradictions_are_shown(root: DataRoot):
    said = {
        "bpm": 101,
        "key": "Gb major",
        "time_signature": "3/4",
        "caption": "Slow and blue.",
        "tags": ["Rain"],
    }
    make_drop(root, "one", {"a.wav": song(0)}, facts(files={"a.wav": said}))
    record = work(root)["a.wav"]
    assert record.tagged and record.processed
    tags = {tag.tag: (tag.support, tag.by) for tag in record.tagged.tags}
    assert tags["101 bpm"] == tags["rain"] == (Support.DECLARED, "source.json")
    assert sum(tag.endswith(" bpm") for tag in tags) == 1
    disputed = "; ".join(record.tagged.disputed)
    assert "101 bpm is declared; measured are" in disputed and "the key F# major is declared" in disputed
    item = build_dataset(root, load_config(), day=TODAY).version.tracks[0]
    conditions = item.bpm, item.keyscale, item.time_signature, item.caption
    assert conditions == (101, "F# major", "3", "Slow and blue.")


def test_what_agrees_is_not_disputed(root: DataRoot):
    make_drop(root, "one", {"a.wav": song(0)}, facts(files={"a.wav": {"bpm": 148, "key": "A major"}}))
    record = work(root)["a.wav"]
    assert record.tagged and record.tagged.disputed == []
    assert "148 bpm" in record.tagged.prompt


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("bpm", 400, "bpm: must be between 50 and 200"),
        ("bpm", True, "bpm: must be a number"),
        ("key", "H minor", 'key: must be a tonic with major or minor, such as "A minor"'),
        ("time_signature", "9/8", "time_signature: Input should be '3/4', '4/4', '5/4', '6/8' or '7/8'"),
        ("tags", ["rhods"], "a.wav: tags: unknown tag 'rhods'; did you mean rhodes?"),
        ("tags", ["82 bpm"], "a.wav: tags: a tempo is said as `bpm`"),
        ("caption", "", "caption: String should have at least 1 character"),
    ],
)
def test_a_field_that_cannot_be_used_is_named_with_file_and_rule(
    root: DataRoot, field: str, value: object, rule: str
):
    make_drop(root, "one", {"a.wav": b"RIFF"}, facts(files={"a.wav": {field: value}}))
    register(root)
    scan = load_scan(root)
    reason = scan and scan.drops[0].reason
    assert reason and "one/source.json" in reason and rule in reason
