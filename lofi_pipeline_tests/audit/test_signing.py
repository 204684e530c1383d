"""A signed audit is proved from its files alone; whatever is changed in them afterwards shows."""

from __future__ import annotations

import base64
import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from lofi_pipeline.audit.signing import (
    SigningError,
    make_key,
    read_private_key,
    read_public_key,
    verify_audit,
)
from lofi_pipeline.storage import DataRoot, append_to_ledger, file_sha256, ledger_path
from lofi_pipeline_tests.audit.test_cli import ID, lofi
from lofi_pipeline_tests.audit.test_tampering import chain_anew, lines

SIGNATURE = "report.intoto.jsonl"


@pytest.fixture
def key(tmp_path: Path, data: DataRoot) -> Path:
    path = tmp_path / "key"
    assert lofi(data, "key", path).exit_code == 0
    return path


@pytest.fixture
def signed(data: DataRoot, key: Path, tmp_path: Path) -> Path:
    """A signed audit on another machine, where no data root is."""
    done = lofi(data, ID, "--quick", "--sign", key)
    assert done.exit_code == 0, done.output
    folder = tmp_path / "elsewhere"
    shutil.move(data.path / "audit" / ID, folder)
    return folder


def independent_encoding(kind: bytes, body: bytes) -> bytes:
    """DSSE's pre-authentication encoding, read from the specification once more."""
    return b" ".join([b"DSSEv1", str(len(kind)).encode("ascii"), kind, str(len(body)).encode("ascii"), body])


def test_the_example_of_the_specification() -> None:
    from lofi_pipeline.audit.signing.envelope import encoding_to_sign

    said = encoding_to_sign("http://example.com/HelloWorld", b"hello world")
    assert said == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"


def test_the_envelope_is_what_the_specifications_say(signed: Path, key: Path) -> None:
    (line,) = (signed / SIGNATURE).read_text().splitlines()
    envelope = json.loads(line)
    assert set(envelope) == {"payload", "payloadType", "signatures"}
    body = base64.b64decode(envelope["payload"], validate=True)
    public = load_pem_public_key(Path(f"{key}.pub").read_bytes())
    signature = base64.b64decode(envelope["signatures"][0]["sig"], validate=True)
    public.verify(signature, independent_encoding(b"application/vnd.in-toto+json", body))  # type: ignore[union-attr]
    with pytest.raises(InvalidSignature):
        public.verify(signature, body)  # type: ignore[union-attr]
    statement = json.loads(body)
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "urn:lofi-pipeline:audit-report:v1"
    hashes = {item["name"]: item["digest"]["sha256"] for item in statement["subject"]}
    there = {path.relative_to(signed).as_posix() for path in signed.rglob("*") if path.is_file()}
    assert set(hashes) == there - {SIGNATURE, "signer.pub"}
    assert all(file_sha256(signed / name) == digest for name, digest in hashes.items())
    report = json.loads((signed / "report.json").read_bytes())
    assert statement["predicate"]["ledger"] == report["integrity"]["ledger"] != None  # noqa: E711
    assert statement["predicate"]["clean"] is True


def test_it_is_verified_in_another_process_where_no_data_root_is(
    signed: Path, key: Path, tmp_path: Path
) -> None:
    command = [
        sys.executable,
        "-m",
        "lofi_pipeline.cli",
        "audit",
        "verify",
        str(signed),
        "--key",
        f"{key}.pub",
    ]
    environment = {**os.environ, "LOFI_DATA_ROOT": str(tmp_path / "nowhere")}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "files are as they were signed" in done.stdout and "chain holds" in done.stdout
    assert not (tmp_path / "nowhere").exists()


