"""Looking at a track: accept, reject, edit, undo. The studio and `lofi review` call the same functions.

Each adds one line to the edits of the track; the pipeline takes them up when it next works on the track.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from lofi_pipeline import styles
from lofi_pipeline.entities import (
    Change,
    Edit,
    EditAction,
    EditField,
    RecordError,
    Review,
    TaggedFacts,
    TagKind,
    TrackEdit,
    TrackRecord,
    now,
)
from lofi_pipeline.review.apply import applied
from lofi_pipeline.review.edit_file import append_edit, edits_path, read_edits, writing_edits
from lofi_pipeline.review.errors import ReviewError
from lofi_pipeline.review.fold import fold, in_force
from lofi_pipeline.storage import DataRoot, content_sha256, file_sha256, read_json

_Fields = dict[str, Any]
"""Of an `Edit`, but for those that every edit has."""
_TRACK = re.compile(r"track_[0-9]{3,}")


def accept(root: DataRoot, track_id: str, who: str, *, row: str | None = None) -> Edit:
    """Say that styles and prompt are right as they are now: they stay, whatever is found later. `row`: of a table that says so.

    Raises:
        ReviewError: there is no such track, or it has no prompt yet, or its edits cannot be read.
    """

    def make(record: TrackRecord, edits: list[Edit]) -> _Fields:
        shown = shown_with(record, edits)
        if shown is None:
            raise ReviewError(_no_prompt(record))
        changes = [
            Change(field=EditField.STYLE_IDS, before=shown.style_ids, after=shown.style_ids),
            Change(field=EditField.TAGS, before=shown.prompt_tags, after=shown.prompt_tags),
        ]
        if shown.says_tempo and shown.tags:
            changes.append(Change(field=EditField.BPM, before=shown.bpm, after=shown.bpm))
        return {"action": EditAction.ACCEPT, "changes": changes, "row": row}

    return _certainly(_add(root, track_id, who, make))


def reject(root: DataRoot, track_id: str, who: str, reason: str, *, row: str | None = None) -> Edit:
    """Keep a track out of the data sets that are built from now on. Versions that exist stay as they are.

    Raises:
        ReviewError: as `accept`, or there is no reason.
    """
    if not reason.strip():
        raise ReviewError(f"{track_id}: say why it is rejected; the reason is kept on record")
    return _certainly(
        _add(
            root,
            track_id,
            who,
            lambda _record, _edits: {"action": EditAction.REJECT, "reason": reason, "row": row},
        )
    )


def edit(
    root: DataRoot, track_id: str, who: str, changes: TrackEdit, *, row: str | None = None
) -> Edit | None:
    """Say what is true of a track. What people said already is no change; None: nothing changes.

    Raises:
        ReviewError: as `accept`, or a style, tag or lyrics that cannot be used.
    """

    def make(record: TrackRecord, edits: list[Edit]) -> _Fields | None:
        said = _changes(changes, shown_with(record, edits), fold(edits), track_id)
        return (
            {"action": EditAction.EDIT, "changes": said, "reason": changes.reason, "row": row}
            if said
            else None
        )

    return _add(root, track_id, who, make)


def check_edit(root: DataRoot, track_id: str, changes: TrackEdit) -> None:
    """Check that an edit can be made. Nothing is written.

    Raises:
        ReviewError: as `edit`.
    """
    edits = read_edits(root, track_id)
    _changes(changes, shown_with(record_of(root, track_id), edits), fold(edits), track_id)


def undo(root: DataRoot, track_id: str, who: str) -> Edit:
    """Take back the last edit, accept or reject of a track that holds. It stays on record, and so does this.

    Raises:
        ReviewError: as `accept`, or there is nothing to take back.
    """

    def make(_record: TrackRecord, edits: list[Edit]) -> _Fields:
        held = in_force(edits)
        if not held:
            raise ReviewError(f"{track_id}: there is nothing to take back")
        return {"action": EditAction.UNDO, "undoes": held[-1].number}

    return _certainly(_add(root, track_id, who, make))


def history(root: DataRoot, track_id: str) -> list[Edit]:
    """Every edit of a track, oldest first, those that were taken back included.

    Raises:
        ReviewError: the file was damaged.
    """
    return read_edits(root, track_id)


def review_of(root: DataRoot, track_id: str, *, sha256: str | None = None) -> Review | None:
    """What the edits of a track come to; None where nobody looked at it, or all was taken back.

    Args:
        sha256: of the track's original, which the edits must speak of.

    Raises:
        ReviewError: the file of its edits was damaged.
    """
    return fold(read_edits(root, track_id, sha256=sha256))


def review_hash(root: DataRoot, track_id: str) -> str | None:
    """What changes when a review does; None: there is none. A file that cannot be read has one, too: see `review_of`."""
    try:
        review = review_of(root, track_id)
    except ReviewError:
        return file_sha256(edits_path(root, track_id))
    return None if review is None else content_sha256(review)


def shown(root: DataRoot, track_id: str) -> TaggedFacts | None:
    """Styles, prompt and facts of a track with the latest edits, whether or not the pipeline has taken them up.

    None: it has no prompt yet.

    Raises:
        ReviewError: there is no such track, or its edits cannot be read.
    """
    return shown_with(record_of(root, track_id), read_edits(root, track_id))


def record_of(root: DataRoot, track_id: str) -> TrackRecord:
    """What is known of a track that was worked on.

    Raises:
        ReviewError: there is none with that id.
    """
    path = root.track_record(track_id)
    if not _TRACK.fullmatch(track_id) or not path.is_file():
        raise ReviewError(
            f"{track_id!r:.60}: no track of that id was worked on; `lofi tracks` lists them, `lofi run` works on new ones"
        )
    return TrackRecord.parse(read_json(path), where=str(path))


def _add(
    root: DataRoot,
    track_id: str,
    who: str,
    make: Callable[[TrackRecord, list[Edit]], _Fields | None],
) -> Edit | None:
    """Append what `make` says of the record and the edits until now, unless that was said last; None: it says nothing."""
    record = record_of(root, track_id)
    with writing_edits(root):
        edits = read_edits(root, track_id, sha256=record.sha256)
        fields = make(record, edits)
        if fields is None:
            return None
        said = {
            "number": len(edits) + 1,
            "track_id": track_id,
            "sha256": record.sha256,
            "who": who,
            "when": now(),
            **fields,
        }
        try:
            made = Edit.parse(said, where=track_id)
        except RecordError as error:
            raise ReviewError(str(error)) from error
        last = edits[-1] if edits else None
        if last and made.model_copy(update={"number": last.number, "when": last.when}) == last:
            return last  # sent twice, or from two windows
        append_edit(root, made)
    return made


def _certainly(made: Edit | None) -> Edit:
    assert made is not None
    return made


def _no_prompt(record: TrackRecord) -> str:
    why = f": {record.reason}" if record.reason else "; `lofi run` gives it one"
    return f"{record.track_id}: has no prompt that could be accepted{why}"


def shown_with(record: TrackRecord, edits: list[Edit]) -> TaggedFacts | None:
    """As `shown`, of a record and edits that were read."""
    found = found_by_pipeline(record)
    review = fold(edits)
    if found is None or review is None:
        return found
    return applied(review, found, record, styles.load_presets(), styles.load_vocabulary())


def found_by_pipeline(record: TrackRecord) -> TaggedFacts | None:
    """What the pipeline found of a track, whatever people say."""
    return record.found if record.found is not None else record.tagged


def _changes(
    wanted: TrackEdit, shown: TaggedFacts | None, review: Review | None, track_id: str
) -> list[Change]:
    """What is to be changed, less what is so already.

    Raises:
        ReviewError: a style, tag or lyrics that cannot be used.
    """
    values = wanted.given
    try:
        for style_id in wanted.style_ids or []:
            styles.preset_of(style_id, styles.load_presets())
        if wanted.lyrics is not None:
            values[EditField.LYRICS] = styles.normalise_lyrics(wanted.lyrics) or styles.INSTRUMENTAL_LYRICS
        tags = _tags(wanted, shown)
    except RecordError as error:
        raise ReviewError(f"{track_id}: {error}") from error
    if tags is not None:
        values[EditField.TAGS] = tags
    found = []
    for name, value in values.items():
        before, said = _now(shown, name), _said(review, name)
        if before != value or (name is not EditField.TAGS and said is None):
            found.append(Change(field=name, before=before, after=value))
    found += [
        Change(field=name, before=_now(shown, name), after=None)
        for name in wanted.clear
        if _said(review, name) is not None
    ]
    return found


def _tags(wanted: TrackEdit, shown: TaggedFacts | None) -> list[str] | None:
    """The tags of the prompt as they are to be; None: as they are."""
    if not wanted.add_tags and not wanted.remove_tags:
        return None
    vocabulary = styles.load_vocabulary()
    present = shown.prompt_tags if shown else []
    removed = {vocabulary.canonical(tag) for tag in wanted.remove_tags}
    added = [vocabulary.canonical(tag) for tag in wanted.add_tags]
    for tag in added:
        if vocabulary.kind_of(tag) is TagKind.TEMPO:
            raise ReviewError(f"{tag!r} is no tag to be added; set bpm instead")
    return list(dict.fromkeys(tag for tag in [*present, *added] if tag not in removed))


def _now(shown: TaggedFacts | None, name: EditField) -> Any:
    """What holds of a field at present; None: what was measured, or nothing."""
    if shown is None:
        return None
    if name is EditField.TAGS:
        return shown.prompt_tags
    return getattr(shown, "keyscale" if name is EditField.KEY else name)


def _said(review: Review | None, name: EditField) -> Any:
    """What people say of a field."""
    if review is None:
        return None
    if name is EditField.TAGS:
        return review.accepted_tags or review.added_tags or review.removed_tags or None
    return getattr(review, name)
