"""What a signature is made of, and the file it is kept in. Pure.

What is signed is the purpose, a zero byte and the exact bytes of a manifest: a signature by a model key over a file that happens
to be a playbook manifest counts for nothing, because the signed bytes differ.
"""

from enum import StrEnum
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from orderd.errors import TrustError

SIGNATURE_FILE: Final = "manifest.sig"
SIGNATURE_FILE_BYTES_MAX: Final = 4096
_SIGNATURE_BYTES: Final = 64

KeyId = Annotated[str, Meta(pattern=r"^[0-9a-f]{16}$")]


class Purpose(StrEnum):
    """What a signature may be used for; part of the signed bytes."""

    MODEL = "orderd-model-v1"
    PLAYBOOKS = "orderd-playbooks-v1"


class Signature(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A signature beside what it signs.

    Attributes:
        key_id: of the key that made it: the first 16 hex digits of the sha256 of the raw public key.
        signature: Ed25519, 64 bytes; base64 in the file.
    """

    key_id: KeyId
    signature: Annotated[bytes, Meta(min_length=_SIGNATURE_BYTES, max_length=_SIGNATURE_BYTES)]


def signed_bytes(purpose: Purpose, payload: bytes) -> bytes:
    """Return what Ed25519 signs."""
    return purpose.encode() + b"\0" + payload


def encode_signature(signature: Signature) -> bytes:
    """Return the text of manifest.sig."""
    return msgspec.json.encode(signature) + b"\n"


def decode_signature(raw: bytes, where: str) -> Signature:
    """Read manifest.sig.

    Args:
        raw: the file's bytes.
        where: its path, for messages.

    Raises:
        TrustError: it is too long, no signature, or not spelled as ``encode_signature`` does.
    """
    if len(raw) > SIGNATURE_FILE_BYTES_MAX:
        raise TrustError(f"{where}: {len(raw)} bytes; a signature has at most {SIGNATURE_FILE_BYTES_MAX}")
    try:
        signature = msgspec.json.decode(raw, type=Signature)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise TrustError(f"{where}: no signature: {error}") from error
    if encode_signature(signature) != raw:
        # Base64 and JSON have several spellings of one value; one signature has one file.
        raise TrustError(f"{where}: no signature as orderd writes it")
    return signature
