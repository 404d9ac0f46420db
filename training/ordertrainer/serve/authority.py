"""The fleet's certificate authority: one key, and certificates that hold for a day. Touches DATA/authority.

ECDSA over P-256 throughout: BoringSSL, which gRPC brings, takes no Ed25519 certificates unless it is told to. The key is made at
first use, in one step and for its owner alone, so that two programs that start at once find one authority. Only public keys are
taken from requests: names, dates and uses are the authority's own.
"""

import contextlib
import ipaddress
import os
import secrets
import stat
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from orderd.domain.peers import PeerName, Role
from ordertrainer.serve.errors import ServeError

LIFETIME_S: Final = 86_400.0
FLEET: Final = "fleet"
REQUEST_BYTES_MAX: Final = 4096
_AUTHORITY_DAYS: Final = 3650
_SKEW_S: Final = 300.0
"""Certificates begin this long ago, for hosts whose clock is a little behind."""
_OTHERS: Final = 0o077

PublicKey = ec.EllipticCurvePublicKey


def read_request(der: bytes) -> PublicKey:
    """Return the key a certificate is asked for.

    Args:
        der: PKCS #10, in DER.

    Raises:
        ValueError: it is no request, its key is not P-256, or whoever sent it does not hold the key.
    """
    if not 0 < len(der) <= REQUEST_BYTES_MAX:
        raise ValueError(f"certificate_request: {len(der)} bytes; 1 to {REQUEST_BYTES_MAX} are allowed")
    try:
        request = x509.load_der_x509_csr(der)
        key = request.public_key()
        good = request.is_signature_valid
    except (ValueError, TypeError, InvalidSignature) as error:
        raise ValueError(f"certificate_request: cannot be read: {error}") from error
    if not (isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1)):
        raise ValueError("certificate_request: only keys of the curve P-256 are certified")  # noqa: TRY004  a stranger's content
    if not good:
        raise ValueError("certificate_request: not signed with its own key")
    return key


class Authority:
    """Signs certificates of one fleet."""

    def __init__(
        self, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate, *, utc: Callable[[], float] = time.time
    ) -> None:
        """Use a key and its certificate; `open_authority` finds or makes them.

        Args:
            key: of the authority.
            certificate: of the authority.
            utc: seconds since 1970; dates what is signed.
        """
        self._key = key
        self._certificate = certificate
        self._utc = utc
        (name,) = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
        self.fleet = str(name.value)
        self.pem = certificate.public_bytes(serialization.Encoding.PEM).decode()

    def issue(
        self,
        key: PublicKey,
        name: PeerName,
        *,
        addresses: Sequence[str] = (),
        lifetime_s: float = LIFETIME_S,
        serves: bool = False,
    ) -> str:
        """Return a certificate, PEM.

        Args:
            key: whose.
            name: who that is.
            addresses: DNS names and IP addresses it may answer at, by the fleet owner's word.
            lifetime_s: seconds from now until it ends.
            serves: it is a server's and no client's.
        """
        now = datetime.fromtimestamp(self._utc(), UTC)
        uses = [ExtendedKeyUsageOID.SERVER_AUTH] if serves else [ExtendedKeyUsageOID.CLIENT_AUTH]
        if name.role is Role.HOST and not serves:
            uses.append(ExtendedKeyUsageOID.SERVER_AUTH)
        names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(str(name)), *map(_general_name, addresses)]
        built = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name.who)]))
            .issuer_name(self._certificate.subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(seconds=min(_SKEW_S, lifetime_s / 10)))
            .not_valid_after(now + timedelta(seconds=lifetime_s))
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.ExtendedKeyUsage(uses), critical=False)
            .add_extension(_usage(signs_certificates=False), critical=True)
        )
        signed = built.sign(self._key, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM).decode()


def _general_name(address: str) -> x509.GeneralName:
    with contextlib.suppress(ValueError):
        return x509.IPAddress(ipaddress.ip_address(address))
    return x509.DNSName(address)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def open_authority(data: Path, fleet: str = "", *, utc: Callable[[], float] = time.time) -> Authority:
    """Return the authority of a data directory, made at first use.

    Args:
        data: directory of the trainer's data.
        fleet: what the fleet is called; only for the first use, and must be the same later. Empty: what it is called.
        utc: seconds since 1970.

    Raises:
        ServeError: its files cannot be used, or the fleet is called otherwise.
    """
    path = data / "authority" / "authority.pem"
    try:
        if not path.exists():
            _make(path, fleet or FLEET, utc())
        found = _read(path, utc)
    except (OSError, ValueError) as error:
        raise ServeError(f"the authority in {path.parent} cannot be used: {error}") from error
    if fleet and found.fleet != fleet:
        raise ServeError(
            f"the fleet of {data} is called {found.fleet!r}, not {fleet!r}: leave --fleet out, or use another --data"
        )
    return found


def _read(path: Path, utc: Callable[[], float]) -> Authority:
    if stat.S_IMODE(path.stat().st_mode) & _OTHERS:
        raise ValueError(f"others may read {path}: chmod 600, and make a new authority if that was so for long")
    pem = path.read_bytes()
    key = serialization.load_pem_private_key(pem, None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError(f"{path} holds no key of the curve P-256")  # noqa: TRY004  a file's content, not a program's type
    return Authority(key, x509.load_pem_x509_certificate(pem), utc=utc)


def _make(path: Path, fleet: str, now_s: float) -> None:
    PeerName.parse(f"spiffe://{fleet}/trainer/serve")  # raises ValueError for a name that no certificate could carry
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _root(key, fleet, datetime.fromtimestamp(now_s, UTC)).public_bytes(serialization.Encoding.PEM)
    encryption = serialization.NoEncryption()
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    beside = path.with_name(f".{secrets.token_hex(8)}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secret + certificate)
            file.flush()
            os.fsync(file.fileno())
        # A link is made only where there is none, so of two programs that start at once one makes the authority.
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(beside)
    finally:
        beside.unlink()
    path.with_name("certificate.pem").write_bytes(path.read_bytes().partition(b"-----END PRIVATE KEY-----\n")[2])


def _root(key: ec.EllipticCurvePrivateKey, fleet: str, now: datetime) -> x509.Certificate:
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, fleet),
            x509.NameAttribute(NameOID.COMMON_NAME, f"orderd authority {secrets.token_hex(4)}"),
        ]
    )
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(seconds=_SKEW_S))
        .not_valid_after(now + timedelta(days=_AUTHORITY_DAYS))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )
