"""What `lofi doctor` says of the base model, from its configuration and the heads of its files: no weights are read."""

from __future__ import annotations

import os
from pathlib import Path

from lofi_pipeline.cli.doctor_finding import Finding
from lofi_pipeline.config import EvaluationSettings, PipelineConfig
from lofi_pipeline.entities.base import few
from lofi_pipeline.resources import base_licence, base_name
from lofi_pipeline.training.base_files import BaseFiles, in_words, look_at
from lofi_pipeline.training.bases import NANO, base_folder, rates_of
from lofi_pipeline.training.errors import TrainingError
from lofi_pipeline.training.hub import commit_of, hub_id
from lofi_pipeline.training.model_card import MODEL_CARD, licence_of
from lofi_pipeline.training.variants import suiting, variant_of

REAL_MUSIC = (
    "for real music use ACE-Step 1.5: download ACE-Step/acestep-v15-xl-turbo-diffusers with the hub's client where there is "
    "internet, then --base <folder> and training.active: ace-step"
)
_SPARE = 1.25
"""Of the weights' own size: what is computed with them needs room, too."""
_SAMPLING = ("inference_steps", "guidance_scale", "shift", "clip_seconds")


def examine_base(config: PipelineConfig) -> list[Finding]:
    """Is it whole, which kind is it, what is its licence, does it fit, and how is generated with it?"""
    name = base_name(config)
    what = f"base model {name}"
    try:
        folder = base_folder(name)
    except TrainingError as error:
        return [Finding(what=what, level="broken", found="not there", advice=str(error))]
    try:
        files = look_at(folder)
        if files.faults:
            advice = "fetch it again: `hf download` goes on where it stopped"
            return [Finding(what=what, level="broken", found=few(files.faults, between="; "), advice=advice)]
        return [
            _model(what, name, folder, files),
            _licence(folder, base_licence(config)),
            _memory(files),
            _sampling(name, config.evaluation),
        ]
    except (TrainingError, OSError, ValueError) as error:
        return [Finding(what=what, level="broken", found=str(error), advice="fetch it again")]


def _model(what: str, name: str, folder: Path, files: BaseFiles) -> Finding:
    rate, latents = rates_of(name, folder)
    parameters = next((part.parameters for part in files.parts if part.name == "transformer"), 0)
    weights = in_words(sum(part.bytes for part in files.parts))
    found = (
        f"{variant_of(name)}, whole: {parameters / 1e6:.3g} M parameters in the transformer, {weights} of weights, {rate} Hz, "
        f"{latents:g} latents/s"
    )
    asked, commit = hub_id(name), commit_of(folder)
    if asked and commit and asked.revision != commit:
        advice = f"pin it, so that it stays the same: training.base: {asked.repository}@{commit}"
        return Finding(what=what, level="good", found=found, advice=advice)
    return Finding(what=what, level="good", found=found, advice=REAL_MUSIC if name == NANO else "")


def _licence(folder: Path, said: str | None) -> Finding:
    what = "licence of the base"
    if on_card := licence_of(folder):
        return Finding(what=what, level="good", found=f"{on_card}, says its {MODEL_CARD}")
    if said:
        return Finding(what=what, level="good", found=f"{said}, says training.base_licence")
    advice = (
        f"an audit asks for it: fetch its {MODEL_CARD} too, or set training.base_licence to what you know"
    )
    return Finding(what=what, level="optional", found="nobody says", advice=advice)


def _memory(files: BaseFiles) -> Finding:
    import torch

    on_gpu = torch.cuda.is_available()
    size = 2 if on_gpu else 4  # bfloat16 there, float32 on the CPU
    needs = {part.name: size * part.parameters for part in files.parts}
    whole, trained = sum(needs.values()), needs.get("transformer", 0)
    has = (
        torch.cuda.get_device_properties(0).total_memory
        if on_gpu
        else os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    )
    where = "GPU" if on_gpu else "memory"
    found = f"its weights take {in_words(whole)} to generate, {in_words(trained)} to train; the {where} has {in_words(has)}"
    if whole * _SPARE > has:
        advice = "take a smaller base (2B in place of XL), or a machine with more memory"
        return Finding(what="base in memory", level="broken", found=found, advice=advice)
    return Finding(what="base in memory", level="good", found=found)


def _sampling(name: str, settings: EvaluationSettings) -> Finding:
    used = suiting(settings, name)
    found = (
        f"{used.inference_steps} steps, guidance {used.guidance_scale:g}, shift {used.shift:g}, clips of "
        f"{used.clip_seconds:g} s"
    )
    own = EvaluationSettings(sampling=settings.sampling)
    suits = suiting(own, name)
    changed = [field for field in _SAMPLING if getattr(used, field) != getattr(suits, field)]
    if not changed or name == NANO:
        return Finding(what="generating", level="good", found=found)
    usual = ", ".join(f"evaluation.{field} (suits it: {getattr(suits, field):g})" for field in changed)
    advice = f"set for another base, perhaps? take out what you did not mean: {usual}"
    return Finding(what="generating", level="optional", found=found, advice=advice)
