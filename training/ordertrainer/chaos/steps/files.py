"""Files, links and file systems. Pure."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from ordertrainer.chaos.steps.base import Content, Path, Ratio, SightStep, UndoStep


class Link(SightStep, tag="link"):
    """A path is a link to another."""

    path: Path
    to: Path


class FileContent(SightStep, tag="content"):
    """A file holds exactly this."""

    path: Path
    content: Content


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


class UndoCreated(UndoStep, tag="created"):
    """Remove a file of the fault's own making."""

    path: Path


SIGHTS = Link | FileContent | MountUsed | FileAtLeast
UNDOS = UndoPath | UndoCreated
