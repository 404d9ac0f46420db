"""Signs model folders and playbook catalogues with the fleet owner's keys. Touches key files and the folders it signs.

The key of each kind has a file of its own: ``models.pem`` and ``playbooks.pem``, with ``.pub.pem`` beside each.
"""

import os
import time
from pathlib import Path
from typing import Final

import msgspec

from orderd.catalogue import manifest as playbook_manifest
from orderd.errors import TrustError
from orderd.inference.manifest import MANIFEST_FILE, Manifest, read_package
from orderd.trust import SIGNATURE_FILE, Purpose, check_term, decode_signature, encode_signature, utc_seconds
from orderd.trust.keys import key_id, load_private, make_pair, public_file_of
from orderd.trust.sign import sign, verify
from orderd.trust.terms import utc_text

MODELS_KEY: Final = "models.pem"
PLAYBOOKS_KEY: Final = "playbooks.pem"
_DAY_S: Final = 86_400


def default_keys_dir() -> Path:
    """Return where this person's keys lie: $ORDERD_KEYS, else ~/.config/orderd/keys."""
    named = os.environ.get("ORDERD_KEYS", "")
    return Path(named) if named else Path.home() / ".config" / "orderd" / "keys"


def ensure_keys(directory: Path) -> tuple[Path, Path]:
    """Return the private keys for models and playbooks, made where there are none.

    Raises:
        TrustError: they cannot be made.
    """
    files = (directory / MODELS_KEY, directory / PLAYBOOKS_KEY)
    for file in files:
        if not file.exists():
            make_pair(file)
    return files


def sign_model(folder: Path, key: Path, *, serial: int = 0, days: float = 0.0, now_s: float | None = None) -> Manifest:
    """Give a model folder its serial and term, and sign its manifest.

    Args:
        folder: holds manifest.json and model.onnx, which are checked first.
        key: private, for models.
        serial: of this release; 0: the one it has, else the second in which it was made, so that later models count more.
        days: until it expires; 0: never.
        now_s: seconds since 1970 (None: now).

    Returns:
        The manifest as it was signed.

    Raises:
        ModelRefusedError: it is no model folder.
        TrustError: the key cannot be used.
    """
    found = read_package(folder).manifest
    serial = serial or found.serial or utc_seconds(found.created, str(folder / MANIFEST_FILE))
    identity = key_id(load_private(key).public_key())
    terms = {"serial": serial, "not_after": _term(days, now_s), "key_id": identity}
    signed = msgspec.structs.replace(found, **terms)
    raw = msgspec.json.format(msgspec.json.encode(signed), indent=2) + b"\n"
    _write_both(folder, raw, encode_signature(sign(raw, key, Purpose.MODEL)))
    return signed


def sign_playbooks(
    directory: Path, key: Path, *, serial: int = 0, days: float = 0.0, now_s: float | None = None
) -> playbook_manifest.Manifest:
    """Write the manifest of a catalogue as it is now, and sign it.

    Args:
        directory: the folder of repairs.
        key: private, for playbooks.
        serial: of this release; 0: the second of now, so that later releases count more.
        days: until it expires; 0: never.
        now_s: seconds since 1970 (None: now).

    Returns:
        The manifest as it was signed.

    Raises:
        TrustError: the key cannot be used.
    """
    serial = serial or int(time.time() if now_s is None else now_s)
    file = playbook_manifest.write(directory, serial=serial, not_after=_term(days, now_s))
    raw = file.read_bytes()
    _write(directory / SIGNATURE_FILE, encode_signature(sign(raw, key, Purpose.PLAYBOOKS)))
    return playbook_manifest.decode(raw, file)


def check_model(folder: Path, trust_dir: Path, now_s: float) -> tuple[Manifest, str]:
    """Check a model folder the way a host does, apart from what the host has seen before; return manifest and key id.

    Raises:
        ModelRefusedError: it is no model folder.
        TrustError: it is not signed, by nobody trusted, or has expired.
    """
    package = read_package(folder)
    signature = decode_signature(package.signature, str(folder / SIGNATURE_FILE))
    check_term(package.manifest.not_after, now_s, str(folder / MANIFEST_FILE))
    return package.manifest, verify(package.raw, signature, trust_dir, Purpose.MODEL)


def check_playbooks(directory: Path, trust_dir: Path, now_s: float) -> tuple[playbook_manifest.Manifest, str]:
    """Check a catalogue the way a host does, every file included; return manifest and key id.

    Raises:
        CatalogueError: there is no manifest.
        TrustError: it is not signed, by nobody trusted, has expired, or a file differs.
    """
    file = directory / playbook_manifest.MANIFEST_FILE
    raw = playbook_manifest.read(file)
    found = playbook_manifest.decode(raw, file)
    try:
        signature = decode_signature((directory / SIGNATURE_FILE).read_bytes(), str(directory / SIGNATURE_FILE))
    except OSError as error:
        raise TrustError(f"{directory / SIGNATURE_FILE}: {error.strerror}") from error
    identity = verify(raw, signature, trust_dir, Purpose.PLAYBOOKS)
    check_term(found.not_after, now_s, str(file))
    now = playbook_manifest.Manifest.of(directory).files
    differing = sorted(name for name in now.keys() | found.files.keys() if now.get(name) != found.files.get(name))
    if differing:
        raise TrustError(f"{directory}: {', '.join(differing[:5])}: not as signed; sign the playbooks again")
    return found, identity


def public_half(private_file: Path) -> bytes:
    """Return the PEM of the public half of a key file.

    Raises:
        TrustError: the private key cannot be used, or its public half is missing.
    """
    file = public_file_of(private_file)
    try:
        return file.read_bytes()
    except OSError as error:
        raise TrustError(f"{file}: {error.strerror}; it lies beside the private key that ordertrainer keygen made") from error


def _term(days: float, now_s: float | None) -> str:
    if not days:
        return ""
    return utc_text((time.time() if now_s is None else now_s) + days * _DAY_S)


def _write_both(folder: Path, raw: bytes, signature: bytes) -> None:
    # The manifest first: a reader in between finds a signature that does not fit, never one that fits something else.
    _write(folder / MANIFEST_FILE, raw)
    _write(folder / SIGNATURE_FILE, signature)


def _write(file: Path, content: bytes) -> None:
    staged = file.with_name(f".{file.name}.new")
    staged.write_bytes(content)
    staged.chmod(0o644)
    staged.replace(file)
