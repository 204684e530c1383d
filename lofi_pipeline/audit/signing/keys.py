"""Ed25519 keys of the user's: made, read, and named. A private key never lies under a data root, nor open to others."""

from __future__ import annotations

import base64
import hashlib
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from lofi_pipeline.audit.signing.errors import SigningError
from lofi_pipeline.storage import DataRoot

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

PUBLIC = ".pub"
"""What the name of a public key has behind that of its private key."""
ONE_LINER = "`lofi audit key FILE` makes one"


def make_key(path: Path, root: DataRoot) -> Path:
    """Make a private key in `path`, which only its owner may read, and the public key beside it, whose path is returned.

    Raises:
        SigningError: it would lie under the data root, or something lies there already.
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    _keep_out(path, root)
    key, public = Ed25519PrivateKey.generate(), Path(f"{path}{PUBLIC}")
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    _write_new(path, private, 0o600)
    _write_new(public, public_pem(key.public_key()), 0o644)
    return public


def _write_new(path: Path, data: bytes, mode: int) -> None:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError as error:
        raise SigningError(
            f"{path}: is there already, and a key is never written over; give another name"
        ) from error
    with os.fdopen(handle, "wb") as file:
        os.fchmod(file.fileno(), mode)
        file.write(data)


def _keep_out(path: Path, root: DataRoot) -> None:
    if path.expanduser().resolve().is_relative_to(root.path):
        raise SigningError(
            f"{path}: lies under the data root {root.path}, which is copied and handed on; keep private keys elsewhere"
        )


def read_private_key(
    path: Path, root: DataRoot, *, password: Callable[[], str] = lambda: ""
) -> Ed25519PrivateKey:
    """The key in a PEM (PKCS #8) or OpenSSH file; `password` is asked for where it is encrypted.

    Raises:
        SigningError: it is no Ed25519 key, others may read it, or it lies under the data root.
        OSError: it can't be read.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_ssh_private_key

    _keep_out(path, root)
    if os.name == "posix" and stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise SigningError(f"{path}: others may read this private key; chmod 600 {path}")
    data = path.read_bytes()
    load = load_ssh_private_key if b"OPENSSH PRIVATE KEY" in data else load_pem_private_key
    try:
        try:
            key = load(data, None)
        except (TypeError, ValueError):
            if not _is_encrypted(data):
                raise
            key = load(data, password().encode())
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SigningError(f"{path}: can't be read as a private key ({error}); {ONE_LINER}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise SigningError(f"{path}: is no Ed25519 key; {ONE_LINER}")
    return key


def _is_encrypted(data: bytes) -> bool:
    """Whether a password is needed: PEM says so, of an OpenSSH key it is tried."""
    return b"ENCRYPTED PRIVATE KEY" in data or b"OPENSSH PRIVATE KEY" in data


def read_public_key(path: Path) -> Ed25519PublicKey:
    """The key in a PEM file, or in one with a line such as `ssh-ed25519 AAAA...`.

    Raises:
        SigningError: it is no Ed25519 key.
        OSError: it can't be read.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key, load_ssh_public_key

    data = path.read_bytes()
    if b"PRIVATE KEY" in data:
        raise SigningError(f"{path}: is a private key; give the public one, {path}{PUBLIC}")
    try:
        key = load_ssh_public_key(data) if data.startswith(b"ssh-") else load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SigningError(
            f"{path}: can't be read as a public key ({error}); ask its owner for the .pub file"
        ) from error
    if not isinstance(key, Ed25519PublicKey):
        raise SigningError(f"{path}: is no Ed25519 key; ask its owner for the .pub file")
    return key


def public_pem(key: Ed25519PublicKey) -> bytes:
    """The public key as a PEM file."""
    from cryptography.hazmat.primitives import serialization

    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def name_of(key: Ed25519PublicKey) -> str:
    """How people compare keys: as `ssh-keygen -l` shows it, such as SHA256:3JZ..."""
    from cryptography.hazmat.primitives import serialization

    line = key.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    digest = hashlib.sha256(base64.b64decode(line.split()[1])).digest()
    return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"
