"""Files, links and file systems. Pure."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from ordertrainer.chaos.steps.base import Content, Path, Ratio, SightStep, UndoStep

Mode = Annotated[str, Meta(pattern=r"^[0-7]{4}$")]
Owner = Annotated[str, Meta(pattern=r"^[a-z_][a-z0-9_-]{0,31}:[a-z_][a-z0-9_-]{0,31}$")]
"""User and group."""


class Link(SightStep, tag="link"):
    """A path is a link to another."""

    path: Path
    to: Path


class FileContent(SightStep, tag="content"):
    """A file holds exactly this."""

    path: Path
    content: Content


class Differs(SightStep, tag="differs"):
    """A file does not hold what it held when the fault was armed, or is gone."""

    path: Path


class Absent(SightStep, tag="absent"):
    """Nothing is at a path."""

    path: Path


class Access(SightStep, tag="access"):
    """A file or directory has this mode and owner."""

    path: Path
    mode: Mode
    owner: Owner


class MountUsed(SightStep, tag="mount_used"):
    """A file system is that full."""

    path: Path
    at_least_ratio: Ratio


class FileAtLeast(SightStep, tag="file_at_least"):
    """A file is that large."""

    path: Path
    at_least_bytes: Annotated[int, Meta(ge=1)]


class UndoPath(UndoStep, tag="path"):
    """Put back what a path held, while it still is the link or the content that the fault writes."""

    path: Path
    link: str = ""
    content: Content = ""


class UndoEdited(UndoStep, tag="edited"):
    """Put back what a file held, while it still holds that with the first `old` replaced by `new`."""

    path: Path
    old: Content
    new: Content


class UndoCut(UndoStep, tag="cut"):
    """Put back what a file held, while it still holds that up to the end of the first `after`, and nothing more."""

    path: Path
    after: Content


class UndoRemoved(UndoStep, tag="removed"):
    """Put a file back, while nothing is in its place."""

    path: Path


class UndoAccess(UndoStep, tag="access"):
    """Give a file or directory its mode and owner back, while it still has what the fault gave it; empty: not the fault's."""

    path: Path
    mode: Literal[""] | Mode = ""
    owner: Literal[""] | Owner = ""


class UndoCreated(UndoStep, tag="created"):
    """Remove a file of the fault's own making."""

    path: Path


SIGHTS = Link | FileContent | Differs | Absent | Access | MountUsed | FileAtLeast
UNDOS = UndoPath | UndoEdited | UndoCut | UndoRemoved | UndoAccess | UndoCreated
