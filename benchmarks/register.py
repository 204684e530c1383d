"""What it costs to register many files: CPU time and memory, at two sizes, side by side with another checkout.

    python -m benchmarks.register [--drops 1000 2000] [--files 10] [--bytes 4096] [--against CHECKOUT]

Makes data roots of drops with various licences in a temporary folder. Measures in a process each: the first registration, a
second one with nothing changed, and the look for changed drops that the sensor takes every ten seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

CHECKOUT = Path(__file__).parents[1]
STEPS = ("first time", "nothing changed", "look for changes")
LICENCES = (
    "CC0 1.0", "CC BY 4.0", "CC BY-SA 4.0", "CC BY-NC 4.0", "CC-BY-4.0 OR CC0-1.0", "Public Domain", "all good, trust me",
)  # fmt: skip
"""Permitted ones, forbidden ones, an expression, and one that the policy does not know."""


@dataclass(frozen=True)
class Cost:
    """What one step took, beside the imports; `grown` is how far the peak of memory rose above what the imports took."""

    cpu: float
    wall: float
    grown: int


def make_root(root: Path, drops: int, files: int, size: int) -> None:
    """A data root with drops of so many files, all with contents of their own."""
    for drop in range(drops):
        folder = root / "raw" / "creative-commons" / f"drop-{drop:05d}"
        folder.mkdir(parents=True)
        names = [f"{number:03d} a song.mp3" for number in range(files)]
        for number, name in enumerate(names):
            content = f"{drop} {number} ".encode()
            (folder / name).write_bytes((content * (size // len(content) + 1))[:size])
        source = {
            "source_id": f"source-{drop:05d}",
            "source_type": "creative_commons",
            "provider": f"Somebody {drop % 100}",
            "license_type": LICENCES[drop % len(LICENCES)],
            "date_acquired": "2025-01-15",
            "defaults": {"style_ids": ["CORE-01"], "artist": f"Somebody {drop % 100}"},
            "files": {name: {"title": f"Song {name[:3]}"} for name in names[::2]},
            "url": f"https://example.org/{drop}",
        }
        (folder / "source.json").write_text(json.dumps(source), encoding="utf-8")


def measure(root: Path, step: str) -> Cost:
    """Do one step in this very process."""
    from lofi_pipeline.config import load_config
    from lofi_pipeline.ingest import changed_drops, load_scan, register_sources
    from lofi_pipeline.storage import DataRoot
    from lofi_pipeline.styles import load_presets

    data_root, config, styles = DataRoot(root), load_config(), set(load_presets())

    def register() -> None:
        register_sources(data_root, config, style_ids=styles)

    def look() -> None:
        changed_drops(data_root, load_scan(data_root), style_ids=styles, licensing=config.licensing)

    work: Callable[[], None] = look if step == STEPS[2] else register
    cpu, wall, peak = _cpu_seconds(), time.perf_counter(), _peak_bytes()
    work()
    return Cost(_cpu_seconds() - cpu, time.perf_counter() - wall, _peak_bytes() - peak)


def _cpu_seconds() -> float:
    return sum(
        used.ru_utime + used.ru_stime
        for used in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def _peak_bytes() -> int:
    # As benchmarks/memory.py, which a checkout that is measured may not have
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) << 10


def measured_apart(checkout: Path, root: Path, step: str) -> Cost:
    """Do one step with the code of a checkout, in a process of its own."""
    command = [sys.executable, str(Path(__file__)), "--measure", str(root), step]
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    done = subprocess.run(
        command, env=environment, cwd=root, check=True, stdout=subprocess.PIPE, encoding="utf-8"
    )
    return Cost(**json.loads(done.stdout.splitlines()[-1]))


def compare(checkouts: dict[str, Path], drops: int, files: int, size: int) -> None:
    """Print a row for each step and checkout."""
    for name, checkout in checkouts.items():
        with TemporaryDirectory(prefix="lofi-register-") as folder:
            make_root(Path(folder), drops, files, size)
            for step in STEPS:
                cost, number = measured_apart(checkout, Path(folder), step), drops * files
                print(
                    f"| {drops} x {files} | {step} | {name} | {cost.cpu:.1f} | {cost.wall:.1f} | {number / cost.cpu:.0f} |"
                    f" {drops / cost.cpu:.0f} | {cost.grown / 2**20:.0f} | {cost.grown / number:.0f} |",
                    flush=True,
                )


def main() -> None:
    """Print a table; the files and drops a second are of CPU time."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--drops", type=int, nargs="+", default=[1000, 2000], help="how many, for each table")
    parser.add_argument("--files", type=int, default=10, help="in each drop")
    parser.add_argument("--bytes", type=int, default=4096, help="of each file")
    parser.add_argument("--against", type=Path, help="another checkout of this project to measure as well")
    parser.add_argument("--measure", nargs=2, metavar=("ROOT", "STEP"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        print(json.dumps(asdict(measure(Path(given.measure[0]), given.measure[1]))))
        return
    checkouts = {"that one": given.against, "this one": CHECKOUT} if given.against else {"this one": CHECKOUT}
    print("| drops x files | step | checkout | CPU s | wall s | files/s | drops/s | peak MB | bytes a file |")
    print("|---" * 9 + "|")
    for drops in given.drops:
        compare(checkouts, drops, given.files, given.bytes)


if __name__ == "__main__":
    main()
