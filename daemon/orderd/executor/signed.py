"""The manifest of playbooks a host may run, believed only when the fleet's owner signed it. Starts a subprocess; keeps the floor.

What is signed names every file by its hash, so the signature covers every byte a repair may run as root.
"""

from pathlib import Path
from typing import Final

from orderd.catalogue import manifest
from orderd.config.schema import ExecutorConfig
from orderd.errors import CatalogueError, TrustError
from orderd.trust import SIGNATURE_FILE, Floor, Purpose, check_term, verify_elsewhere

_REMEDY: Final = "sign the playbooks with: ordertrainer sign playbooks DIR --key FILE"


def load_manifest(config: ExecutorConfig, now_utc_s: float) -> manifest.Manifest:
    """Load the manifest and, with ``executor.signed``, have it verified.

    Args:
        config: says where manifest, keys and floor are.
        now_utc_s: seconds since 1970, UTC.

    Raises:
        CatalogueError: it cannot be read, or is not to be trusted; the message says why and what to do.
    """
    file = Path(config.manifest)
    raw = manifest.read(file)
    found = manifest.decode(raw, file)
    if config.signed:
        try:
            _verify(raw, found, config, now_utc_s)
        except TrustError as error:
            raise CatalogueError(f"{file}: not trusted: {error}") from error
    return found


def _verify(raw: bytes, found: manifest.Manifest, config: ExecutorConfig, now_utc_s: float) -> None:
    if not found.serial:
        raise TrustError(f"it has no serial, so it was never signed; {_REMEDY}")
    signature = _signature(Path(config.manifest).with_name(SIGNATURE_FILE))
    verify_elsewhere(raw, signature, Path(config.trust_dir), Purpose.PLAYBOOKS)
    check_term(found.not_after, now_utc_s, manifest.MANIFEST_FILE)
    floor = Floor(Path(config.floor))
    floor.check(found.serial, manifest.sha256(raw), manifest.MANIFEST_FILE)
    floor.accept(found.serial)


def _signature(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError as error:
        raise TrustError(f"{file}: is missing; {_REMEDY}") from error
    except OSError as error:
        raise TrustError(f"{file}: {error.strerror}; {_REMEDY}") from error
