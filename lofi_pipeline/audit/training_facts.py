"""What else holds something of the music, or shaped the checkpoint: base model, caches, training log, evaluation clips.

Where the base model lies on this machine is in audit/base_model.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from lofi_pipeline.audit.base_model import BaseAtHand
from lofi_pipeline.checkpoints.folder import CheckpointFolder
from lofi_pipeline.checkpoints.loss_log import LOG_NAME, read_training_log
from lofi_pipeline.config import PipelineConfig, config_hash
from lofi_pipeline.entities import (
    BaseModelFacts,
    BaseModelRow,
    CacheFacts,
    Captions,
    DatasetVersion,
    Lineage,
    RecordError,
    Scores,
    TrainingFacts,
)
from lofi_pipeline.evaluation.copies.training import COPIES_FOLDER
from lofi_pipeline.licensing.errors import UnreadableLicence
from lofi_pipeline.licensing.expression import spdx_spelling
from lofi_pipeline.licensing.policy import load_policy
from lofi_pipeline.licensing.text import normalize_license
from lofi_pipeline.storage import DataRoot, content_sha256, file_sha256, read_json
from lofi_pipeline.training.bases import NANO
from lofi_pipeline.training.shards import keys_in, shard_files

LICENCE_FILES = ("LICENSE", "LICENSE.txt", "LICENSE.md", "LICENCE", "COPYING")
MAX_LICENCE_BYTES = 200_000
WITHOUT_LICENCE = (
    "Its licence is on no record: look it up, and write `license:` into the front matter of README.md in its folder, or set "
    "training.base_licence in pipeline.yaml."
)
RESUMED = (
    "Whether it was interrupted is not recorded, and makes no difference to what fed it: a resumed training goes on only "
    "within its lineage, whose hash is that of data set, settings and base model, and gives the same weights."
)


def base_row(lineage: Lineage, at_hand: BaseAtHand | None) -> BaseModelRow:
    """The base model a lineage names, with its licence: as it was recorded, else as the one that lies here says."""
    facts = lineage.base
    same = at_hand if at_hand is not None and at_hand.facts.sha256 == facts.sha256 else None
    said, by_whom = facts.licence, f"by what {facts.licence_from} said when it was trained on"
    if said is None and same:
        said, by_whom = same.facts.licence, f"by what {same.facts.licence_from} says today"
    licence = f"Its licence, {by_whom}, is {said}." if said else WITHOUT_LICENCE
    if facts.name == NANO and same:
        where = (
            "The embedded base model of this project, by its hash the one installed here: trained from nothing on music that a "
            "program synthesised. It holds no recording of anybody."
        )
    elif same:
        where = f"The base model {facts.name}, by its hash the one that lies here."
    elif at_hand is None:
        where = f"The base model {facts.name} is known by its hash only: it does not lie here."
    else:
        where = (
            f"The base model named {facts.name} that lies here has another hash ({at_hand.facts.sha256[:12]}): it is not the one "
            "that was trained on."
        )
    return BaseModelRow(
        facts=facts,
        licence=spdx_spelling(said) if said else None,
        licence_text=_licence_text(same.folder) if same else None,
        sentence=f"{where} {licence}",
    )


def forbids_commercial_use(base: BaseModelRow | None) -> bool:
    """Whether the licence of a base is one that the policy knows as non-commercial; what it does not know it cannot judge."""
    try:
        found = load_policy().find(normalize_license(base.licence)) if base and base.licence else None
    except UnreadableLicence:
        return False
    return found is not None and not found[0].commercial_use


def _licence_text(folder: Path) -> str | None:
    """The text of the licence file, where there is one."""
    return next((_text(folder / name) for name in LICENCE_FILES if (folder / name).is_file()), None)


def _text(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(MAX_LICENCE_BYTES).decode("utf-8", "replace")


def base_scores(root: DataRoot, checkpoint: CheckpointFolder) -> Scores | None:
    """Scores of the base without the LoRA that were measured with exactly the checkpoint's key."""
    if checkpoint.record is None or checkpoint.scores is None:
        return None
    name = content_sha256([checkpoint.record.lineage.base.sha256, checkpoint.scores.key])
    path = root.metadata / "base_scores" / f"{name}.json"
    try:
        return Scores.parse(read_json(path), where=str(path))
    except (OSError, RecordError):
        return None


