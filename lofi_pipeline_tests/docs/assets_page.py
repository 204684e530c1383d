"""docs/assets.md: what Dagster loads: assets with their checks, jobs, sensors and schedules, from the definitions."""

from __future__ import annotations

from collections import defaultdict

import dagster as dg

from lofi_pipeline.assets import all_assets
from lofi_pipeline.assets.partitions import CHECKPOINTS, TRACKS
from lofi_pipeline.definitions import defs
from lofi_pipeline_tests.docs.markdown import code, page, sentence, table

ORIGIN = "lofi_pipeline/assets and lofi_pipeline/automation"
PARTITIONS = {str(TRACKS.name): "one for each track", str(CHECKPOINTS.name): "one for each checkpoint"}


def specs() -> dict[str, dg.AssetSpec]:
    """Every asset, in the order in which data takes its way."""
    loaded = {spec.key.to_user_string(): spec for spec in defs.resolve_all_asset_specs()}
    ordered = [spec.key.to_user_string() for asset in all_assets for spec in asset.specs]
    return {name: loaded[name] for name in dict.fromkeys([*ordered, *sorted(loaded)])}


def upstream(spec: dg.AssetSpec) -> list[str]:
    """The assets that one is made from."""
    return sorted(dep.asset_key.to_user_string() for dep in spec.deps)


def partition_of(spec: dg.AssetSpec) -> str:
    """How an asset is divided, in words; nothing where it is one piece."""
    name = getattr(spec.partitions_def, "name", None)
    return PARTITIONS[str(name)] if name else ""


def checks() -> dict[str, list[dg.AssetCheckSpec]]:
    """The checks of each asset, by name."""
    graph = defs.resolve_asset_graph()
    found: defaultdict[str, list[dg.AssetCheckSpec]] = defaultdict(list)
    for key in sorted(graph.asset_check_keys, key=lambda each: each.name):
        found[key.asset_key.to_user_string()].append(graph.get_check_spec(key))
    return {name: found[name] for name in specs() if name in found}


def jobs() -> list[dg.JobDefinition]:
    """The jobs that people and sensors start."""
    found = [
        job for job in defs.resolve_all_job_defs() if not job.name.startswith("__")
    ]  # __ASSET_JOB is Dagster's
    return sorted(found, key=lambda job: job.name)


def assets_page() -> str:
    """The whole page."""
    parts = [
        "What Dagster's UI shows. The picture is in [architecture.md](architecture.md#the-way-of-the-data). A check is a rule that is "
        "tested each time its asset is made; a failed one is shown on the asset, and its metadata names what fails it.",
        table(
            ["asset", "group", "partitions", "made from", "what it is"],
            [
                (
                    code(name),
                    spec.group_name or "",
                    partition_of(spec),
                    ", ".join(map(code, upstream(spec))),
                    _first_paragraph(spec),
                )
                for name, spec in specs().items()
            ],
        ),
    ]
    tested = [(name, check) for name, own in checks().items() for check in own]
    parts += [
        "## Checks",
        table(
            ["asset", "check", "passes when"],
            [(code(name), code(check.name), sentence(check.description or "")) for name, check in tested],
        ),
    ]
    return page("Assets, checks, jobs", ORIGIN, *parts, *_automation())


def _first_paragraph(spec: dg.AssetSpec) -> str:
    return sentence((spec.description or "").split("\n\n")[0])


def _automation() -> list[str]:
    repository = defs.get_repository_def()
    return [
        "## Jobs",
        table(
            ["job", "assets", "what it does"],
            [
                (
                    code(job.name),
                    ", ".join(
                        code(key.to_user_string()) for key in sorted(job.asset_layer.selected_asset_keys)
                    ),
                    sentence(job.description or ""),
                )
                for job in jobs()
            ],
        ),
        "## Sensors and schedules",
        "All are on by default; each can be stopped in the UI.",
        table(
            ["name", "when", "what it does"],
            [
                (
                    code(each.name),
                    f"every {each.minimum_interval_seconds} s",
                    sentence(each.description or ""),
                )
                for each in sorted(repository.sensor_defs, key=lambda each: each.name)
            ]
            + [
                (
                    code(each.name),
                    f"`{each.cron_schedule}` ({each.execution_timezone})",
                    sentence(each.description or ""),
                )
                for each in repository.schedule_defs
            ],
        ),
    ]
