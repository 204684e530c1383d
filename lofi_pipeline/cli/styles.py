"""`lofi styles`: the style presets, and what each stands for."""

from __future__ import annotations

from typing import Annotated

import typer

from lofi_pipeline.cli.console import Config, Json, console, folding, sanitize, write_json
from lofi_pipeline.entities import StylePreset

Words = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[WORD]...", help="Only those that all of these words occur in.", show_default=False
    ),
]


def styles(words: Words = None, json_file: Json = None, config: Config = None) -> None:
    """List the style presets, to be named as `style_ids` in a source.json: what each stands for, and its tempo.

    Words search ids, names, categories and tags: `lofi styles rain piano`.
    Exit code 0: some were found, 1: none.
    """
    from lofi_pipeline.styles import load_presets

    found = [preset for preset in load_presets().values() if _speaks_of(preset, words or [])]
    write_json(json_file, found)
    table = folding(
        "id", "name", "bpm", "genre", "instruments", "sound", "moods", title=f"{len(found)} styles"
    )
    table.columns[0].no_wrap = True
    for preset in found:
        sound = [*preset.production, *filter(None, (preset.atmosphere, preset.vocal_type))]
        table.add_row(
            preset.style_id,
            sanitize(preset.name),
            "{}-{}".format(*preset.tempo_range),
            *(
                sanitize(", ".join(tags))
                for tags in (preset.base_tags, preset.instruments, sound, preset.mood_options)
            ),
        )
    console.print(table)
    if not found:
        raise typer.Exit(1)


def _speaks_of(preset: StylePreset, words: list[str]) -> bool:
    tags = [*preset.base_tags, *preset.instruments, *preset.production, *preset.mood_options]
    own = [preset.style_id, preset.name, preset.category, preset.atmosphere or "", preset.vocal_type or ""]
    text = " ".join([*own, *tags]).casefold()
    return all(word.casefold() in text for word in words)
