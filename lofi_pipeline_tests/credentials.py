"""Content credentials for files of tests: signed by the Content Authenticity Initiative's library, with certificates made here."""

import io
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache

import c2pa
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

MADE = {
    "action": "c2pa.created",
    "digitalSourceType": "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture",
}


def signed(
    music: bytes, media_type: str, uses: Mapping[str, object], *, by: str = "cawg", made_from: bytes = b""
) -> bytes:
    """A file with credentials. `uses`: entries of the assertion on training, without the prefix `by`; `made_from`: a WAV."""
    entries = {f"{by}.{use}": {"use": said} if isinstance(said, str) else said for use, said in uses.items()}
    assertions: list[object] = [{"label": "c2pa.actions", "data": {"actions": [MADE]}}]
    if entries:
        assertions.append({"label": f"{by}.training-mining", "data": {"entries": entries}})
    builder = c2pa.Builder({"claim_generator_info": [{"name": "tests"}], "assertions": assertions})
    if made_from:
        builder.add_ingredient(
            {"title": "a part", "relationship": "componentOf"}, "audio/wav", io.BytesIO(made_from)
        )
    out = io.BytesIO()
    builder.sign(_signer(), media_type, io.BytesIO(music), out)
    return out.getvalue()


@cache
def _signer() -> c2pa.Signer:
    root, leaf = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    chain = _certificate("leaf", leaf, root, authority=False) + _certificate(
        "root", root, root, authority=True
    )
    key = leaf.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return c2pa.Signer.from_info(c2pa.C2paSignerInfo("es256", chain, key, None))


def _certificate(
    name: str, key: ec.EllipticCurvePrivateKey, by: ec.EllipticCurvePrivateKey, *, authority: bool
) -> bytes:
    may_sign = dict.fromkeys(
        (
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name("root"))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(digital_signature=True, key_cert_sign=authority, crl_sign=authority, **may_sign),
            critical=True,
        )
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(by.public_key()), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if not authority:
        made = made.add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False
        )
    return made.sign(by, hashes.SHA256()).public_bytes(Encoding.PEM)


def _name(common: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Tests"),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )
