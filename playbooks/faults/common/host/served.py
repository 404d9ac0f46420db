"""Which certificate a server shows. Touches: one TLS handshake, which proves nothing and so checks nothing."""

from __future__ import annotations

import ssl

TIMEOUT_S = 2.0


def certificate(address: str) -> str:
    """Return the certificate served at ``HOST:PORT``, as PEM.

    Raises:
        OSError: nobody answers there, or not in TLS.
    """
    host, _, port = address.rpartition(":")
    return ssl.get_server_certificate((host, int(port)), timeout=TIMEOUT_S)


def same(one: str, other: str) -> bool:
    """Tell whether two PEM texts are the same certificate, however their lines are broken."""
    return ssl.PEM_cert_to_DER_cert(one.strip()) == ssl.PEM_cert_to_DER_cert(other.strip())
