"""Enrolling and renewing: a fresh key, a request, and the checking of the answer. Touches the trainer and one directory.

Imported only by ``python -m orderd.identity``, which is thrown away afterwards; here is where a crypto library is loaded.
"""

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import grpc
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from orderd.domain.peers import PeerName
from orderd.errors import IdentityError
from orderd.identity.store import REMEDY, About, Identity, load, save
from orderd.identity.tls import TRAINER_OPTION, channel_credentials
from orderd.identity.token import Token
from orderd.v1.fleet_pb2 import EnrolRequest, RenewRequest
from orderd.v1.fleet_pb2_grpc import EnrolmentServiceStub

CALL_S: Final = 15.0
SKEW_S: Final = 300.0
"""How far two clocks may be apart before it is said; certificates begin this long in the past."""
_OPTIONS: Final = (TRAINER_OPTION, ("grpc.enable_http_proxy", 0), ("grpc.service_config_disable_resolution", 1))


def _when(utc_s: float) -> str:
    return datetime.fromtimestamp(utc_s, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _clock_error(now: float, theirs: float) -> IdentityError:
    ahead = now - theirs
    way = "ahead of" if ahead > 0 else "behind"
    return IdentityError(
        f"this host's clock says {_when(now)} and is {abs(ahead):.0f} s {way} the trainer's: set it (timedatectl)"
    )


def _request(key: ec.EllipticCurvePrivateKey) -> bytes:
    built = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    return built.public_bytes(serialization.Encoding.DER)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def _check(key: ec.EllipticCurvePrivateKey, certificate: str, authority: str, now: float) -> PeerName:
    """Return the name in a certificate that is what was asked for.

    Raises:
        IdentityError: it is of another key, another authority or another time, or names nobody.
    """
    try:
        found = x509.load_pem_x509_certificate(certificate.encode())
        found.verify_directly_issued_by(x509.load_pem_x509_certificate(authority.encode()))
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        (uri,) = names.get_values_for_type(x509.UniformResourceIdentifier)
        name = PeerName.parse(uri)
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound) as error:
        raise IdentityError(f"the trainer's answer is no certificate of its authority: {error}") from error
    if found.public_key() != key.public_key():
        raise IdentityError("the trainer's answer is a certificate of another key")
    begins, ends = found.not_valid_before_utc.timestamp(), found.not_valid_after_utc.timestamp()
    if not begins <= now < ends:
        raise _clock_error(now, begins + SKEW_S if now < begins else ends)
    return name


@contextmanager
def _asked(address: str) -> Generator[None]:
    try:
        yield
    except grpc.RpcError as error:
        call: Any = error  # every error of a call is also a grpc.Call, which the base class does not say
        code, details = call.code(), call.details() or ""
        if code in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}:
            raise IdentityError(f"cannot reach the trainer at {address}: {_unreachable(details)}") from error
        raise IdentityError(f"the trainer at {address} refused: {details or code.name}") from error


def _unreachable(details: str) -> str:
    if "CERTIFICATE_VERIFY_FAILED" in details or "verif" in details.lower():
        return "whoever answers there is not the fleet's trainer, or a clock is far off (timedatectl)"
    if "Socket closed" in details or "SSL" in details or "handshake" in details:
        return "it does not take this certificate, or speaks no TLS 1.3; is the clock right (timedatectl)?"
    return details.removeprefix("failed to connect to all addresses; last error: ")[:300]


def _check_clock(token: Token, now: float) -> None:
    """Refuse what a wrong clock would make fail in a way that nobody understands.

    Raises:
        IdentityError: the clock is behind the token's making, or so far ahead that the token has ended.
    """
    if now < token.made_at - SKEW_S:
        raise _clock_error(now, token.made_at)
    if now > token.made_at + token.lifetime_s + SKEW_S:
        made = f"this token was made at {_when(token.made_at)} for {token.lifetime_s / 60:.0f} minutes"
        raise IdentityError(
            f"{made}, and this host's clock says {_when(now)}: make another token, or set the clock (timedatectl)"
        )


def enrol(token: Token, directory: Path, host_id: str, *, utc: Callable[[], float] = time.time) -> PeerName:
    """Become a member of a fleet.

    Args:
        token: from ``ordertrainer token``.
        directory: where the identity is kept.
        host_id: of this host; empty: a person enrols.
        utc: seconds since 1970.

    Returns:
        The name that was given.

    Raises:
        IdentityError: the trainer is not there or refused, or the answer is wrong; the message says what to do.
    """
    _check_clock(token, utc())
    # Whether the files can be written is found out before the token is used up.
    _writable(directory)
    key = ec.generate_private_key(ec.SECP256R1())
    credentials = grpc.ssl_channel_credentials(token.authority.encode())
    request = EnrolRequest(token=token.secret, certificate_request=_request(key), host_id=host_id)
    with _asked(token.enrol), grpc.secure_channel(f"dns:///{token.enrol}", credentials, options=_OPTIONS) as channel:
        answer = EnrolmentServiceStub(channel).Enrol(request, timeout=CALL_S)
    # The token's authority is the one that is believed; an answer cannot bring another.
    name = _check(key, answer.certificate, token.authority, utc())
    _keep(directory, key, answer.certificate, About(name=str(name), trainer=token.trainer), token.authority)
    return name


def renew(directory: Path, trainer: str = "", *, utc: Callable[[], float] = time.time) -> Identity:
    """Put another key and certificate of the same name in force.

    Args:
        directory: where the identity is kept.
        trainer: ``HOST:PORT`` to renew at; empty: as when it was enrolled.
        utc: seconds since 1970.

    Raises:
        IdentityError: there is no identity that holds, or the trainer is not there or refused.
    """
    old = load(directory)
    if utc() > old.not_after:
        raise IdentityError(f"the certificate of {old.name} has expired; {REMEDY}, or set the clock if it is wrong")
    key = ec.generate_private_key(ec.SECP256R1())
    request = RenewRequest(certificate_request=_request(key))
    credentials = channel_credentials(old)
    address = trainer or old.trainer
    with _asked(address), grpc.secure_channel(f"dns:///{address}", credentials, options=_OPTIONS) as channel:
        answer = EnrolmentServiceStub(channel).Renew(request, timeout=CALL_S)
    authority = old.authority.decode()
    name = _check(key, answer.certificate, authority, utc())
    if name != old.name:
        raise IdentityError(f"the trainer answered with the name {name}, not {old.name}")
    _keep(directory, key, answer.certificate, About(name=str(name), trainer=address), authority)
    return load(directory)


def _writable(directory: Path) -> None:
    probe = directory / ".probe"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        probe.touch(mode=0o600)
    except OSError as error:
        raise IdentityError(f"{directory} cannot be written: {error.strerror}; the token is still good") from error
    finally:
        with suppress(OSError):
            probe.unlink(missing_ok=True)


def _keep(directory: Path, key: ec.EllipticCurvePrivateKey, certificate: str, about: About, authority: str) -> None:
    files = {"key.pem": _pem(key), "certificate.pem": certificate.encode(), "authority.pem": authority.encode()}
    save(directory, files, about)
