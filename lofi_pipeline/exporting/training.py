"""A training packed into a folder, for a rented GPU without this package: latents, conditions, configuration, modules, credits.

What it does there is in training/bundle.py.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version as version_of
from pathlib import Path

from lofi_pipeline import progress
from lofi_pipeline.checkpoints.ledger_entries import BUNDLE, bundle_entry
from lofi_pipeline.checkpoints.manifest import read_record
from lofi_pipeline.config import PipelineConfig, base_name
from lofi_pipeline.entities import CHECKPOINT_RECORD, DatasetVersion, Lineage, StartedFrom, few, now
from lofi_pipeline.exporting.bundled_code import modules_behind
from lofi_pipeline.exporting.errors import ExportError
from lofi_pipeline.exporting.export import credit_files, mark_of
from lofi_pipeline.exporting.folder import replacing_folder, settle_target, write_files
from lofi_pipeline.exporting.selection import Selection, select
from lofi_pipeline.installation import PACKAGE
from lofi_pipeline.storage import (
    DataRoot,
    append_to_ledger,
    file_sha256,
    ledger_path,
    link_or_copy,
    lock_file,
    read_ledger,
    write_json_atomic,
)
from lofi_pipeline.training.bases import describe_base, shown_name
from lofi_pipeline.training.bundle import BUNDLE_RECORD, CODE, DATA, TrainingBundle
from lofi_pipeline.training.encode import read_encoded
from lofi_pipeline.training.encoded_file import CONDITION, LATENTS, encoded_shape
from lofi_pipeline.training.errors import EncodingError
from lofi_pipeline.training.lineage import last_step, lineage_of
from lofi_pipeline.training.packing import part_of
from lofi_pipeline.training.records import EncodedDataset, TrainingJob
from lofi_pipeline.training.shards import key_of, read_shard
from lofi_pipeline.training.start import refuse_withdrawn, start_folder, start_of

KIND = "training"
ENTRY = "lofi_pipeline.training.bundle"
SCRIPT = PACKAGE / "exporting" / "train_elsewhere.py"
NEEDED = (
    "torch",
    "diffusers",
    "transformers",
    "peft",
    "accelerate",
    "safetensors",
    "numpy",
    "pydantic",
    "pydantic-settings",
    "rich",
)
"""What the modules import. All but the last three come with diffusers, peft and accelerate in any case."""


@dataclass(frozen=True)
class ExportedTraining:
    """What was written."""

    folder: Path
    lineage: Lineage
    tracks: int
    steps: int
    bytes: int


def export_training(
    root: DataRoot, config: PipelineConfig, target: Path, *, base_licence: str | None = None
) -> ExportedTraining:
    """Pack the training that the configuration asks for, of the current data set, into `target`; whole or not at all.

    No weights of the base model are in it, and of each source no more than the credits of its tracks.

    Raises:
        ExportError: see `select` and `settle_target`; a track may not be used today, or is not encoded yet.
        BaseModelError, TrainingError, NoTracks: the base model or the data set is not there, or the preset can't be trained, or not
            from the LoRA that it names.
    """
    place, selection = settle_target(root, target), select(root, config, None, None)
    if selection.left_behind:
        reasons = [f"{it.track_id}: {it.reason}" for it in selection.left_behind]
        raise ExportError(
            f"{selection.version.dataset.dataset_id}: holds tracks that may not be used any more: {few(reasons, between=' ')}; "
            "`lofi run --to dataset_manifest` builds the data set without them"
        )
    version, name = selection.version, base_name(config)
    job = TrainingJob(
        data_root=Path(DATA),
        dataset_hash=version.dataset.hash,
        base=shown_name(name),
        base_licence=base_licence,
        preset_name=config.training.active,
        preset=config.training.preset,
        encode_chunk_seconds=config.training.encode_chunk_seconds,
    )
    base = describe_base(name, licence=base_licence)
    start = start_of(root, job.preset, base.sha256)
    lineage = lineage_of(version, job.preset_name, job.preset, base, start)
    refuse_withdrawn(root, lineage, now().date())
    steps = last_step(lineage)
    encoded = _encoded(root, version, name, config)
    with replacing_folder(place) as folder:
        files = _fill(root, folder, version, lineage, encoded)
        bundle = TrainingBundle(lineage=lineage, job=job, hub_id=_hub_id(name), files=files)
        files |= _seal(root, folder, bundle)
        write_files(folder, _texts(selection, bundle), mark_of(selection, KIND, "both"), beside=files)
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return ExportedTraining(place, lineage, len(version.tracks), steps, size)


def _hub_id(base: str) -> str | None:
    """A base's name where another machine can fetch it by that; folders here are nobody's business there."""
    return None if Path(base).expanduser().is_dir() or "/" not in base else base


def _encoded(root: DataRoot, version: DatasetVersion, base: str, config: PipelineConfig) -> EncodedDataset:
    """Where latents and conditions lie, each read and found to be what was written.

    Raises:
        ExportError: one is not there, or damaged.
    """
    again = "`lofi run --to encoded_dataset` makes them"
    try:
        encoded = read_encoded(version, root, base, config.training.preset)
    except EncodingError as error:
        raise ExportError(f"not everything is encoded: {error}; {again}") from error
    paths = list(_encoded_files(encoded))
    for done, (path, names, keys) in enumerate(paths):
        progress.report("export", done, len(paths), path)
        place = root.inside(path)
        whole = (
            read_shard(place, read=True)
            if keys
            else encoded_shape(place, names, encoded.base_sha256, read=True)
        )
        if whole is None:
            raise ExportError(f"{path}: is damaged; remove it, and {again}")
    progress.report("export", len(paths), len(paths), "")
    return encoded


def _encoded_files(encoded: EncodedDataset) -> Iterator[tuple[str, frozenset[str], set[str]]]:
    """Each file once, with the names of the tensors of an encoding, and of a shard the keys of those that are trained on."""
    files: dict[str, tuple[frozenset[str], set[str]]] = {}
    for track in encoded.tracks:
        said = ((it.condition, CONDITION, it.entry) for it in track.conditions)
        for path, names, entry in ((track.latents, LATENTS, track.entry), *said):
            keys = files.setdefault(path, (names, set()))[1]
            keys |= {key_of(entry)} if entry else set()
    yield from ((path, *files[path]) for path in sorted(files))


def _place(root: DataRoot, inner: DataRoot, path: str, keys: set[str]) -> None:
    """Place a file of the cache; of a shard that holds other music, too, what is trained on."""
    shard = read_shard(root.inside(path)) if keys else None
    if shard is None or shard.shapes.keys() <= keys:
        link_or_copy(root.inside(path), inner.path / path)
    else:
        part_of(shard, keys, (inner.path / path).parent.parent)


def _fill(
    root: DataRoot, folder: Path, version: DatasetVersion, lineage: Lineage, encoded: EncodedDataset
) -> dict[str, str]:
    """Place everything that is trained from; by its path, the hash of each file."""
    inner = DataRoot(folder / DATA)
    # What sources cost, and the grants behind them, is nobody's business elsewhere
    bare = version.model_copy(update={"sources": [], "provenance": [], "ledger": None})
    write_json_atomic(inner.dataset_version(version.dataset.hash), bare)
    for path, _, keys in _encoded_files(encoded):
        _place(root, inner, path, keys)
    if lineage.caption_variants:
        captions = root.captions(version.dataset.hash, lineage.caption_variants)
        link_or_copy(captions, inner.path / root.relative(captions))
    if lineage.started_from:
        _place_start(root, inner, lineage.started_from)
    for path, source in {f"{CODE}/{path}": it for path, it in modules_behind(ENTRY).items()}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, folder / path)
    shutil.copyfile(SCRIPT, folder / "train.py")
    there = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): file_sha256(path) for path in sorted(there)}


def _place_start(root: DataRoot, inner: DataRoot, start: StartedFrom) -> None:
    """Place the LoRA that the training starts from where trainings wait: its record and weights, without samples and scores.

    Raises:
        TrainingError: its weights are gone, damaged, or others.
    """
    source = start_folder(root, start)
    target = inner.archived_lineage(start.lineage.lineage) / source.name
    for path in (CHECKPOINT_RECORD, *read_record(source).files):
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        link_or_copy(source / path, target / path)


def _seal(root: DataRoot, folder: Path, bundle: TrainingBundle) -> dict[str, str]:
    """Write bundle.json, begin the bundle's ledger with its hash, and enter here for which lineage that ledger was begun.

    Returns the hashes of both files.
    """
    record, inner = folder / BUNDLE_RECORD, DataRoot(folder / DATA)
    write_json_atomic(record, bundle)
    append_to_ledger(inner, {BUNDLE: file_sha256(record)})
    append_to_ledger(root, {bundle_entry(read_ledger(inner).heads[0]): bundle.lineage.lineage})
    lock_file(ledger_path(inner)).unlink(missing_ok=True)
    return {path.relative_to(folder).as_posix(): file_sha256(path) for path in (record, ledger_path(inner))}


def _texts(selection: Selection, bundle: TrainingBundle) -> dict[str, bytes]:
    pins = "".join(f"{name}=={version_of(name).split('+')[0]}\n" for name in NEEDED)
    return {
        **credit_files(selection.report),
        "requirements.txt": pins.encode(),
        "README.md": _readme(selection, bundle).encode(),
    }


def _readme(selection: Selection, bundle: TrainingBundle) -> str:
    lineage, dataset = bundle.lineage, selection.version.dataset
    base = bundle.hub_id or "FOLDER"
    without = " --exclude /archive/" if lineage.started_from else ""
    parts = [
        f"# A training of {dataset.dataset_id}",
        f"{dataset.track_count} tracks, encoded for the base model {lineage.base.name} (hash {lineage.base.sha256[:12]}, not in here), preset "
        f"{lineage.preset}, {last_step(lineage)} steps. Lineage {lineage.lineage}.",
        "## Train",
        f"```\npip install -r requirements.txt && python train.py --base {base}\n```",
        "Python 3.11 or 3.12. `accelerate launch train.py --base ...` uses several GPUs. Killed, it goes on from where it was with the same "
        "command. A file that is not the one that was exported is refused, and so is another base model.",
        "## Bring it back",
        "Copy the checkpoints into the data root that this was exported from, whole folders, and let `lofi run` (or the UI) find them: it "
        "verifies, scores and audits each.",
        f"```\nrsync -a{without} THERE:BUNDLE/data/checkpoints/ DATA_ROOT/checkpoints/archive/{lineage.lineage}/\n```",
        "That is the place where trainings wait; the next `lofi run` with this data set and preset makes it the active one. Where no other "
        "training lies in DATA_ROOT/checkpoints, the folders `epoch=0-step=...` may be copied there themselves, while the UI runs, too.",
        "## Whose music this is",
        "The latents in data/cache/ are made from licensed music, and the music can be heard in them: they are copies of it, and so is "
        "whatever holds them. Put them only where the licences allow it, see ATTRIBUTION.md, tracks.csv and LICENSES/, and delete them "
        "there when the training is done. A source that is withdrawn must go here, too.",
        "The modules in code/ are lofi_pipeline's, under the Apache License 2.0.",
    ]
    return "\n\n".join(parts) + "\n"
