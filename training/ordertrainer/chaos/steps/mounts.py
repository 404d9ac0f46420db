"""Mounts, and what fills or writes to them. Pure."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from ordertrainer.chaos.steps.base import Path, Ratio, SightStep, UndoStep, Unit


class MountGone(SightStep, tag="mount_gone"):
    """Nothing is mounted on a path."""

    path: Path


class MountReadOnly(SightStep, tag="mount_read_only"):
    """What is mounted on a path cannot be written."""

    path: Path


class MountDead(SightStep, tag="mount_dead"):
    """What is mounted on a path answers EIO."""

    path: Path


class MountHangs(SightStep, tag="mount_hangs"):
    """What is mounted on a path does not answer."""

    path: Path


class InodesUsed(SightStep, tag="inodes_used"):
    """That share of a file system's inodes is used."""

    path: Path
    at_least_ratio: Ratio


class DiskWritten(SightStep, tag="disk_written"):
    """The unit's main process writes that much to disks."""

    unit: Unit
    at_least_bytes_per_s: Annotated[int, Meta(ge=1)]


class UnlinkedHeld(SightStep, tag="unlinked_held"):
    """The unit's main process holds open a file without a name that takes that much space."""

    unit: Unit
    at_least_bytes: Annotated[int, Meta(ge=1)]


class UndoVolumeGone(UndoStep, tag="volume_gone"):
    """Mount a volume as it was, while nothing is mounted there and nobody has mounted it since."""

    path: Path


class UndoVolumeReadOnly(UndoStep, tag="volume_read_only"):
    """Let a mount be written again, while it is read-only."""

    path: Path


class UndoVolumeDead(UndoStep, tag="volume_dead"):
    """Unmount a volume, check it and mount it as it was, while it answers EIO; services in it are stopped meanwhile."""

    path: Path


class UndoMountedOver(UndoStep, tag="mounted_over"):
    """Take off what the fault mounted on a path, while that is what is seen there."""

    path: Path
    source: Annotated[str, Meta(pattern=r"^[a-z{}][a-z0-9{}-]{0,40}$")]


class UndoCreatedTree(UndoStep, tag="created_tree"):
    """Remove a directory of the fault's own making, with all in it."""

    path: Path


SIGHTS = MountGone | MountReadOnly | MountDead | MountHangs | InodesUsed | DiskWritten | UnlinkedHeld
UNDOS = UndoVolumeGone | UndoVolumeReadOnly | UndoVolumeDead | UndoMountedOver | UndoCreatedTree
