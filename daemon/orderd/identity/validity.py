"""From when until when a certificate holds, read from its PEM. Pure; no crypto library, which would cost orderd 10 MiB.

gRPC has verified the certificate before it is read here; this only finds the two dates in it.
"""

import base64
import binascii
from datetime import UTC, datetime
from typing import Final

_SEQUENCE: Final = 0x30
_VERSION: Final = 0xA0
_UTC_TIME: Final = 0x17
_GENERALIZED_TIME: Final = 0x18
_BEGIN: Final = b"-----BEGIN CERTIFICATE-----"
_END: Final = b"-----END CERTIFICATE-----"
_BYTES_MAX: Final = 64 << 10
_CENTURY: Final = 50
"""Two-digit years below this are of this century."""


def _element(data: bytes, at: int) -> tuple[int, int, int]:
    """Return tag, start of content and end of the element at a place."""
    tag, length, start = data[at], data[at + 1], at + 2
    if length & 0x80:
        size = length & 0x7F
        if not 1 <= size <= 4:  # noqa: PLR2004  four bytes are 4 GiB
            raise ValueError("a length that is not DER")
        length, start = int.from_bytes(data[start : start + size], "big"), start + size
    if start + length > len(data):
        raise ValueError("cut short")
    return tag, start, start + length


def _time(data: bytes, at: int) -> tuple[float, int]:
    tag, start, end = _element(data, at)
    text = data[start:end].decode("ascii")
    if tag == _UTC_TIME:
        text = ("20" if int(text[:2]) < _CENTURY else "19") + text
    elif tag != _GENERALIZED_TIME:
        raise ValueError("no time where one belongs")
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp(), end


def _dates(data: bytes) -> tuple[float, float]:
    _, inside, _ = _element(data, 0)
    _, at, _ = _element(data, inside)
    if data[at] == _VERSION:
        at = _element(data, at)[2]
    for _ in ("serial number", "signature algorithm", "issuer"):
        at = _element(data, at)[2]
    tag, at, _ = _element(data, at)
    if tag != _SEQUENCE:
        raise ValueError("no validity where one belongs")
    begins, at = _time(data, at)
    return begins, _time(data, at)[0]


def validity(pem: bytes) -> tuple[float, float]:
    """Return the first and the last moment of the first certificate of a PEM, seconds since 1970.

    Raises:
        ValueError: there is no certificate in it that can be read.

    References:
        RFC 5280, section 4.1: Certificate, TBSCertificate, Validity; times are in UTC and end in Z.
    """
    begin, end = pem.find(_BEGIN), pem.find(_END)
    if not 0 <= begin < end or end - begin > _BYTES_MAX:
        raise ValueError("no certificate in PEM")
    try:
        return _dates(base64.b64decode(b"".join(pem[begin + len(_BEGIN) : end].split()), validate=True))
    except (ValueError, IndexError, OverflowError, binascii.Error) as error:
        msg = f"the certificate's dates cannot be read: {error}"
        raise ValueError(msg) from error
