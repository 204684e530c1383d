"""Base models on a hub: `owner/name`, or `owner/name@revision` for one state of it, which never changes when it is a commit."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

_COMMIT = re.compile(r"[0-9a-f]{40}")


class HubId(NamedTuple):
    """A model on the hub. `revision`: a commit, a tag or a branch; None: what is newest there."""

    repository: str
    revision: str | None = None


def hub_id(name: str) -> HubId | None:
    """What a name means on the hub; None where it can be none, such as a path."""
    repository, at, revision = name.partition("@")
    if (
        name.startswith((".", "/", "~"))
        or repository.count("/") != 1
        or "\\" in name
        or (at and not revision)
    ):
        return None
    return HubId(repository, revision or None)


def snapshot(asked: HubId, *, files: list[str] | None = None, local_only: bool = False) -> Path:
    """The folder of a model in the hub's cache; it is fetched unless `local_only`. Raises what the hub's client raises."""
    from huggingface_hub import snapshot_download

    return Path(
        snapshot_download(
            asked.repository, revision=asked.revision, allow_patterns=files, local_files_only=local_only
        )
    )


def commit_of(folder: Path) -> str | None:
    """The commit that a folder of the hub's cache holds; None of any other folder."""
    return folder.name if folder.parent.name == "snapshots" and _COMMIT.fullmatch(folder.name) else None
