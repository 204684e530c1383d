"""One rule: what stands on disk, whole, and is not in Dagster's history is entered there, without being made again.

A process may be killed after it wrote its result and before Dagster noted it; a history may be deleted, and a data root copied
from elsewhere. What stands on disk decides: its data version is compared with that of the latest materialization.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import islice

import dagster as dg

from lofi_pipeline.assets.configuration import standing_configuration
from lofi_pipeline.assets.dataset_manifest import standing_dataset
from lofi_pipeline.assets.encoded_dataset import standing_encoding
from lofi_pipeline.assets.license_audit import standing_audits
from lofi_pipeline.assets.lora_checkpoints import standing_checkpoints
from lofi_pipeline.assets.lora_training import standing_training
from lofi_pipeline.assets.metadata import DATA_VERSION_TAG
from lofi_pipeline.assets.partitions import CHECKPOINTS, TRACKS, add_partitions
from lofi_pipeline.assets.quality_metrics import standing_scores
from lofi_pipeline.assets.source_records import standing_sources
from lofi_pipeline.assets.standing import Standing
from lofi_pipeline.assets.tracks import STAGES, standing_tracks
from lofi_pipeline.automation.jobs import ASSETS, NOT_OVER, JobName, assets_of
from lofi_pipeline.errors import LofiError
from lofi_pipeline.history import together
from lofi_pipeline.resources import Workspace
from lofi_pipeline.storage import locked

_KINDS: tuple[tuple[frozenset[str], Callable[[Workspace], Iterator[Standing]]], ...] = (
    (frozenset({"style_presets", "tag_categories"}), standing_configuration),
    (frozenset({"source_records"}), standing_sources),
    (frozenset(STAGES), standing_tracks),
    (frozenset({"dataset_manifest"}), standing_dataset),
    (frozenset({"base_model", "encoded_dataset"}), standing_encoding),
    (frozenset({"lora_training"}), standing_training),
    (frozenset({"lora_checkpoints"}), standing_checkpoints),
    (frozenset({"quality_metrics"}), standing_scores),
    (frozenset({"license_audit"}), standing_audits),
)
_AXES: dict[str, dg.DynamicPartitionsDefinition] = {
    **dict.fromkeys(ASSETS[JobName.INGEST], TRACKS),
    **dict.fromkeys(ASSETS[JobName.EVALUATE], CHECKPOINTS),
}
_AT_ONCE = 200
_AT_WORK = [status for status in NOT_OVER if status is not dg.DagsterRunStatus.QUEUED]
"""Of runs that may have made something. One that waits has made nothing; where no daemon is, it waits for ever."""
ALL_ASSETS = frozenset().union(*(assets for assets, _ in _KINDS))


def tell_unreported(
    instance: dg.DagsterInstance, workspace: Workspace, among: Collection[str] = ALL_ASSETS
) -> Iterator[Standing]:
    """Enter in the history what it lacks of these assets; gives each result that was entered.

    The assets of runs that are at work are left to those runs.
    """
    lacking = _lacking(instance, workspace, set(among) - _left_to_runs(instance))
    while some := list(islice(lacking, _AT_ONCE)):
        with locked(workspace.root.dagster_home / "history"):
            # A run may have written its result just before we looked, and told of it since.
            left = _left_to_runs(instance)
            known = _Known(instance, alone=some)
            _add_keys(instance, some)
            with together(instance):
                told = [
                    found
                    for found in some
                    if found.asset not in left and not known.holds(found) and _tell(instance, found)
                ]
        yield from told


def _lacking(
    instance: dg.DagsterInstance, workspace: Workspace, among: Collection[str]
) -> Iterator[Standing]:
    """What stands on disk with another version than the history holds, one query for each asset."""
    for assets, standing in _KINDS:
        wanted = assets & set(among)
        known = _Known(instance, whole=wanted)
        try:
            for found in standing(workspace) if wanted else ():
                if found.asset in wanted and not known.holds(found):
                    yield found
        except (LofiError, OSError):
            continue  # a damaged record: the work that reads it says so, and what to do


class _Known:
    """The data versions of the latest materializations: of whole assets, or of the partitions of some results alone."""

    def __init__(
        self, instance: dg.DagsterInstance, *, whole: Iterable[str] = (), alone: Iterable[Standing] = ()
    ) -> None:
        self._instance = instance
        self._versions: dict[tuple[str, str | None], str | None] = {}
        for asset in whole:
            self._look_up(asset, None)
        keys: dict[str, list[str]] = {}
        for found in alone:
            keys.setdefault(found.asset, []).append(found.partition or "")
        for asset, partitions in keys.items():
            self._look_up(asset, partitions)

    def _look_up(self, asset: str, partitions: list[str] | None) -> None:
        key = dg.AssetKey(asset)
        if asset not in _AXES:
            event = self._instance.get_latest_materialization_event(key)
            found = event.asset_materialization if event else None
            self._versions[asset, None] = (found.tags or {}).get(DATA_VERSION_TAG) if found else None
            return
        tags = self._instance.event_log_storage.get_latest_tags_by_partition(
            key, dg.DagsterEventType.ASSET_MATERIALIZATION, [DATA_VERSION_TAG], partitions
        )
        for partition, found in tags.items():
            self._versions[asset, partition] = found[DATA_VERSION_TAG]

    def holds(self, found: Standing) -> bool:
        """Whether the history tells of this result, or of one that was made after it."""
        if self._versions.get((found.asset, found.partition)) == found.data_version:
            return True
        if found.made is None:
            return False
        later = dg.AssetRecordsFilter(
            dg.AssetKey(found.asset),
            asset_partitions=[found.partition] if found.partition else None,
            after_timestamp=found.made.timestamp(),
        )
        return bool(self._instance.fetch_materializations(later, limit=1).records)


def _left_to_runs(instance: dg.DagsterInstance) -> set[str]:
    """The assets that runs which are at work may tell of themselves."""
    runs = instance.get_runs(dg.RunsFilter(statuses=_AT_WORK))
    return {asset for run in runs for asset in assets_of(run)}


def _add_keys(instance: dg.DagsterInstance, results: Iterable[Standing]) -> None:
    for axis in (TRACKS, CHECKPOINTS):
        keys = [found.partition for found in results if found.partition and _AXES[found.asset] is axis]
        add_partitions(instance, axis.name, keys)


def _tell(instance: dg.DagsterInstance, found: Standing) -> bool:
    """Enter a result with its checks. False: it is not whole, and the work on it is due."""
    try:
        materialization, checks = found.materialization(), found.evaluations()
    except (LofiError, OSError):
        return False
    # The materialization last: while it is missing, the next run tells everything again.
    for event in (*checks, materialization):
        instance.report_runless_asset_event(event)
    return True