def json_change(name: str, change: Callable[[Any], object]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        value = json.loads((folder / name).read_bytes())
        change(value)
        (folder / name).write_text(json.dumps(value))

    return apply


def restate(change: Callable[[Any], object]) -> Callable[[Path], None]:
    """Change the statement in the envelope, and keep the signature."""

    def apply(envelope: Any) -> None:
        statement = json.loads(base64.b64decode(envelope["payload"]))
        change(statement)
        envelope["payload"] = base64.b64encode(json.dumps(statement).encode()).decode()

    return json_change(SIGNATURE, apply)


def cover_up(folder: Path) -> None:
    """The report is changed, and so is its hash in the statement."""
    json_change("report.json", lambda value: value.update(findings=[]))(folder)
    digest = file_sha256(folder / "report.json")
    restate(lambda value: value["subject"][0]["digest"].update(sha256=digest))(folder)


def sign_anew(folder: Path) -> None:
    """By somebody else, with a key of their own."""
    from lofi_pipeline.audit.signing.envelope import signed as make

    public = make_key(folder.parent / "other", DataRoot(folder.parent / "none"))
    key = read_private_key(folder.parent / "other", DataRoot(folder.parent / "none"))
    statement = json.loads(base64.b64decode(json.loads((folder / SIGNATURE).read_text())["payload"]))
    files = {item["name"]: item["digest"]["sha256"] for item in statement["subject"]}
    (folder / SIGNATURE).write_text(make(files, statement["predicate"], key))
    shutil.copy(public, folder / "signer.pub")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (json_change("report.json", lambda value: value.update(findings=[], cost=1.0)), "report.json"),
        (lambda folder: (folder / "tracks.csv").write_text(""), "tracks.csv"),
        (lambda folder: (folder / "tracks.csv").unlink(), "tracks.csv"),
        (lambda folder: (folder / "seals.jsonl").write_text(""), "seals.jsonl"),
        (restate(lambda value: value["predicate"].update(clean=False)), SIGNATURE),
        (restate(lambda value: value["subject"].pop()), SIGNATURE),
        (json_change(SIGNATURE, lambda value: value.update(payloadType="text/plain")), SIGNATURE),
        (json_change(SIGNATURE, lambda value: value["signatures"][0].update(sig="AAAA")), SIGNATURE),
        (json_change(SIGNATURE, lambda value: value.update(payload="*")), "base64"),
        (lambda folder: (folder / SIGNATURE).unlink(), SIGNATURE),
        (lambda folder: (folder / SIGNATURE).write_text("{}"), SIGNATURE),
        (cover_up, SIGNATURE),
        (sign_anew, SIGNATURE),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_whatever_is_changed_shows(
    signed: Path, key: Path, change: Callable[[Path], object], named: str
) -> None:
    change(signed)
    done = lofi_verify(signed, "--key", f"{key}.pub")
    assert done.exit_code == 1 and named in done.output, done.output


def lofi_verify(folder: Path, *arguments: str):
    from typer.testing import CliRunner

    from lofi_pipeline.cli.app import app

    return CliRunner().invoke(app, ["audit", "verify", str(folder), *arguments])


def test_without_a_key_it_is_said_that_nobody_vouches_for_it(signed: Path) -> None:
    done = lofi_verify(signed)
    assert done.exit_code == 0 and "Whose key that is" in done.output
    sign_anew(signed)
    assert lofi_verify(signed).exit_code == 0  # which is why a key is to be given


def test_a_later_ledger_must_have_grown_from_the_one_that_was_signed(
    data: DataRoot, signed: Path, key: Path
) -> None:
    append_to_ledger(data, {"more": "1" * 64})
    assert not verify_audit(signed, key=Path(f"{key}.pub"), later=ledger_path(data)).faults
    chain_anew(
        data, lines(data)[1:]
    )  # whoever writes it anew has a chain that holds, and no way to the signed head
    (fault,) = verify_audit(signed, key=Path(f"{key}.pub"), later=ledger_path(data)).faults
    assert "has not grown from the ledger that was signed" in fault


def test_an_audit_that_is_made_anew_without_a_key_has_no_signature_of_the_earlier_one(
    data: DataRoot, key: Path
) -> None:
    folder = data.path / "audit" / ID
    assert lofi(data, ID, "--quick", "--sign", key).exit_code == 0
    assert (folder / SIGNATURE).is_file()
    assert lofi(data, ID, "--quick").exit_code == 0
    assert not {SIGNATURE, "signer.pub", "seals.jsonl"} & {path.name for path in folder.iterdir()}


def test_a_private_key_is_kept_from_others_and_out_of_the_data_root(data: DataRoot, key: Path) -> None:
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert lofi(data, "key", key).exit_code == 2  # it is never written over
    inside = lofi(data, "key", data.path / "key")
    assert inside.exit_code == 2 and not (data.path / "key").exists()
    key.chmod(0o644)
    done = lofi(data, ID, "--quick", "--sign", key)
    assert done.exit_code == 2 and "chmod 600" in done.output
    assert not (data.path / "audit" / ID).exists()
    shutil.copy2(key, data.path / "copied")
    (data.path / "copied").chmod(0o600)
    assert lofi(data, ID, "--quick", "--sign", data.path / "copied").exit_code == 2


def test_keys_of_other_programs_do_as_well(tmp_path: Path, data: DataRoot) -> None:
    from cryptography.hazmat.primitives import serialization as ser
    from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

    pair = ed25519.Ed25519PrivateKey.generate()
    secret = ser.BestAvailableEncryption(b"secret")
    for number, (form, encryption) in enumerate(
        [
            (ser.PrivateFormat.OpenSSH, ser.NoEncryption()),
            (ser.PrivateFormat.PKCS8, ser.NoEncryption()),
            (ser.PrivateFormat.PKCS8, secret),
        ]
    ):
        path = tmp_path / f"key-{number}"
        path.write_bytes(pair.private_bytes(ser.Encoding.PEM, form, encryption))
        path.chmod(0o600)
        found = read_private_key(path, data, password=lambda: "secret")
        assert found.public_key() == pair.public_key()
    line = tmp_path / "line.pub"
    line.write_bytes(
        pair.public_key().public_bytes(ser.Encoding.OpenSSH, ser.PublicFormat.OpenSSH) + b" me@here\n"
    )
    assert read_public_key(line) == pair.public_key()
    other = tmp_path / "rsa"
    other.write_bytes(
        rsa.generate_private_key(65537, 2048).private_bytes(
            ser.Encoding.PEM, ser.PrivateFormat.PKCS8, ser.NoEncryption()
        )
    )
    other.chmod(0o600)
    with pytest.raises(SigningError, match="no Ed25519 key"):
        read_private_key(other, data)
    with pytest.raises(SigningError, match="is a private key"):
        read_public_key(tmp_path / "key-0")
