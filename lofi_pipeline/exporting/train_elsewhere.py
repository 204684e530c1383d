"""train.py of a training bundle: sees that every file is the one that was exported, and trains.

    pip install -r requirements.txt && python train.py --base FOLDER_OR_HUB_ID

Several GPUs: accelerate launch train.py --base ... Killed, or stopped with Ctrl-C, the same command goes on from where it was.
Until the files are seen to be right, nothing but Python's own library is used.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path


def changed_files(folder: Path) -> list[str]:
    """The files that bundle.json names and that are missing, or have another hash."""
    files = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))["files"]
    return [name for name, sha256 in sorted(files.items()) if _sha256(folder / name) != sha256]


def _sha256(path: Path) -> str | None:
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--base", help="the base model: a folder in diffusers layout, or a hub id")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    arguments = parser.parse_args()
    folder = Path(__file__).resolve().parent
    if sys.version_info < (3, 11):  # noqa: UP036 - whatever lies on that machine
        print("training failed: this is Python 3.10 or older; take 3.11 or 3.12", file=sys.stderr)
        return 1
    if changed := changed_files(folder):
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        print(
            f"training failed: {changed[0]}{more}: not what was exported; copy the bundle again",
            file=sys.stderr,
        )
        return 1
    sys.path.insert(0, str(folder / "code"))
    from lofi_pipeline.training.bundle import train_bundle

    return train_bundle(folder, arguments.base, arguments.device)


if __name__ == "__main__":
    sys.exit(main())
