"""One good record of each entity, as it stands in a JSON file; tests change one thing at a time."""

from __future__ import annotations

from typing import Any

SHA = "0123456789abcdef" * 4

GOOD: dict[str, dict[str, Any]] = {
    "track": {
        "track_id": "track_001",
        "filename": "rain on glass.wav",
        "audio_path": "processed/core/track_001.mp3",
        "prompt_path": "final/track_001_prompt.txt",
        "lyrics_path": "final/track_001_lyrics.txt",
        "duration": 120.5,
        "sample_rate": 48000,
        "quality_score": 87,
        "style_ids": ["CORE-01"],
        "source_id": "fma-2025",
    },
    "style_preset": {
        "style_id": "SEASON-02",
        "name": "Summer",
        "category": "seasonal",
        "base_tags": ["lofi hip hop"],
        "instruments": ["rhodes"],
        "production": ["vinyl crackle"],
        "mood_options": ["warm"],
        "tempo_range": [70, 90],
    },
    "source_record": {
        "source_id": "fma-2025",
        "track_ids": ["track_001", "track_1000"],
        "source_type": "creative_commons",
        "provider": "Free Music Archive",
        "license_type": "CC BY 4.0",
        "date_acquired": "2025-12-22",
    },
    "checkpoint": {
        "checkpoint_id": "epoch=0-step=5000_lora",
        "step": 5000,
        "path": "checkpoints/epoch=0-step=5000_lora",
        "timestamp": "2026-01-02T03:04:05Z",
        "is_valid": True,
        "config_hash": SHA,
        "dataset_hash": SHA,
    },
    "dataset": {
        "dataset_id": "v1",
        "created": "2026-01-02T03:04:05Z",
        "track_count": 10,
        "train_count": 9,
        "validation_count": 1,
        "total_duration": 0.3,
        "style_distribution": {"core": 8, "vocal": 2},
        "hash": SHA,
    },
    "quality_metrics": {
        "checkpoint_id": "epoch=0-step=5000_lora",
        "evaluation_date": "2026-01-02T03:04:05Z",
        "fad_score": 1.5,
        "clap_score": 0.31,
        "style_coverage": {"CORE-01": {"generated": True, "recognizable": False}},
        "human_evaluation": {"evaluator_count": 10, "accuracy": 0.52, "p_value": 0.08, "date": "2025-01-15"},
    },
    "tag_category": {
        "category": "instruments",
        "tags": ["rhodes", "piano"],
        "canonical_forms": {"rhodes piano": "rhodes"},
    },
}

OPTIONAL: dict[str, set[str]] = {
    "track": {"human_verified", "split"},
    "style_preset": {"extends", "atmosphere", "vocal_type"},
    "source_record": {"cost", "verified_by", "notes"},
    "checkpoint": {"fad_score", "clap_score", "samples_generated"},
    "dataset": set(),
    "quality_metrics": {"style_coverage", "human_evaluation"},
    "tag_category": {"canonical_forms"},
}
"""Which fields the data model says are not required (a track's split has its default there)."""


def changed(kind: str, **fields: object) -> dict[str, Any]:
    """The good record of a kind with some fields set."""
    return {**GOOD[kind], **fields}


def without(kind: str, field: str) -> dict[str, Any]:
    """The good record of a kind without a field."""
    return {name: value for name, value in GOOD[kind].items() if name != field}
