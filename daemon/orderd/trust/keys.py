"""Key files: PEM, private ones readable by their owner alone, public ones writable by their owner alone. Touches the disk.

Imports ``cryptography`` inside its functions: a program that only asks another process to verify must not carry it in memory.
"""

import hashlib
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from orderd.errors import TrustError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

KEYS_MAX: Final = 32
_KEY_FILE_BYTES_MAX: Final = 4096
_KEY_ID_HEX: Final = 16
PUBLIC_SUFFIX: Final = ".pub.pem"


def key_id(public: "Ed25519PublicKey") -> str:
    """Return the name of a key: the first 16 hex digits of the sha256 of its 32 bytes."""
    return hashlib.sha256(public.public_bytes_raw()).hexdigest()[:_KEY_ID_HEX]


def make_pair(private_file: Path) -> Path:
    """Make a key pair: ``models.pem`` and ``models.pub.pem`` beside it.

    Args:
        private_file: where the private half goes, mode 0600; its name ends in ``.pem``.

    Returns:
        The file of the public half, mode 0644.

    Raises:
        TrustError: there is a key already, which is never overwritten, or the folder cannot be written.
    """
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415  only who makes keys
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415

    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    public_file = public_file_of(private_file)
    try:
        private_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_new(private_file, private, 0o600)
        public_file.unlink(missing_ok=True)
        _write_new(public_file, public, 0o644)
    except FileExistsError as error:
        raise TrustError(f"{private_file}: there is a key already; a key is never overwritten: move it away first") from error
    except OSError as error:
        raise TrustError(f"{error.filename}: {error.strerror}") from error
    return public_file


def public_file_of(private_file: Path) -> Path:
    """Return where the public half of a key file lies: ``models.pem`` has ``models.pub.pem``."""
    return private_file.with_suffix(PUBLIC_SUFFIX)


def _write_new(file: Path, content: bytes, mode: int) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as stream:
        os.fchmod(stream.fileno(), mode)  # whatever the umask
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def load_private(file: Path) -> "Ed25519PrivateKey":
    """Read a private key.

    Raises:
        TrustError: it cannot be read, is no Ed25519 key, or others may read it.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

    raw, status = _read(file)
    if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise TrustError(f"{file}: mode {stat.S_IMODE(status.st_mode):o}: others could read this private key; chmod 0600 {file}")
    try:
        key = load_pem_private_key(raw, password=None)
    except (ValueError, TypeError) as error:
        raise TrustError(f"{file}: no private key: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise TrustError(f"{file}: a {type(key).__name__}; wanted is Ed25519, which ordertrainer keygen makes")
    return key


def load_public(directory: Path) -> "dict[str, Ed25519PublicKey]":
    """Read the keys a host trusts for one purpose, by key id.

    Args:
        directory: its ``*.pem`` files are public keys.

    Raises:
        TrustError: there is none, one is broken, there are too many, or others than root (or this user) could have written one.
    """
    try:
        files = sorted(directory.glob("*.pem"))
        _check_owner(directory, directory.stat())
    except OSError as error:
        raise TrustError(f"{directory}: {error.strerror}; no key is trusted: install the fleet's public keys there") from error
    if not files or len(files) > KEYS_MAX:
        raise TrustError(f"{directory}: {len(files)} keys; allowed are 1 to {KEYS_MAX}: install the fleet's public keys there")
    keys = [_load_one(file) for file in files]
    return {key_id(key): key for key in keys}


def _load_one(file: Path) -> "Ed25519PublicKey":
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_pem_public_key  # noqa: PLC0415

    raw, status = _read(file)
    _check_owner(file, status)
    try:
        key = load_pem_public_key(raw)
    except ValueError as error:
        raise TrustError(f"{file}: no public key: {error}") from error
    if not isinstance(key, Ed25519PublicKey):
        raise TrustError(f"{file}: a {type(key).__name__}; wanted is Ed25519")
    return key


def _check_owner(path: Path, status: os.stat_result) -> None:
    """Refuse a key that another user could have written: trust in it is trust in whoever can write it."""
    if status.st_uid not in {0, os.geteuid()} or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise TrustError(
            f"{path}: owner {status.st_uid}, mode {stat.S_IMODE(status.st_mode):o}; allowed: owned by root, writable by it alone"
        )


def _read(file: Path) -> tuple[bytes, os.stat_result]:
    try:
        with os.fdopen(os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as stream:
            return stream.read(_KEY_FILE_BYTES_MAX), os.fstat(stream.fileno())
    except OSError as error:
        raise TrustError(f"{file}: {error.strerror}") from error
