"""What keeps a host usable and is looked after: certificates, configurations of access, packages, logs. Pure."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from ordertrainer.chaos.steps.base import Path, SightStep, UndoStep, Unit

Address = Annotated[str, Meta(pattern=r"^127\.[0-9.]{5,11}:[0-9]{1,5}$")]
Copy = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9.-]{0,62}$")]
Package = Annotated[str, Meta(pattern=r"^[a-z0-9{}][a-z0-9{}.+-]{1,62}$")]


class CertificateExpired(SightStep, tag="certificate_expired"):
    """The certificate that is served at an address is good no longer."""

    address: Address


class CheckFails(SightStep, tag="check_fails"):
    """The program's own check of its configuration fails."""

    of: Literal["sshd", "sudo"]


class LockHeld(SightStep, tag="lock_held"):
    """Somebody holds a lock."""

    path: Path


class Rotated(SightStep, tag="rotated"):
    """A log is another file than before, and the unit writes to it."""

    path: Path
    unit: Unit


class Reloaded(SightStep, tag="reloaded"):
    """The unit was reloaded, with the main process it had."""

    unit: Unit


class UndoMade(UndoStep, tag="made"):
    """Put back what a file held, while it holds what the fault made and left a copy of in the experiment's directory."""

    path: Path
    like: Copy


class UndoServed(UndoStep, tag="served"):
    """Reload a unit that still serves the certificate which the fault made."""

    unit: Unit
    address: Address
    like: Copy


class UndoPackage(UndoStep, tag="package"):
    """Purge a package of the fault's own making."""

    name: Package


class UndoRotated(UndoStep, tag="rotated"):
    """Make one file again of a log and what was moved aside of it."""

    path: Path
    unit: Unit


SIGHTS = CertificateExpired | CheckFails | LockHeld | Rotated | Reloaded
UNDOS = UndoMade | UndoServed | UndoPackage | UndoRotated
