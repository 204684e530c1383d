"""Fetch the browser libraries anew from the npm registry: `make web`. What comes must be what was looked at: its hash is here."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from lofi_pipeline import web

SHIPPED = Path(web.__file__).parent / "static" / "vendor"
FOR_TESTS = Path(__file__).parent / "axe"


@dataclass(frozen=True)
class Library:
    """One release, and which of its files are kept: by name in the package, the name here, and the SHA-256."""

    name: str
    version: str
    licence: str
    folder: Path
    files: dict[str, tuple[str, str]]


LIBRARIES = (
    Library(
        "htmx.org",
        "4.0.1",
        "0BSD",
        SHIPPED,
        {
            "dist/htmx.min.js": (
                "htmx.min.js",
                "a0abb04f2f45a1f89d1d4844023245537e5e6014c87b144553e0607b4cc32130",
            ),
            "LICENSE": ("htmx.LICENSE", "d3d2456f76414f2456104660ebd65aff1c04cd7966b942bdabd63f3cdb316a38"),
        },
    ),
    Library(
        "wavesurfer.js",
        "8.0.1",
        "BSD-3-Clause",
        SHIPPED,
        {
            "dist/wavesurfer.esm.js": (
                "wavesurfer.esm.js",
                "079f3b142f37737f975b03ea8fd18652a316dc2120a2629aeca0844a0c08f2b1",
            ),
            "dist/plugins/regions.esm.js": (
                "wavesurfer-regions.esm.js",
                "f3b9a81f56d0301affbeb5693dc9c43527efd6e97e534f17329192a7ce7fc4d4",
            ),
            "LICENSE": (
                "wavesurfer.LICENSE",
                "0fc992dc27cc34dde78bfeb024b4cadff6320f0dcbee2f1228efaeb533ca1364",
            ),
        },
    ),
    Library(
        "axe-core",
        "4.14.1",
        "MPL-2.0",
        FOR_TESTS,
        {
            "axe.min.js": ("axe.min.js", "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"),
            "LICENSE": ("axe.LICENSE", "af175b9d96ee93c21a036152e1b905b0b95304d4ae8c2c921c7609100ba8df7e"),
        },
    ),
)


def fetch(library: Library, scratch: Path) -> None:
    """Put the files of a library where they belong.

    Raises:
        SystemExit: a file is another one than was looked at.
    """
    asked = ["npm", "pack", "--silent", f"{library.name}@{library.version}"]
    packed = subprocess.run(asked, cwd=scratch, check=True, capture_output=True, text=True).stdout.strip()
    library.folder.mkdir(exist_ok=True)
    with tarfile.open(scratch / packed) as archive:
        for inside, (name, sha256) in library.files.items():
            member = archive.extractfile(f"package/{inside}")
            assert member, inside
            content = member.read()
            if (found := hashlib.sha256(content).hexdigest()) != sha256:
                sys.exit(f"{library.name} {library.version}: {inside} has the hash {found}, not {sha256}")
            (library.folder / name).write_bytes(content)


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        for library in LIBRARIES:
            fetch(library, Path(folder))
            print(f"{library.name} {library.version} ({library.licence}) -> {library.folder}")
