"""Making a join token: what it is for, where the trainer is, and the line that tells how to use it. Touches DATA/authority."""

import ipaddress
import os
import re
import time
from pathlib import Path
from typing import Final

from orderd.domain.peers import PeerName, Role
from orderd.identity.token import Token, to_text
from ordertrainer.serve.authority import open_authority
from ordertrainer.serve.door import Served, served, split
from ordertrainer.serve.errors import ServeError
from ordertrainer.serve.tokens import LIFETIME_S, Grant, Members

_DNS: Final = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*")
_HOST_ID: Final = re.compile(r"[0-9a-f]{32}")
_OWN: Final = "orderd.internal"


def _check(grant: Grant, fleet: str) -> None:
    """Refuse what no certificate should say.

    Raises:
        ServeError: the message names the option.
    """
    host = grant.role is Role.HOST
    if not host and not grant.who:
        raise ServeError(f"--name is missing: a token for the role {grant.role.name.lower()} is for one person")
    if host and grant.who and not _HOST_ID.fullmatch(grant.who):
        raise ServeError(
            f"--name {grant.who!r} is no host id: 32 hexadecimal digits, as `orderctl status --json` shows; or leave it out"
        )
    if not host and grant.addresses:
        raise ServeError("--address is for hosts only")
    if grant.role is Role.TRAINER and grant.who == "serve":
        raise ServeError("--name serve is the trainer's own name: choose another")
    for address in grant.addresses:
        if not _is_address(address) or address.lower().endswith(_OWN):
            raise ServeError(
                f"--address {address!r} is neither a DNS name nor an IP address, or ends in {_OWN}, which is the fleet's own"
            )
    try:
        PeerName.parse(f"spiffe://{fleet}/{grant.role.name.lower()}/{grant.who or 'x'}")
    except ValueError as error:
        raise ServeError(
            f"--name {grant.who!r}: at most 64 letters, digits and . _ @ -, beginning with a letter or digit"
        ) from error


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return _DNS.fullmatch(text) is not None
    return True


def _places(data: Path, given: tuple[str, str]) -> Served:
    found = served(data)
    trainer, enrol = (
        wanted or known for wanted, known in zip(given, (found.trainer, found.enrol) if found else ("", ""), strict=True)
    )
    if not (trainer and enrol):
        raise ServeError(
            f"where is the trainer? start `ordertrainer serve --data {data}` first, or give --trainer and --enrol HOST:PORT"
        )
    for place in (trainer, enrol):
        split(place)
    return Served(trainer=trainer, enrol=enrol)


def make(data: Path, grant: Grant, *, places: tuple[str, str] = ("", ""), lifetime_s: float = LIFETIME_S) -> tuple[str, str]:
    """Make a token.

    Args:
        data: the trainer's data directory.
        grant: what it is for.
        places: ``HOST:PORT`` of the trainer and of the enrolment; where empty, where it served last.
        lifetime_s: seconds it is good for.

    Returns:
        The token, and a line for people that tells how to use it.

    Raises:
        ServeError: it cannot be made; the message says what to do.
    """
    if not data.is_dir():
        raise ServeError(f"--data {data}: there is no such directory; `ordertrainer serve --data {data}` makes it")
    authority = open_authority(data)
    _check(grant, authority.fleet)
    found = _places(data, places)
    made = Token(
        secret=Members(data).make(grant, lifetime_s),
        role=grant.role.name.lower(),
        fleet=authority.fleet,
        enrol=found.enrol,
        trainer=found.trainer,
        authority=authority.pem,
        made_at=time.time(),
        lifetime_s=lifetime_s,
    )
    whom = f"{made.role} {grant.who}".strip()
    me = "" if grant.role is Role.HOST else " --me"
    line = f"lets one {whom} join {authority.fleet}, once, within {lifetime_s / 60:g} minutes: orderctl enrol{me} TOKEN"
    return to_text(made), line


def write(path: Path, text: str) -> None:
    """Write a token to a new file that only its owner may read.

    Raises:
        ServeError: it is there already, or cannot be written.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(f"{text}\n")
    except OSError as error:
        raise ServeError(f"--out {path}: {error.strerror}") from error