def configuration_of(lineage: Lineage, config: PipelineConfig) -> dict[str, str]:
    """The settings of the training preset, where one of today's gives the lineage's hash; else nothing is known."""
    for preset in map(config.training.complete, config.training.presets):
        start = lineage.started_from.weights if lineage.started_from else None
        if config_hash(preset, lineage.base.sha256, start) == lineage.config_hash:
            return {name: json.dumps(value) for name, value in preset.model_dump(mode="json").items()}
    return {}


def cache_facts(root: DataRoot, version: DatasetVersion, base: BaseModelFacts | None) -> list[CacheFacts]:
    """Latents of this version's tracks, and what was embedded of its validation clips."""
    found = []
    hashes = {item.audio_sha256 for item in version.tracks}
    latents = root.cache / "latents"
    folders = [latents / base.sha256[:16]] if base else sorted(latents.glob("*"))
    for folder in folders:
        files = [path for path in folder.glob("*.safetensors") if path.stem in hashes]
        files += [path for path in shard_files(folder) if keys_in(path) & hashes]
        found.append(
            _cache(root, folder, files, "Encoded audio of these tracks: goes when a source is withdrawn.")
        )
    for folder in sorted((root.cache / "reference").glob("*")):
        files = [path for path in folder.glob("*.npy") if path.stem in hashes]
        found.append(_cache(root, folder, files, "Embeddings of validation clips, for the scores only."))
    for folder in sorted((root.cache / COPIES_FOLDER).glob("*")):
        files = [path for path in folder.glob("*.npz") if path.stem in hashes]
        found.append(
            _cache(root, folder, files, "Levels of these tracks, by which copies in samples are found.")
        )
    return [facts for facts in found if facts.files]


def _cache(root: DataRoot, folder: Path, files: Iterable[Path], sentence: str) -> CacheFacts:
    sizes = [path.stat().st_size for path in files]
    return CacheFacts(path=root.relative(folder), files=len(sizes), bytes=sum(sizes), sentence=sentence)


def training_facts(checkpoint: CheckpointFolder) -> TrainingFacts | None:
    """How far the training went, and how many of its steps stand in the log beside the checkpoint."""
    if checkpoint.record is None:
        return None
    log = read_training_log(checkpoint.folder.parent / LOG_NAME)
    prior = _prior(checkpoint.record.lineage)
    return TrainingFacts(
        steps=checkpoint.step,
        skipped_steps=checkpoint.record.skipped_steps,
        logged_steps=sum(0 < entry.step <= checkpoint.step for entry in log),
        sentence=" ".join(filter(None, (RESUMED, prior))),
        synthetic=prior,
    )


def _prior(lineage: Lineage) -> str | None:
    """What the base itself gave to train on."""
    if not lineage.prior_clips:
        return None
    return (
        f"{lineage.prior_clips} clips that {lineage.base.name} itself made were trained on as well, so that it forgets less: "
        "metadata/prior/ holds their prompts and hashes. They are no tracks of the data set."
    )


def caption_wordings(root: DataRoot, lineage: Lineage | None) -> tuple[int, str]:
    """How many other wordings of the prompts were trained as well, and a sentence that says where they are."""
    if lineage is None or not lineage.caption_variants:
        return 0, ""
    path = root.captions(lineage.dataset_hash, lineage.caption_variants)
    try:
        kept = Captions.parse(read_json(path), where=str(path))
    except (OSError, RecordError):
        lost = f"{root.relative(path)}, which says which, is gone or damaged."
        return 0, f"Other wordings of them were trained as well, but {lost}"
    count = sum(len(wordings) - 1 for wordings in kept.captions.values())
    return count, (
        f"{count} other wordings, the same tags as sentences or in another order, were trained as well: "
        f"{root.relative(path)} (SHA-256 {file_sha256(path)})."
    )
