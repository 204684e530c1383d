"""Which tracks a person should look at before they are trained on. Whether they wait for that is a setting."""

from __future__ import annotations

from lofi_pipeline.entities import TrackRecord

HOLD = "hold"
"""Of `tagging.needs_review`: unsure tracks stay out until a person has looked at them."""


def is_unsure(record: TrackRecord) -> bool:
    """Whether a person should look at a track, and nobody did."""
    return bool(record.tagged and record.tagged.needs_review and not record.human_verified)


def awaits_person(record: TrackRecord) -> str | None:
    """Why somebody should look at a track before it is trained on, or None."""
    tagged = record.tagged
    if tagged is None or not is_unsure(record):
        return None
    why = (
        "something that was claimed of it was measured otherwise"
        if tagged.disputed
        else f"its style is unsure ({', '.join(tagged.style_ids)}, confidence {tagged.style_confidence:.2f})"
    )
    return f"waits for a person who looks at it: {why}; see `lofi review`"
