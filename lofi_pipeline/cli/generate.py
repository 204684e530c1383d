"""`lofi generate`: its options, and what it says of what was written."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated

import typer

from lofi_pipeline.cli.console import Base, Config, Data, Json, console, write_json
from lofi_pipeline.cli.root import data_root
from lofi_pipeline.environment import BASE_VARIABLE

_KEY = r"^[A-G](#|b)? (major|minor)$"
_SUITED = "Else what suits the base, or evaluation's setting."
_TRAINED = "Else what is commonest in the checkpoint's data set."


def generate(
    context: typer.Context,
    prompts: Annotated[
        list[str], typer.Option("--prompt", help="Tags, joined by commas; again for another clip.")
    ],
    output: Annotated[
        Path,
        typer.Option("-o", "--output", help="A .wav or .flac file; of several clips, the start of its name."),
    ],
    checkpoint: Annotated[
        str,
        typer.Option("--checkpoint", help="Checkpoint id, its partition key, `best`, or `base` for no LoRA."),
    ] = "best",
    base_too: Annotated[
        bool, typer.Option("--base-too", help="The same without LoRA as well, with the same seeds.")
    ] = False,
    lora_scale: Annotated[
        float, typer.Option(min=0, max=4, help="How strongly the LoRA acts; 1 as it was trained.")
    ] = 1.0,
    seeds: Annotated[
        list[int] | None,
        typer.Option("--seed", help="The same seed gives the same music; again for another clip."),
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(min=1, max=240, help="How long. Else 10, or 30 with a full-size base.")
    ] = None,
    bpm: Annotated[
        int | None, typer.Option(min=30, max=300, help="Tempo; else the one the prompt names.")
    ] = None,
    key: Annotated[str | None, typer.Option(help="Such as `C# minor`. Else A minor.")] = None,
    metre: Annotated[
        int | None, typer.Option(min=1, max=12, help=f"Beats in a bar, such as 4. {_TRAINED}")
    ] = None,
    language: Annotated[
        str | None, typer.Option(help=f"Of the lyrics, such as `en`, or `unknown`. {_TRAINED}")
    ] = None,
    lyrics: Annotated[str | None, typer.Option(help="Lyrics. Else none are sung.")] = None,
    codes: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="A text file with a plan by ACE-Step's language model, <|audio_code_1|> and so on, which also says how long.",
        ),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, max=1000, help=f"From noise to music. {_SUITED}")
    ] = None,
    guidance: Annotated[
        float | None,
        typer.Option(min=1, max=30, help=f"How strongly the prompt is followed; 1: none. {_SUITED}"),
    ] = None,
    shift: Annotated[
        float | None,
        typer.Option(min=0.1, max=10, help=f"More than 1: more steps at high noise. {_SUITED}"),
    ] = None,
    base: Base = None,
    json_file: Json = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Make music with a checkpoint."""
    from lofi_pipeline.cli.generate_clips import Request, generate_to_files

    if codes and seconds:
        raise typer.BadParameter("the codes say how long; leave --seconds out", param_hint="--codes")
    if base:
        os.environ[BASE_VARIABLE] = base
    wanted = Request(
        prompts=prompts,
        output=output,
        checkpoint=checkpoint,
        seconds=seconds,
        bpm=bpm,
        key=_checked_key(key),
        metre=str(metre) if metre else None,
        language=language,
        lyrics=lyrics or "",
        codes=codes,
        seeds=seeds or (0,),
        steps=steps,
        guidance=guidance,
        shift=shift,
        lora_scale=lora_scale,
        base_too=base_too,
    )
    with console.status("generating"):
        made = generate_to_files(data_root(context, data, may_be_new=True), wanted)
    for clip in made:
        console.print(f"Wrote {clip.wrote}", highlight=False, soft_wrap=True)
    write_json(json_file, {"wrote": [clip.wrote for clip in made], "clips": made})


def _checked_key(key: str | None) -> str | None:
    """A key as prompts of training have it, whatever its capitals."""
    if key is None:
        return None
    tonic, _, mode = key.strip().partition(" ")
    written = f"{tonic[:1].upper()}{tonic[1:].lower()} {mode.strip().lower()}"
    if not re.match(_KEY, written):
        raise typer.BadParameter(
            f"{key!r}: a tonic and a mode, such as `C# minor` or `F major`", param_hint="--key"
        )
    return written
