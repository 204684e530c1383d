"""Every path of the storage layout, in one place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lofi_pipeline.entities import RAW_FOLDER, SourceType, StyleCategory
from lofi_pipeline.environment import Environment
from lofi_pipeline.installation import working_folder

RUNNING = "running"
"""The folder in DAGSTER_HOME with a lease for each run that goes on."""


@dataclass(frozen=True)
class DataRoot:
    """A data root: raw music, processed tracks, data set versions, checkpoints and Dagster's history."""

    path: Path

    @classmethod
    def find(cls, given: Path | None = None) -> DataRoot:
        """The data root asked for: `given`, else LOFI_DATA_ROOT, else data/ of the checkout or the working directory."""
        chosen = given or Environment.read().data_root or working_folder() / "data"
        return cls(chosen.expanduser().resolve())

    def create(self) -> DataRoot:
        """Make the folder skeleton; what exists stays."""
        folders = [self.raw / RAW_FOLDER[kind] for kind in SourceType]
        folders += [self.processed / category for category in StyleCategory]
        folders += [self.final, self.validation, self.metadata, self.checkpoints, self.dagster_home]
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
        return self

    def relative(self, path: Path) -> str:
        """`path` relative to this root, with forward slashes; refuses what lies outside."""
        return path.resolve().relative_to(self.path.resolve()).as_posix()

    def inside(self, relative: str) -> Path:
        """The absolute path of a stored relative one; refuses what leads out of the root."""
        path = (self.path / relative).resolve()
        if not path.is_relative_to(self.path.resolve()):
            raise ValueError(
                f"{relative}: leads out of the data root {self.path}; where a link does that, put the file itself in its place, or, if it "
                "can be made again, let `lofi fsck --repair` take the link away"
            )
        return path

    @property
    def raw(self) -> Path:
        return self.path / "raw"

    @property
    def processed(self) -> Path:
        return self.path / "processed"

    @property
    def final(self) -> Path:
        return self.path / "final"

    @property
    def validation(self) -> Path:
        return self.path / "validation"

    @property
    def metadata(self) -> Path:
        return self.path / "metadata"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def cache(self) -> Path:
        return self.path / "cache"

    @property
    def known_bases_json(self) -> Path:
        """Where the base models lie that were trained on here."""
        return self.cache / "bases.json"

    @property
    def known_weights_json(self) -> Path:
        """The hashes of embedders' weights."""
        return self.cache / "weights.json"

    @property
    def audits(self) -> Path:
        """What audits wrote, a folder for each."""
        return self.path / "audit"

    @property
    def reports(self) -> Path:
        """What `lofi report` wrote, a folder for each lineage."""
        return self.path / "reports"

    @property
    def dagster_home(self) -> Path:
        return self.path / ".dagster"

    @property
    def running(self) -> Path:
        """What is leased while runs of Dagster go on."""
        return self.dagster_home / RUNNING

    @property
    def sources_json(self) -> Path:
        return self.metadata / "sources.json"

    @property
    def style_mapping_json(self) -> Path:
        return self.metadata / "style_mapping.json"

    @property
    def quality_scores_json(self) -> Path:
        return self.metadata / "quality_scores.json"

    @property
    def dataset_manifest_json(self) -> Path:
        return self.metadata / "dataset_manifest.json"

    @property
    def checkpoint_manifest_json(self) -> Path:
        return self.checkpoints / "manifest.json"

    @property
    def registry_json(self) -> Path:
        """Track ids by content hash, for life."""
        return self.metadata / "registry.json"

    @property
    def drops_json(self) -> Path:
        """What the last scan found in each drop, refusals included."""
        return self.metadata / "drops.json"

    @property
    def claims_json(self) -> Path:
        """The terms that each source declared when its tracks were ingested."""
        return self.metadata / "claims.json"

    @property
    def duplicates_json(self) -> Path:
        """Which fingerprints were compared, and the pairs that came out."""
        return self.metadata / "duplicates.json"

    @property
    def splits_json(self) -> Path:
        """The side of the data set each track is on, for life."""
        return self.metadata / "splits.json"

    @property
    def built_from_json(self) -> Path:
        """What the current data set was made of."""
        return self.metadata / "built_from.json"

    @property
    def track_records(self) -> Path:
        return self.metadata / "tracks"

    def track_record(self, track_id: str) -> Path:
        return self.path.joinpath("metadata", "tracks", f"{track_id}.json")

    @property
    def edits(self) -> Path:
        """What people said of tracks, a file for each track."""
        return self.metadata / "edits"

    @property
    def votes(self) -> Path:
        """What people said who compared two checkpoints blind, a file for each pair."""
        return self.metadata / "votes"

    @property
    def pins_json(self) -> Path:
        """A person's word on checkpoints."""
        return self.metadata / "pins.json"

    def fingerprint(self, track_id: str) -> Path:
        return self.path.joinpath("metadata", "fingerprints", f"{track_id}.npy")

    def thumbnail(self, track_id: str) -> Path:
        return self.metadata / "thumbnails" / f"{track_id}.png"

    def dataset_version(self, dataset_hash: str) -> Path:
        return self.metadata / "datasets" / f"{dataset_hash}.json"

    def captions(self, dataset_hash: str, variants: int) -> Path:
        """The wordings of a version's prompts that a training with so many variants of each sees."""
        return self.metadata / "captions" / f"{dataset_hash}-{variants}.json"

    def checkpoint(self, checkpoint_id: str) -> Path:
        return self.checkpoints / checkpoint_id

    @property
    def checkpoint_archive(self) -> Path:
        """Checkpoints of former lineages, a folder for each."""
        return self.checkpoints / "archive"

    def archived_lineage(self, lineage: str) -> Path:
        return self.checkpoint_archive / lineage
