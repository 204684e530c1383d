"""Makes the data root that later commits must go on with: see README.md beside this file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import soundfile
import yaml

from lofi_pipeline.entities import SourceType
from lofi_pipeline.storage import DataRoot
from lofi_pipeline_tests.drops import CONTRACT, GRANT, SECONDS, facts, make_drop, song

WHOLE_SECOND = 1_790_000_000
"""Archives keep no fractions of a second of a file's time, and the scan looks at times."""
PRESET: dict[str, Any] = {
    "checkpoint_interval": 2,
    "max_steps": 4,
    "batch_size": 3,
    "crop_seconds": 2.0,
    "learning_rate": 0.001,
    "warmup_steps": 1,
    "lora_rank": 1,
    "lora_alpha": 2,
    "lora_targets": ["to_q"],
    "precision": "fp32",
    "validation_batches": 1,
}
EVALUATION = {
    "clip_seconds": 4.0,
    "inference_steps": 2,
    "validation_prompts": 2,
    "style_prompts": False,
    "embedder": "nano",
}


def _small(seed: int, seconds: float = SECONDS) -> bytes:
    """A song as a small Ogg Vorbis file."""
    samples, rate = soundfile.read(song(seed, seconds), always_2d=True)
    path = song(seed, seconds).with_suffix(".ogg")
    soundfile.write(path, samples, rate, format="OGG", subtype="VORBIS", compression_level=0.8)
    return path.read_bytes()


def _write_drops(root: DataRoot) -> None:
    titles = {f"c{n}.ogg": {"title": f"Number {n}", "artist": "tests"} for n in (0, 1)}
    titles["c0.ogg"] |= {"lyrics": "words.txt", "language": "en", "vocals": True}  # pyright: ignore[reportArgumentType]
    files = {f"c{n}.ogg": _small(n) for n in (0, 1, 4)} | {"short.ogg": _small(20, 6.0)}
    files["words.txt"] = b"[Verse]\nslow rain on the window\n"
    make_drop(root, "commons", files, facts(license_type="CC BY 4.0", files=titles))
    sessions = facts(
        SourceType.COMMISSIONED,
        license_type="AI Training Rights",
        verified_by="tests",
        grant=GRANT,
        defaults={"style_ids": ["INST-01"]},
    )
    make_drop(root, "sessions", CONTRACT | {"m2.ogg": _small(2)}, sessions, kind=SourceType.COMMISSIONED)
    make_drop(
        root,
        "forbidden",
        {"nd.ogg": _small(21, 2.0)},
        facts(source_id="nd", license_type="CC BY-NC-ND 4.0"),
    )
    make_drop(root, "leaves", {"w.ogg": _small(3)}, facts(source_id="leaves", license_type="CC BY 4.0"))
    for path in root.raw.rglob("*"):
        os.utime(path, (WHOLE_SECOND, WHOLE_SECOND))


def _write_config(folder: Path) -> None:
    folder.mkdir(parents=True)
    for path in Path("config").glob("*.yaml"):
        (folder / path.name).write_bytes(path.read_bytes())
    settings = yaml.safe_load((folder / "pipeline.yaml").read_text(encoding="utf-8"))
    settings["dataset"]["validation_ratio"] = 0.34
    settings["ingest"]["stable_seconds"] = 0.0
    settings["training"] = {"base": "nano", "active": "toy", "presets": {"toy": PRESET}}
    settings["evaluation"] |= EVALUATION
    (folder / "pipeline.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")


def main(folder: Path) -> None:
    """Drops, a training, a withdrawal, another training, and an audit of each checkpoint; then the archive beside it."""
    root = DataRoot(folder / "data").create()
    _write_drops(root)
    _write_config(folder / "config")
    environment = os.environ | {"LOFI_CONFIG_ROOT": str(folder / "config"), "OMP_NUM_THREADS": "1"}

    def lofi(*arguments: str) -> None:
        command = [sys.executable, "-m", "lofi_pipeline.cli", *arguments, "--data", str(root.path)]
        print(arguments, subprocess.run(command, env=environment).returncode, flush=True)

    lofi("run")
    lofi("audit", "source", "leaves", "--withdraw", "--reason", "contract ended")
    lofi("run")
    lofi("run", "--json", str(folder / "said.json"))
    for path in sorted(root.checkpoints.rglob("checkpoint.json")):
        record = json.loads(path.read_bytes())
        lofi("audit", f"{record['lineage']['lineage'][:8]}-step{record['checkpoint']['step']:06d}")
    _pack(folder, root)


def _pack(folder: Path, root: DataRoot) -> None:
    def left_out(info: tarfile.TarInfo) -> tarfile.TarInfo | None:
        latents = f"data/{root.relative(root.cache / 'latents')}"
        if info.name.endswith(".lock") or info.name.startswith(latents):
            return None
        info.uid = info.gid = 0
        info.uname = info.gname = ""
        info.mtime = int(info.mtime)
        return info

    with tarfile.open(folder / "data-root.tar.xz", "w:xz") as archive:
        for name in ("data", "config", "said.json"):
            archive.add(folder / name, arcname=name, filter=left_out)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
