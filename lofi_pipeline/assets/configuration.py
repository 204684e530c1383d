"""What comes from config/ and from the base model's folder: style presets, the vocabulary, the base's hash."""

from collections.abc import Iterator

import dagster as dg

from lofi_pipeline.assets.failures import failing_in_words
from lofi_pipeline.assets.metadata import rounded, table
from lofi_pipeline.assets.partitions import OWNERS
from lofi_pipeline.assets.standing import Standing
from lofi_pipeline.assets.training_choice import TrainingChoice
from lofi_pipeline.entities import BaseModelFacts, TagKind
from lofi_pipeline.resources import Workspace
from lofi_pipeline.storage import content_sha256


@dg.asset(group_name="configuration", kinds={"yaml"}, owners=OWNERS, code_version="1")
def style_presets() -> dg.MaterializeResult:
    """The style presets of config/style_presets.yaml, inheritance resolved."""
    return _presets().result()


def _presets() -> Standing:
    from lofi_pipeline.styles import load_presets

    presets = load_presets()
    rows = [
        (
            p.style_id,
            p.name,
            p.category,
            p.extends or "",
            f"{p.tempo_range[0]}-{p.tempo_range[1]}",
            ", ".join(p.instruments),
        )
        for p in presets.values()
    ]
    return Standing(
        "style_presets",
        content_sha256(presets),
        lambda: {
            "presets": len(presets),
            "table": table(["style_id", "name", "category", "extends", "tempo_range", "instruments"], rows),
        },
    )


@dg.asset(group_name="configuration", kinds={"yaml"}, owners=OWNERS, code_version="1")
def tag_categories() -> dg.MaterializeResult:
    """The controlled vocabulary of config/tag_categories.yaml."""
    return _vocabulary().result()


def _vocabulary() -> Standing:
    from lofi_pipeline.styles import load_vocabulary

    vocabulary = load_vocabulary()
    tags = {kind.value: sorted(vocabulary.tags(kind)) for kind in TagKind}
    return Standing(
        "tag_categories",
        content_sha256(tags),
        lambda: {
            "tags": sum(map(len, tags.values())),
            "table": table(["category", "tags"], [(kind, len(names)) for kind, names in tags.items()]),
        },
    )


@dg.asset(group_name="training", kinds={"pytorch"}, owners=OWNERS, code_version="1")
@failing_in_words()
def base_model(workspace: Workspace, config: TrainingChoice) -> dg.MaterializeResult:
    """The ACE-Step base model that LoRAs are trained on, by the hash of its files."""
    from lofi_pipeline.training.bases import describe_base

    asked = config.asked(workspace)
    return base_standing(describe_base(asked.base, licence=asked.base_licence)).result()


def base_standing(facts: BaseModelFacts) -> Standing:
    """A base model, as a training recorded it or as it lies here."""
    return Standing(
        "base_model",
        facts.sha256,
        lambda: {
            "name": facts.name,
            "sha256": facts.sha256,
            "licence": facts.licence or "unknown",
            "sampling_rate": facts.sampling_rate,
            "latents_per_second": rounded(facts.latents_per_second),
        },
    )


def standing_configuration(workspace: Workspace) -> Iterator[Standing]:
    """The configuration that the last scan went by."""
    if workspace.root.drops_json.is_file():
        yield from (_presets(), _vocabulary())
