"""Where the project lies: a checkout, or an installed package; and the files that come with it.

Nothing of a data root belongs here (that is `storage`), and nothing of what can be set (`config`, `environment`).
"""

from __future__ import annotations

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
