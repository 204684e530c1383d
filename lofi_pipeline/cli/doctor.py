"""`lofi doctor`: what is there, what is missing, and what to do about each."""

from __future__ import annotations

import os
import platform
import shutil
from importlib.metadata import PackageNotFoundError, version

from rich.console import Console
from rich.markup import escape

from lofi_pipeline.cli.console import folding
from lofi_pipeline.cli.doctor_base import examine_base
from lofi_pipeline.cli.doctor_finding import Finding, Level
from lofi_pipeline.config import EMBEDDERS, EvaluationSettings, load_config
from lofi_pipeline.entities import RecordError
from lofi_pipeline.evaluation import chosen, missing_weights, unknown_weights
from lofi_pipeline.resources import base_name
from lofi_pipeline.storage import DataRoot
from lofi_pipeline.storage.shared import locks_fault, mount_of

PACKAGES = (
    "dagster",
    "torch",
    "torchaudio",
    "diffusers",
    "peft",
    "accelerate",
    "av",
    "lameenc",
    "laion-clap",
)
LEAST_FREE_GB = 10


def examine(root: DataRoot) -> list[Finding]:
    """Look at everything. Nothing is changed, nothing is downloaded."""
    findings = [Finding(what="Python", level="good", found=platform.python_version()), *_packages(), _gpu()]
    findings += [_disk(root), *_locks(root), _clock(root), _config()]
    if findings[-1].level == "good":
        findings += [*examine_base(load_config()), *_embedders(), _style_suggestion()]
    return findings


def _packages() -> list[Finding]:
    findings = []
    for name in PACKAGES:
        try:
            findings.append(Finding(what=name, level="good", found=version(name)))
        except PackageNotFoundError:
            findings.append(
                Finding(what=name, level="broken", found="not installed", advice="run: make setup")
            )
    return findings


def _gpu() -> Finding:
    import torch

    if not torch.cuda.is_available():
        advice = "the nano base trains on the CPU in minutes; a full-size ACE-Step needs an NVIDIA GPU and its driver"
        return Finding(what="GPU", level="optional", found="none that torch can use", advice=advice)
    facts = torch.cuda.get_device_properties(0)
    return Finding(what="GPU", level="good", found=f"{facts.name}, {facts.total_memory / 2**30:.0f} GiB")


def _disk(root: DataRoot) -> Finding:
    folder = next(path for path in [root.path, *root.path.parents] if path.exists())
    free = shutil.disk_usage(folder).free / 1e9
    found = f"{root.path}: {free:.0f} GB free"
    if not os.access(folder, os.W_OK):
        return Finding(
            what="data root",
            level="broken",
            found=found,
            advice="make it writable, or choose another with --data",
        )
    if free < LEAST_FREE_GB:
        advice = f"make room: at least {LEAST_FREE_GB} GB, or choose another data root with --data"
        return Finding(what="data root", level="broken", found=found, advice=advice)
    return Finding(what="data root", level="good", found=found)


def _locks(root: DataRoot) -> list[Finding]:
    if not os.access(root.path, os.W_OK):
        return []
    if fault := locks_fault(root.path):
        found, _, advice = fault.rpartition("; ")
        return [Finding(what="locks", level="broken", found=found, advice=advice)]
    mount = mount_of(root.path)
    where = f" ({mount.kind}, shared with other machines)" if mount and mount.is_shared else ""
    return [Finding(what="locks", level="good", found=f"keep a second process away{where}")]


def _clock(root: DataRoot) -> Finding:
    from lofi_pipeline.ingest import clock_day, load_scan
    from lofi_pipeline.ingest.judging_day import days_of, doubt

    try:
        scan = load_scan(root)
    except (OSError, RecordError) as error:
        return Finding(
            what="clock", level="broken", found=str(error), advice="take the file back from a backup"
        )
    days, clock = days_of(root, scan), clock_day()
    found = f"{clock}; licences are judged for {days.judged}"
    if days.judged > clock:
        advice = "set the clock; or if it is right now, take the other day back: see lofi judging-day"
        return Finding(what="clock", level="broken", found=f"{found}, which lies ahead of it", advice=advice)
    if reason := doubt(days, scan.drops if scan else []):
        return Finding(what="clock", level="broken", found=f"{found}, a leap ahead", advice=reason)
    return Finding(what="clock", level="good", found=found)


def _config() -> Finding:
    from lofi_pipeline.styles import load_presets

    try:
        load_config()
        presets = len(load_presets())
    except RecordError as error:
        return Finding(
            what="configuration", level="broken", found=str(error), advice="mend the file that is named"
        )
    return Finding(what="configuration", level="good", found=f"valid, {presets} style presets")


def _embedders() -> list[Finding]:
    config = load_config()
    settings = config.evaluation
    in_use = chosen(settings, base_name(config)).embedder
    return [
        _embedder(settings.model_copy(update={"embedder": name}), in_use)
        for name in EMBEDDERS
        if name != "auto"
    ]


def _embedder(settings: EvaluationSettings, in_use: str) -> Finding:
    """Whether an embedder could be opened, as far as its files tell."""
    what = f"embedder {settings.embedder}"
    trouble: Level = "broken" if settings.embedder == in_use else "optional"
    if missing := missing_weights(settings):
        advice = "; ".join(str(item) for item in missing)
        return Finding(what=what, level=trouble, found=f"{len(missing)} files are missing", advice=advice)
    unknown = unknown_weights(settings)
    if unknown and not settings.allow_unknown_weights:
        advice = "get the published files, or set evaluation.allow_unknown_weights: true"
        return Finding(
            what=what,
            level=trouble,
            found=f"not the published files: {', '.join(path.name for path in unknown)}",
            advice=advice,
        )
    used = ", in use" if settings.embedder == in_use else ""
    return Finding(what=what, level="good", found=f"weights in place{used}")


def _style_suggestion() -> Finding:
    from lofi_pipeline.ingest import tagger_of

    tagger = tagger_of(load_config())
    if tagger:
        found = f"by measurements and by what {tagger.embedder} hears"
        return Finding(what="style suggestion", level="good", found=found)
    advice = (
        "with CLAP's weights in place (embedder clap, above) and tagging.zero_shot: clap, CLAP listens, too"
    )
    return Finding(what="style suggestion", level="optional", found="by measurements alone", advice=advice)


def show_findings(findings: list[Finding], console: Console) -> None:
    """A table; advice is shown where there is any."""
    colours = {"good": "green", "optional": "yellow", "broken": "red"}
    table = folding("", "what", "found", "what to do")
    for item in findings:
        mark = f"[{colours[item.level]}]{item.level}[/]"
        table.add_row(mark, escape(item.what), escape(item.found), escape(item.advice))
    console.print(table)
