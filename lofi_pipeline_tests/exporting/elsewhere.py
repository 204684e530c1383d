"""A machine on which nothing is installed but what a bundle's requirements.txt names."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ABSENT = [
    "dagster",
    "av",
    "joblib",
    "laion_clap",
    "lameenc",
    "librosa",
    "license_expression",
    "mlcroissant",
    "pypdf",
    "scipy",
    "soundfile",
    "soxr",
    "starlette",
    "tinytag",
    "torchaudio",
    "torchvision",
    "uvicorn",
]
"""What is not on a machine that has the bundle's requirements alone, or need not be."""
ELSEWHERE = """
import runpy, sys
for name in {absent!r}:
    sys.modules[name] = None
sys.argv = [{script!r}, "--device", "cpu", "--base", {base!r}]
code = 0
try:
    runpy.run_path({script!r}, run_name="__main__")
except SystemExit as end:
    code = end.code
ours = [module.__file__ for name, module in sys.modules.items() if name.split(".")[0] == "lofi_pipeline"]
assert all(file.startswith({folder!r}) for file in ours), ours
sys.exit(code)
"""


def train_elsewhere(bundle: Path, base: Path, *, processes: int = 1) -> subprocess.CompletedProcess[str]:
    """Start train.py with the packages absent that the pipeline has beside the trainer's; several processes by accelerate."""
    script = ELSEWHERE.format(
        absent=ABSENT, script=str(bundle / "train.py"), base=str(base), folder=str(bundle)
    )
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LOFI_")}
    environment = kept | {"OMP_NUM_THREADS": "1", "LOFI_TORCH_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    environment.pop("PYTHONPATH", None)
    command = [sys.executable, "-c", script]
    if processes > 1:
        several = bundle.parent / "several.py"
        several.write_text(script, encoding="utf-8")
        count = str(processes)
        launch = [
            "-m",
            "accelerate.commands.launch",
            "--cpu",
            "--num_machines",
            "1",
            "--num_processes",
            count,
        ]
        command = [sys.executable, *launch, "--mixed_precision", "no", "--dynamo_backend", "no", str(several)]
    return subprocess.run(
        command,
        cwd=bundle.parent,
        env=environment,
        capture_output=True,
        text=True,
        timeout=500,
    )
