"""docs/settings.md: every key of config/pipeline.yaml and every environment variable, from the settings models."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from pydantic import BaseModel

from lofi_pipeline import config
from lofi_pipeline.config import PipelineConfig, load_config
from lofi_pipeline_tests.docs.markdown import ROOT, Schema, code, page, prose, sentence, table

ORIGIN = "lofi_pipeline/config"
PRESETS = "training.presets.<name>"
SAMPLING = "evaluation.sampling.<name>"
OTHERS = {
    "CUDA_VISIBLE_DEVICES": "CUDA's own: which GPUs a training sees; where you have not set it, trainings at once see one each.",
    "DAGSTER_EVENT_BATCH_SIZE": "Set by `lofi` where it is not set: of the events that say what a run will make, how many Dagster writes together.",
    "DAGSTER_HOME": "Set by `lofi` to `.dagster/` of the data root, so that each data root has a history of its own.",
    "HF_HUB_OFFLINE": "The hub client's own: with `1` a base model given by its hub id comes from the local cache alone.",
    "MLFLOW_TRACKING_URI": "MLflow's own: where a training logs to with `mlflow` among `training.trackers`; else a file in cache/trackers/.",
    "WANDB_MODE": "W&B's own: where it is not set, a training that logs to W&B stays offline.",
    "RANK": "Set by `accelerate` and `torchrun` for each process of a training; only rank 0 writes.",
}
"""What is read from the environment and belongs to others, who define it."""


@dataclass(frozen=True)
class Setting:
    """One key that can be set."""

    key: str
    type: str
    default: object
    shipped: object
    range: str
    unit: str
    description: str


def settings() -> list[Setting]:
    """Every key, in the order of the models."""
    schema = PipelineConfig.model_json_schema()
    return list(_settings(Schema(schema), schema, "", load_config().model_dump(mode="json")))


def _settings(schema: Schema, model: Mapping[str, Any], prefix: str, shipped: Any) -> Iterator[Setting]:
    for name, field in model["properties"].items():
        key = f"{prefix}{name}"
        value = shipped.get(name) if isinstance(shipped, Mapping) else None
        if inner := schema.model_of(field):
            yield from _settings(schema, schema.definitions[inner], f"{key}.", value)
            continue
        entries = field.get("additionalProperties")
        if isinstance(entries, Mapping) and (inner := schema.model_of(entries)):
            yield from _settings(schema, schema.definitions[inner], f"{key}.<name>.", None)
            continue
        found = schema.resolved(field)
        yield Setting(
            key=key,
            type=schema.type_of(field),
            default=found.get("default", "required" if name in model.get("required", []) else None),
            shipped=value,
            range=schema.range_of(field),
            unit=schema.unit_of(field),
            description=found.get("description", ""),
        )


def sections() -> dict[str, str]:
    """The sections of the file, in their order, with what each is about."""
    about = {PRESETS: _summary(config.TrainingPreset), SAMPLING: _summary(config.SamplingSettings)}
    for name, field in PipelineConfig.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            about[name] = _summary(field.annotation)
    order = dict.fromkeys(setting.key.rpartition(".")[0] for setting in settings())
    return {name: about.get(name, "") for name in order}


def _summary(model: type[BaseModel]) -> str:
    return _paragraphs(model)[0]


def _paragraphs(model: type[BaseModel]) -> list[str]:
    return [" ".join(each.split()) for each in (model.__doc__ or "").split("\n\n")]


def environment() -> dict[str, str]:
    """Every environment variable with its meaning: the fields of the environment's model, and what others define."""
    name = "lofi_pipeline.environment"
    fields = import_module(name).Environment.model_fields if find_spec(name) else {}
    own = {str(field.validation_alias): field.description or "" for field in fields.values()}
    return own | OTHERS


def variables_in_code() -> set[str]:
    """The environment variables that the package names."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "lofi_pipeline").rglob("*.py"))
    named = set(re.findall(r"[\"'](LOFI_[A-Z_]+)[\"']", text))
    read = re.findall(r"environ(?:\.get\(|\.setdefault\(|\[)\s*[\"']([A-Z_]+)", text)
    constants = re.findall(r"^[A-Z_]*VARIABLE = [\"']([A-Z_]+)", text, re.MULTILINE)
    return named | set(read) | set(constants)


def settings_page() -> str:
    """The whole page."""
    parts = [
        "Everything that can be set stands in [config/pipeline.yaml](../config/pipeline.yaml). A wrong key or value is refused "
        "with its name. What is left out has its default. `shipped` is the value in that file where it is not the default.",
        "The licence policy, the style presets and the vocabulary are files of their own beside it: "
        "[licence_policy.yaml](../config/licence_policy.yaml), [style_presets.yaml](../config/style_presets.yaml), "
        "[tag_categories.yaml](../config/tag_categories.yaml).",
    ]
    known = settings()
    for section, about in sections().items():
        rows = [setting for setting in known if setting.key.rpartition(".")[0] == section]
        parts += [f"## {code(section) if section in (PRESETS, SAMPLING) else section}", about, _table(rows)]
        if section == PRESETS:
            parts += ["The presets that are shipped:", _presets(rows)]
    parts += [
        "## Environment variables",
        *map(prose, _paragraphs(PipelineConfig)[1:]),
        table(["variable", "meaning"], [(code(name), text) for name, text in environment().items()]),
    ]
    return page("Settings", ORIGIN, *parts)


def _table(rows: list[Setting]) -> str:
    return table(
        ["key", "type", "default", "shipped", "range", "unit", "meaning"],
        [
            (
                code(row.key.rpartition(".")[2]),
                row.type,
                "required" if row.default == "required" else code(row.default),
                code(row.shipped) if row.shipped != row.default else "",
                row.range,
                row.unit,
                sentence(row.description),
            )
            for row in rows
        ],
    )


def _presets(rows: list[Setting]) -> str:
    presets = load_config().model_dump(mode="json")["training"]["presets"]
    # What none of them asks for is left out of what is written of them
    names = [
        it for row in rows if any((it := row.key.rpartition(".")[2]) in each for each in presets.values())
    ]
    return table(
        ["key", *map(code, presets)],
        [
            (code(name), *(code(preset[name]) if name in preset else "" for preset in presets.values()))
            for name in names
        ],
    )
