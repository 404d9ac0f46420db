"""Whether a model may be loaded at all: signed by the fleet's owner, not older than before, not expired. Starts a subprocess.

Cheap refusals come first. A model whose very bytes passed everything before, under the same keys, is not checked again: a
roll back is as fast as loading the file. Term and floor are checked every time.
"""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from orderd.config.schema import InferenceConfig
from orderd.errors import ModelRefusedError, TrustError
from orderd.inference.admission import admit
from orderd.inference.manifest import MANIFEST_FILE, Package
from orderd.trust import SIGNATURE_FILE, Floor, Purpose, check_term, verify_elsewhere

_REMEMBERED_MAX: Final = 8
_KEY_FILES_MAX: Final = 64
_KEY_BYTES_MAX: Final = 4096


def manifest_sha256(package: Package) -> str:
    """Return the sha256 of the manifest's bytes: it names the manifest, and through it the model, exactly."""
    return hashlib.sha256(package.raw).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What is remembered of a model that was put in place.

    Attributes:
        serial: of its manifest.
        manifest_sha256: of its manifest's bytes.
    """

    serial: int
    manifest_sha256: str


class Gate:
    """Decides whether a model may be loaded, and remembers what it has accepted."""

    def __init__(self, config: InferenceConfig, utc_s: Callable[[], float] = time.time) -> None:
        """Hold the configuration.

        Args:
            config: says whether signatures are asked for, and where keys and floor are.
            utc_s: seconds since 1970; signed things may expire.
        """
        self._config = config
        self._utc_s = utc_s
        self._floor = Floor(Path(config.floor))
        self._passed: OrderedDict[str, None] = OrderedDict()

    def check(self, package: Package) -> None:
        """Have a model verified, parsed and tried, each in a process that is thrown away.

        Raises:
            ModelRefusedError: the first check that failed.
        """
        if self._config.signed:
            self._check_trust(package)
        name = self._name(package)
        if name not in self._passed:
            if self._config.signed:
                self._verify(package)
            admit(package)
        self._passed[name] = None
        self._passed.move_to_end(name)
        while len(self._passed) > _REMEMBERED_MAX:
            self._passed.popitem(last=False)

    def accept(self, package: Package, replaced: Mark | None) -> Mark:
        """Raise the floor to a model that is being put in place.

        Args:
            package: passed ``check``.
            replaced: what decided until now; it may come back.

        Returns:
            What to hand over when the next one replaces it.

        Raises:
            ModelRefusedError: the floor could not be kept.
        """
        before = replaced or Mark(serial=0, manifest_sha256="")
        try:
            if self._config.signed:
                self._floor.accept(package.manifest.serial, previous_serial=before.serial, previous_sha256=before.manifest_sha256)
        except TrustError as error:
            raise ModelRefusedError(str(error)) from error
        return Mark(serial=package.manifest.serial, manifest_sha256=manifest_sha256(package))

    def _check_trust(self, package: Package) -> None:
        """Refuse what no signature could help."""
        manifest = package.manifest
        try:
            _check_signed(package)
            check_term(manifest.not_after, self._utc_s(), MANIFEST_FILE)
            self._floor.check(manifest.serial, manifest_sha256(package), MANIFEST_FILE)
        except TrustError as error:
            raise ModelRefusedError(f"not trusted: {error}") from error

    def _verify(self, package: Package) -> None:
        try:
            verify_elsewhere(package.raw, package.signature, Path(self._config.trust_dir), Purpose.MODEL)
        except TrustError as error:
            raise ModelRefusedError(f"not trusted: {error}") from error

    def _name(self, package: Package) -> str:
        """Return a digest of everything the verdict depends on: the model, its signature, the keys that are trusted now."""
        parts = [package.raw or package.model, package.signature]
        if self._config.signed:
            parts += self._keys()
        digest = hashlib.sha256()
        for part in parts:
            digest.update(hashlib.sha256(part).digest())
        return digest.hexdigest()

    def _keys(self) -> list[bytes]:
        try:
            files = sorted(Path(self._config.trust_dir).glob("*.pem"))[:_KEY_FILES_MAX]
            return [_beginning(file) for file in files]
        except OSError as error:
            raise ModelRefusedError(f"not trusted: {error.filename}: {error.strerror}") from error


def _check_signed(package: Package) -> None:
    if not package.signature or not package.manifest.serial:
        raise TrustError(
            f"no {SIGNATURE_FILE}, or no serial: sign it with ordertrainer sign model DIR --key FILE, "
            "or allow unsigned models with inference.signed = false"
        )


def _beginning(file: Path) -> bytes:
    with file.open("rb") as stream:
        return stream.read(_KEY_BYTES_MAX)
