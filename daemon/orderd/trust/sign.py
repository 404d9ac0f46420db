"""Signs and verifies in this process. Imports ``cryptography`` late; on hosts only ``__main__`` calls ``verify``."""

from pathlib import Path

from orderd.errors import TrustError
from orderd.trust.keys import key_id, load_private, load_public
from orderd.trust.signature import Purpose, Signature, signed_bytes


def sign(payload: bytes, private_file: Path, purpose: Purpose) -> Signature:
    """Sign the bytes of a manifest.

    Args:
        payload: exactly what will lie beside the signature.
        private_file: PEM, readable by its owner alone.
        purpose: what it may be used for.

    Raises:
        TrustError: the key cannot be used.
    """
    key = load_private(private_file)
    return Signature(key_id=key_id(key.public_key()), signature=key.sign(signed_bytes(purpose, payload)))


def verify(payload: bytes, signature: Signature, trust_dir: Path, purpose: Purpose) -> str:
    """Check who signed something.

    Args:
        payload: the exact bytes.
        signature: from the file beside them.
        trust_dir: public keys that may sign for this purpose.
        purpose: what it is going to be used for.

    Returns:
        The id of the key.

    Raises:
        TrustError: the key is not trusted here, or the bytes are not the ones it signed for this purpose.
    """
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415  only who verifies

    keys = load_public(trust_dir)
    if signature.key_id not in keys:
        raise TrustError(
            f"signed by key {signature.key_id}, which is not trusted here; {trust_dir} holds {', '.join(sorted(keys))}"
        )
    try:
        keys[signature.key_id].verify(signature.signature, signed_bytes(purpose, payload))
    except InvalidSignature as error:
        raise TrustError(
            f"the signature by key {signature.key_id} does not fit: the manifest was changed, or was signed for something else"
        ) from error
    return signature.key_id
