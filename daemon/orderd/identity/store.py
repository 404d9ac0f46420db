"""The identity on disk: key, certificate and authority, always of one piece. Touches one directory.

    DIRECTORY/current -> gNNN/            replaced in one step
    DIRECTORY/gNNN/key.pem                0600
    DIRECTORY/gNNN/{certificate,authority}.pem
    DIRECTORY/gNNN/about.json             the name in the certificate, and where the trainer is

A set of files is written beside the one in force and made durable before the link is turned, so a reader sees the old set or
the new one and never half of either. PEM files of their own, so that any gRPC client can use them.
"""

import contextlib
import os
import secrets
import shutil
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from orderd.domain.peers import PeerName
from orderd.errors import IdentityError
from orderd.identity.validity import validity

CURRENT: Final = "current"
REMEDY: Final = "enrol it: `ordertrainer token` where the trainer runs, then `orderctl enrol TOKEN` here"
_FILE_BYTES_MAX: Final = 64 << 10
_OTHERS: Final = 0o077
_READS_MAX: Final = 3
"""A set may be replaced while it is read, then it is read again."""


class About(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the PEM files do not say.

    Attributes:
        name: the SPIFFE name in the certificate.
        trainer: ``HOST:PORT`` where the certificate is renewed.
    """

    name: str
    trainer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A key with its certificate.

    Attributes:
        name: who the certificate says this is.
        key: PEM; secret.
        certificate: PEM.
        authority: PEM of whom to believe.
        not_before: first moment, UTC seconds.
        not_after: last moment, UTC seconds.
        trainer: ``HOST:PORT`` where it is renewed.
        generation: name of the set of files; another name means another set.
    """

    name: PeerName
    key: bytes = field(repr=False)
    certificate: bytes
    authority: bytes
    not_before: float
    not_after: float
    trainer: str
    generation: str

    @property
    def lifetime_s(self) -> float:
        """Return from beginning to end."""
        return self.not_after - self.not_before


def _broken(directory: Path, what: str) -> IdentityError:
    return IdentityError(f"the identity in {directory} cannot be used: {what}; {REMEDY}")


def generation(directory: Path) -> str:
    """Return the name of the set in force, empty for none."""
    with contextlib.suppress(OSError):
        return (directory / CURRENT).readlink().name
    return ""


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(_FILE_BYTES_MAX + 1)
    if not 0 < len(content) <= _FILE_BYTES_MAX:
        raise ValueError(f"{path.name} is empty or too large")
    return content


def load(directory: Path) -> Identity:
    """Read the identity in force; whether it has expired is for the caller to judge.

    Raises:
        IdentityError: there is none, or it cannot be used; the message says what to do.
    """
    for _ in range(_READS_MAX):
        name = generation(directory)
        if not name:
            if os.access(directory, os.X_OK) or not directory.exists():
                raise IdentityError(f"not enrolled: nothing in {directory}; {REMEDY}")
            raise IdentityError(f"the identity in {directory} may not be read by this user")
        try:
            return _load(directory, name)
        except IdentityError:
            if generation(directory) == name:
                raise
    raise _broken(directory, "it is replaced again and again")


def _load(directory: Path, name: str) -> Identity:
    home = directory / name
    try:
        if stat.S_IMODE((home / "key.pem").stat().st_mode) & _OTHERS:
            raise _broken(directory, f"others may read {home / 'key.pem'}: chmod 600 and make a new one")
        about = msgspec.json.decode(_read(home / "about.json"), type=About)
        certificate = _read(home / "certificate.pem")
        begins, ends = validity(certificate)
        return Identity(
            name=PeerName.parse(about.name),
            key=_read(home / "key.pem"),
            certificate=certificate,
            authority=_read(home / "authority.pem"),
            not_before=begins,
            not_after=ends,
            trainer=about.trainer,
            generation=name,
        )
    except (OSError, ValueError) as error:
        raise _broken(directory, str(error)) from error


def _write(path: Path, content: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def save(directory: Path, files: dict[str, bytes], about: About, *, now: Callable[[], float] = time.time) -> None:
    """Put a new set of files in force, or leave the old one.

    Args:
        directory: made when absent, for its owner alone.
        files: ``key.pem``, ``certificate.pem`` and ``authority.pem``.
        about: the rest.
        now: names the set, so that a listing is in order.

    Raises:
        IdentityError: it cannot be written; what was in force stays so.
    """
    name = f"g{int(now()):x}-{secrets.token_hex(4)}"
    home, link = directory / name, directory / f".{name}"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        home.mkdir(mode=0o700)
        for file, content in (files | {"about.json": msgspec.json.encode(about)}).items():
            _write(home / file, content, 0o600 if file == "key.pem" else 0o644)
        _sync(home)
        link.symlink_to(name)
        link.replace(directory / CURRENT)
    except OSError as error:
        with contextlib.suppress(OSError):
            link.unlink(missing_ok=True)
        shutil.rmtree(home, ignore_errors=True)
        raise IdentityError(f"the identity cannot be written to {directory}: {error.strerror or error}") from error
    # From here on the new set is in force; the old one goes only when a power cut cannot bring its link back.
    with contextlib.suppress(OSError):
        _sync(directory)
        _forget(directory, name)


def _forget(directory: Path, kept: str) -> None:
    """Remove older sets; a reader that was in the middle of one reads again."""
    for path in directory.iterdir():
        if path.name.startswith(("g", ".g")) and path.name != kept:
            if path.is_symlink():
                path.unlink(missing_ok=True)
            else:
                shutil.rmtree(path, ignore_errors=True)
