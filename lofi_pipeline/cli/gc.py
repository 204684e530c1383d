"""`lofi gc`: what nothing needs any more, of tracks whose files are gone and under cache/; listed, and removed where asked."""

from __future__ import annotations

from typing import Annotated

import typer

from lofi_pipeline.cli.console import Data, Json, console, folding, sanitize, write_json
from lofi_pipeline.cli.root import data_root


def gc(
    context: typer.Context,
    remove: Annotated[bool, typer.Option("--remove", help="Remove what is listed.")] = False,
    json_file: Json = None,
    data: Data = None,
) -> None:
    """List what was made of music that lies in data/raw no more, and is in the data set no more; --remove removes it.

    Those are copies of the music: processed audio, prompts, lyrics and encodings. Beside them goes what cache/ keeps of sounds that
    no record, no data set version and no score names: of tracks that were processed anew, of clips that are gone. Track ids, records,
    fingerprints, versions and checkpoints stay, for audits. Should it be needed again, the next `lofi run` makes it.
    """
    from lofi_pipeline.dataset.gone import gone_files, remove_gone
    from lofi_pipeline.dataset.unneeded import unneeded_files

    root = data_root(context, data)
    found = gone_files(root)
    listed = {(item.path, item.entry) for item in found}
    found += [item for item in unneeded_files(root) if (item.path, item.entry) not in listed]
    write_json(json_file, {"removed": remove, "files": found})
    table = folding("track", "file", "kB")
    for item in found:
        table.add_row(item.track_id, sanitize(item.path), f"{item.size / 1e3:.0f}")
    if found:
        console.print(table)
    total = f"{len(found)} files, {sum(item.size for item in found) / 1e6:.1f} MB"
    if remove:
        remove_gone(root, found)
        console.print(f"Removed {total}.")
    else:
        console.print(
            f"{total} can be removed: lofi gc --remove" if found else "There is nothing that is not needed."
        )
