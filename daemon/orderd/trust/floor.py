"""The highest serial a host has accepted: nothing older is accepted again. Touches one file.

A floor that cannot be read is not a floor of zero: whoever could damage it could bring back every old release. So it is refused
loudly, and a person removes it. One exception is kept beside it: what was in place right before the newest may come back, by
hash, so that a person can undo a bad release without any key.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from orderd.errors import TrustError
from orderd.trust.terms import Serial

_FILE_BYTES_MAX: Final = 4096


class Seen(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the floor file holds.

    Attributes:
        serial: highest accepted so far.
        previous_serial: of what was in place before that; 0: nothing.
        previous_sha256: of its manifest; empty: nothing.
    """

    serial: Serial = 0
    previous_serial: Serial = 0
    previous_sha256: Annotated[str, Meta(pattern=r"^([0-9a-f]{64})?$")] = ""

    @property
    def least(self) -> int:
        """Least serial that may still be accepted."""
        return self.previous_serial if self.previous_sha256 else self.serial


@dataclass(frozen=True, slots=True)
class Floor:
    """The floor file of one purpose on one host.

    Attributes:
        file: where it is kept; its folder belongs to whoever checks.
    """

    file: Path

    def read(self) -> Seen:
        """Return what was seen; nothing where there is no file yet.

        Raises:
            TrustError: the file is there and cannot be understood.
        """
        try:
            with self.file.open("rb") as stream:
                return msgspec.json.decode(stream.read(_FILE_BYTES_MAX), type=Seen)
        except FileNotFoundError:
            return Seen()
        except OSError as error:
            raise TrustError(f"{self.file}: {error.strerror}; without its version floor nothing is accepted") from error
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise TrustError(
                f"{self.file}: damaged ({error}); without its version floor nothing is accepted. If you are sure that what is "
                f"installed is the newest, remove the file"
            ) from error

    def check(self, serial: int, manifest_sha256: str, where: str) -> None:
        """Refuse what is older than what was accepted before.

        Args:
            serial: of the manifest at hand.
            manifest_sha256: of its bytes, in lower-case hex.
            where: its path, for messages.

        Raises:
            TrustError: it is below the floor, or the floor cannot be read.
        """
        seen = self.read()
        if serial < seen.serial and manifest_sha256 != (seen.previous_sha256 or None):
            raise TrustError(f"{where}: serial {serial} is older than {seen.serial}, which this host has accepted before")

    def accept(self, serial: int, *, previous_serial: int = 0, previous_sha256: str = "") -> None:
        """Remember a newer serial; an older or equal one changes nothing: the floor only rises.

        Args:
            serial: that was accepted.
            previous_serial: of what it replaces.
            previous_sha256: of that manifest; empty when it replaces nothing that may come back.

        Raises:
            TrustError: it could not be made durable, so what was accepted must not be used.
        """
        if serial <= self.read().serial:
            return
        seen = Seen(serial=serial, previous_serial=previous_serial, previous_sha256=previous_sha256)
        staged = self.file.with_suffix(".new")
        try:
            self.file.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            with staged.open("wb") as stream:
                os.fchmod(stream.fileno(), 0o644)  # no secret; orderd shows it
                stream.write(msgspec.json.encode(seen) + b"\n")
                stream.flush()
                os.fsync(stream.fileno())
            staged.replace(self.file)
            _sync_folder(self.file.parent)
        except OSError as error:
            raise TrustError(f"{self.file}: {error.strerror}; a version floor that cannot be kept cannot protect") from error


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
