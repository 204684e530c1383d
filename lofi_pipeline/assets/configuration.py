"""What comes from config/ and from the base model's folder: style presets, the vocabulary, the base's hash."""

import dagster as dg

from lofi_pipeline.assets.failures import failing_in_words
from lofi_pipeline.assets.metadata import rounded, table
from lofi_pipeline.assets.partitions import OWNERS
from lofi_pipeline.entities import TagKind
from lofi_pipeline.resources import Workspace, base_licence, base_name
from lofi_pipeline.storage import content_sha256


@dg.asset(group_name="configuration", kinds={"yaml"}, owners=OWNERS, code_version="1")
def style_presets() -> dg.MaterializeResult:
    """The style presets of config/style_presets.yaml, inheritance resolved."""
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
    return dg.MaterializeResult(
        metadata={
            "presets": len(presets),
            "table": table(["id", "name", "category", "extends", "bpm", "instruments"], rows),
        },
        data_version=dg.DataVersion(content_sha256(presets)),
    )


@dg.asset(group_name="configuration", kinds={"yaml"}, owners=OWNERS, code_version="1")
def tag_categories() -> dg.MaterializeResult:
    """The controlled vocabulary of config/tag_categories.yaml."""
    from lofi_pipeline.styles import load_vocabulary

    vocabulary = load_vocabulary()
    tags = {kind.value: sorted(vocabulary.tags(kind)) for kind in TagKind}
    return dg.MaterializeResult(
        metadata={
            "tags": sum(map(len, tags.values())),
            "table": table(["category", "tags"], [(kind, len(names)) for kind, names in tags.items()]),
        },
        data_version=dg.DataVersion(content_sha256(tags)),
    )


@dg.asset(group_name="training", kinds={"pytorch"}, owners=OWNERS, code_version="1")
@failing_in_words()
def base_model(workspace: Workspace) -> dg.MaterializeResult:
    """The ACE-Step base model that LoRAs are trained on, by the hash of its files."""
    from lofi_pipeline.training.bases import describe_base

    config = workspace.config
    facts = describe_base(base_name(config), licence=base_licence(config))
    return dg.MaterializeResult(
        metadata={
            "name": facts.name,
            "sha256": facts.sha256,
            "licence": facts.licence or "unknown",
            "sampling_rate": facts.sampling_rate,
            "latents_per_second": rounded(facts.latents_per_second),
        },
        data_version=dg.DataVersion(facts.sha256),
    )
