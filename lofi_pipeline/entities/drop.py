"""What a scan of data/raw finds: drops, their files, and why some are not taken; and the tracks they lead to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date
from enum import StrEnum

from pydantic import Field

from lofi_pipeline.entities.base import Entity, RelativePath, Sha256, TrackId
from lofi_pipeline.entities.drop_file import DropFileName
from lofi_pipeline.entities.grant import EvidenceFile, Grant
from lofi_pipeline.entities.ledger_head import LedgerHead
from lofi_pipeline.entities.source import DropManifest
from lofi_pipeline.entities.track_record import TrackOrigin
from lofi_pipeline.entities.verdict import Verdict


class DropStatus(StrEnum):
    """Whether a drop's files become tracks."""

    ACCEPTED = "accepted"
    INCOMPLETE = "incomplete"
    REFUSED = "refused"
    FORBIDDEN = "forbidden"
    """Refused because its licence does not permit AI training."""


class DropAudio(Entity):
    """One audio file of a drop. Size and modification time tell whether the hash still holds."""

    path: RelativePath = Field(description="Relative to the data root")
    size: int
    modified_ns: int
    sha256: Sha256 | None = Field(default=None, description="None: a file that cannot be taken")
    refusal: str | None = None
    said: dict[str, str] | None = Field(
        default=None,
        description="What its tags say of its rights, by tag; none where they name no licence and deny nothing; null: not read",
    )


class DocumentFacts(Entity):
    """What was found in a document of evidence when it was read; kept, so that it is read once."""

    sha256: Sha256
    name: DropFileName
    kind: str = Field(description='Such as "PDF"')
    fault: str | None = Field(default=None, description="Why it is no evidence")
    readable: bool = Field(default=True, description="Whether there is text in it that could be searched")
    denials: list[str] = Field(default_factory=list, description="What it says against training, quoted")
    licensor: str | None = Field(default=None, description="Whom its text was searched for")
    names_licensor: bool = False
    rules: int = Field(description="With which edition of the rules it was read")


class Drop(Entity):
    """One drop folder as the last scan found it."""

    folder: RelativePath = Field(description="Relative to the data root")
    signature: str = Field(
        description="Of names, sizes and times when it was scanned: tells whether to look again"
    )
    status: DropStatus
    reason: str | None = None
    manifest: DropManifest | None = None
    licence: str | None = Field(default=None, description="Canonical licence id, where it could be judged")
    strictness: int = 0
    verdict: Verdict | None = Field(default=None, description="What the policy said when it was scanned")
    evidence: list[EvidenceFile] = Field(default_factory=list)
    documents: list[DocumentFacts] = Field(default_factory=list, description="What stands in the evidence")
    edited: str | None = Field(
        default=None, description="How source.json differs from what was ingested, and which of the two holds"
    )
    also: Grant | None = Field(
        default=None,
        description="The grant that an edited source.json names while what it said before holds: it must be in force too",
    )
    replaces: list[str] = Field(
        default_factory=list,
        description="The records that source.json supersedes, or amends, with a document that is there",
    )
    files: list[DropAudio] = Field(default_factory=list)
    companions: dict[str, list[str]] = Field(
        default_factory=dict,
        description="By kind, the files that go with audio: lyrics, evidence, pictures, logs",
    )

    def grants(self) -> list[Grant]:
        """The grants that must all be in force for the drop to give tracks."""
        named = [self.manifest.grant if self.manifest else None, self.also]
        return [grant for grant in named if grant is not None]


class Scan(Entity):
    """All drops under data/raw: metadata/drops.json."""

    drops: Sequence[Drop]
    judged_with: Sha256 = Field(description="Of the licence policy, its settings and the style ids")
    day: date | None = Field(default=None, description="The latest day that was ever judged for")
    borne_out: date | None = Field(
        default=None, description="The latest day that the clock did not reach by a leap; none: that is `day`"
    )
    withdrawals: Sha256 | None = Field(default=None, description="Of the withdrawals in force on that day")
    ledger: LedgerHead | None = Field(default=None, description="Of the seals when it was scanned")
    base: str | None = Field(
        default=None, description="The base model that was to be trained on: a grant may be limited to others"
    )
    sources: Sha256 | None = Field(default=None, description="Of sources.json, which was compiled from it")
    outside: list[str] = Field(
        default_factory=list,
        description="Files in no drop that go with audio, and are not read; relative to the data root",
    )

    def refusals(self) -> list[tuple[str, str]]:
        """(path relative to the data root, reason) of each file that gives no track because of its drop or its kind.

        A drop of which no file could be taken is named by its folder.
        """
        found: list[tuple[str, str]] = []
        for drop in self.drops:
            found += [(file.path, file.refusal) for file in drop.files if file.refusal]
            if drop.status is not DropStatus.ACCEPTED:
                reason = drop.reason or drop.status
                others = [(file.path, reason) for file in drop.files if not file.refusal]
                found += others or [(drop.folder, reason)]
        return found

    def companions(self) -> Counter[str]:
        """How many files of each kind go with audio."""
        found = Counter({"outside of drops": len(self.outside)} if self.outside else {})
        for drop in self.drops:
            found.update({kind: len(names) for kind, names in drop.companions.items()})
        return found


class RegisteredTrack(Entity):
    """A track id, for life, and where its bytes lie now. No origins: the file or its permission is gone."""

    track_id: TrackId
    sha256: Sha256
    origins: list[TrackOrigin] = Field(default_factory=list)
    lyrics_sha256: Sha256 | None = Field(default=None, description="Of the lyrics file of the first origin")


class Registry(Entity):
    """Every track id ever given: metadata/registry.json. It only grows."""

    tracks: Sequence[RegisteredTrack]

    def by_id(self) -> dict[str, RegisteredTrack]:
        """The tracks by their ids."""
        return {track.track_id: track for track in self.tracks}
