"""Where the project lies: a checkout, or an installed package; and the files that come with it.

Nothing of a data root belongs here (that is `storage`), and nothing of what can be set (`config`, `environment`).
"""

from __future__ import annotations

import hashlib
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
PROJECT_ROOT = PACKAGE.parent
"""The folder that holds the package: the checkout, where there is one."""
RESOURCES = PACKAGE / "_resources"
"""What only a wheel has: the copies of config/, dagster.yaml and workspace.yaml that hatch_build.py puts there."""


def is_installed() -> bool:
    """Whether this is a package that was installed from a wheel, not a checkout."""
    return RESOURCES.is_dir()


def shipped(name: str) -> Path:
    """A file or folder that comes with the project, such as `config/pipeline.yaml`: people edit it in a checkout alone."""
    return (RESOURCES if is_installed() else PROJECT_ROOT) / name


def working_folder() -> Path:
    """Where data/, demo-data/ and weights/ lie by default: the checkout; for an installed package the working directory."""
    return Path.cwd() if is_installed() else PROJECT_ROOT


DECIDING = ("av", "lameenc", "librosa", "numpy", "pydantic", "scipy", "soundfile", "soxr")
"""Packages whose versions decide what is written of a track."""


@cache
def code_version() -> str:
    """Twelve digits that are the same where the same work gives the same bytes: of the sources, Python, and the packages that decide."""
    digest = hashlib.sha256(f"{sys.version_info[:2]}".encode())
    for path in sorted(PACKAGE.rglob("*.py")):
        digest.update(path.relative_to(PACKAGE).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    for name in DECIDING:
        digest.update(f"{name} {_version_of(name)}\n".encode())
    return digest.hexdigest()[:12]


def _version_of(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"
