"""The signature itself: a DSSE envelope around an in-toto Statement v1.

https://github.com/secure-systems-lab/dsse/blob/master/protocol.md, https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, Field, StringConstraints, ValidationError

from lofi_pipeline.audit.signing.errors import SigningError
from lofi_pipeline.audit.signing.keys import name_of
from lofi_pipeline.entities.base import RelativePath, Sha256

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "urn:lofi-pipeline:audit-report:v1"


class Digest(BaseModel):
    """Of a file; digests of other kinds are not looked at."""

    sha256: Sha256


class SignedFile(BaseModel):
    """A file that the statement is about."""

    name: RelativePath
    digest: Digest


class Statement(BaseModel):
    """What is signed. Fields that we do not know are passed over, as the specification asks."""

    type: Literal["https://in-toto.io/Statement/v1"] = Field(alias="_type")
    subject: list[SignedFile] = Field(min_length=1)
    predicateType: str
    predicate: dict[str, Any] = Field(default_factory=dict)


class Signature(BaseModel):
    """One signature over the payload."""

    keyid: str = ""
    sig: Annotated[str, StringConstraints(max_length=200)]


class Envelope(BaseModel):
    """The file report.intoto.jsonl."""

    payload: str
    payloadType: str
    signatures: list[Signature] = Field(min_length=1, max_length=20)

    @property
    def content(self) -> bytes:
        """The payload's bytes.

        Raises:
            SigningError: it is not base64.
        """
        return _decoded(self.payload)


def _decoded(text: str) -> bytes:
    """Base64 of either alphabet, as the specification asks of whoever verifies."""
    try:
        return base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise SigningError(
            f"the envelope's base64 can't be read: {error}; take the file back from who signed it"
        ) from error


def encoding_to_sign(payload_type: str, payload: bytes) -> bytes:
    """The bytes that are signed: DSSE's pre-authentication encoding."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def signed(files: Mapping[str, str], predicate: Mapping[str, Any], key: Ed25519PrivateKey) -> str:
    """The envelope, as one line. `files`: the SHA-256 of each, by name."""
    statement = {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": name, "digest": {"sha256": digest}} for name, digest in files.items()],
        "predicateType": PREDICATE_TYPE,
        "predicate": predicate,
    }
    payload = json.dumps(statement, ensure_ascii=True).encode()
    signature = key.sign(encoding_to_sign(PAYLOAD_TYPE, payload))
    envelope = {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": PAYLOAD_TYPE,
        "signatures": [{"keyid": name_of(key.public_key()), "sig": base64.b64encode(signature).decode()}],
    }
    return json.dumps(envelope) + "\n"


def read_envelope(data: bytes, *, where: str) -> Envelope:
    """The envelope in a file.

    Raises:
        SigningError: it is none.
    """
    try:
        return Envelope.model_validate_json(data)
    except ValidationError as error:
        raise SigningError(
            f"{where}: is no DSSE envelope ({error.errors()[0]['msg']}); take it back from who signed it"
        ) from error


def is_signed_by(envelope: Envelope, key: Ed25519PublicKey) -> bool:
    """Whether one of the signatures is the key's, over exactly this payload and type."""
    from cryptography.exceptions import InvalidSignature

    signed_bytes = encoding_to_sign(envelope.payloadType, envelope.content)
    for signature in envelope.signatures:
        try:
            key.verify(_decoded(signature.sig), signed_bytes)
        except InvalidSignature:
            continue
        return True
    return False


def read_statement(envelope: Envelope, *, where: str) -> Statement:
    """What was signed. Ask `is_signed_by` first.

    Raises:
        SigningError: it is no statement about an audit of ours.
    """
    if envelope.payloadType != PAYLOAD_TYPE:
        raise SigningError(f"{where}: holds {envelope.payloadType!r:.80}, not an in-toto statement")
    try:
        statement = Statement.model_validate_json(envelope.content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(step) for step in first["loc"])
        raise SigningError(f"{where}: is no in-toto statement: {place}: {first['msg']}") from error
    if statement.predicateType != PREDICATE_TYPE:
        raise SigningError(
            f"{where}: is a statement of another kind ({statement.predicateType!r:.80}), not about an audit"
        )
    return statement
