"""What the edits of a track come to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from lofi_pipeline.entities import Edit, EditAction, EditField, Review

VERIFIED, REJECTED = "verified", "rejected"
"""Keys of `Review.by` beside the fields."""


def in_force(edits: Iterable[Edit]) -> list[Edit]:
    """The edits that were not taken back, oldest first."""
    held: list[Edit] = []
    for edit in edits:
        if edit.action is EditAction.UNDO:
            held = [each for each in held if each.number != edit.undoes]
        else:
            held.append(edit)
    return held


def fold(edits: Iterable[Edit]) -> Review | None:
    """The review of a track from all its edits, oldest first; None where nothing is left of them.

    A later edit goes before an earlier one, field by field. Whoever accepts a track, or corrects it, has looked at it: it is
    verified until somebody rejects it. An edit of a rejected track leaves it rejected; accepting it, or undo, takes that back.
    """
    held = in_force(edits)
    if not held:
        return None
    values: dict[str, Any] = {"verified": False, "rejected": None, "by": {}}
    for edit in held:
        by: dict[str, str] = values["by"]
        if edit.action is EditAction.REJECT:
            values |= {"verified": False, "rejected": edit.reason}
            by.pop(VERIFIED, None)
            by[REJECTED] = edit.who
            continue
        if edit.action is EditAction.ACCEPT:
            values["rejected"] = None
            by.pop(REJECTED, None)
        if values["rejected"] is None:
            values["verified"] = True
            by[VERIFIED] = edit.who
        for change in edit.changes:
            _set(values, change.field, change.before, change.after, accepted=edit.action is EditAction.ACCEPT)
            if change.after is None:
                by.pop(change.field, None)
            else:
                by[change.field] = edit.who
    return Review.model_validate(values)


def _set(values: dict[str, Any], field: EditField, before: Any, after: Any, *, accepted: bool) -> None:
    if field is EditField.TAGS:
        _set_tags(values, before or [], after, accepted=accepted)
        return
    if field is EditField.STYLE_IDS and not accepted and after != values.get(field):
        # Another style has other words; what was added or removed by hand stays so
        values["accepted_tags"] = None
    values[field] = after


def _set_tags(
    values: dict[str, Any], before: Sequence[str], after: Sequence[str] | None, *, accepted: bool
) -> None:
    if after is None or accepted:
        values |= {"accepted_tags": after, "added_tags": [], "removed_tags": []}
        return
    new = [tag for tag in after if tag not in before]
    gone = [tag for tag in before if tag not in after]
    added = [tag for tag in values.get("added_tags", []) if tag not in gone]
    removed = [tag for tag in values.get("removed_tags", []) if tag not in new]
    values["added_tags"] = [*added, *(tag for tag in new if tag not in added)]
    values["removed_tags"] = [*removed, *(tag for tag in gone if tag not in removed)]


def rejection(review: Review) -> str | None:
    """Who keeps a track out and why, in words; None: nobody does."""
    return None if review.rejected is None else f"rejected by {review.by[REJECTED]}: {review.rejected}"
