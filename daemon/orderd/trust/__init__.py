"""Who may change what decides here: Ed25519 signatures, key files, and the highest serial seen.

Two purposes, two keys: whoever signs playbooks may run anything as root, whoever signs models may only choose among playbooks.
``cryptography`` is imported inside the functions that compute, on hosts only in a process that is thrown away (``elsewhere``).
"""

from orderd.trust.elsewhere import verify_elsewhere
from orderd.trust.floor import Floor, Seen
from orderd.trust.signature import SIGNATURE_FILE, Purpose, Signature, decode_signature, encode_signature
from orderd.trust.terms import check_term, utc_seconds

__all__ = [
    "SIGNATURE_FILE",
    "Floor",
    "Purpose",
    "Seen",
    "Signature",
    "check_term",
    "decode_signature",
    "encode_signature",
    "utc_seconds",
    "verify_elsewhere",
]
