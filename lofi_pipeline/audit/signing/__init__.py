"""Audits that can be proved elsewhere: signed with a key of the user's, and verified from the files alone.

envelope.py knows the format, keys.py the keys, bundle.py which files belong together.
"""

from lofi_pipeline.audit.signing.bundle import Verified, sign_audit, verify_audit
from lofi_pipeline.audit.signing.errors import SigningError
from lofi_pipeline.audit.signing.keys import make_key, read_private_key, read_public_key

__all__ = [
    "SigningError",
    "Verified",
    "make_key",
    "read_private_key",
    "read_public_key",
    "sign_audit",
    "verify_audit",
]
