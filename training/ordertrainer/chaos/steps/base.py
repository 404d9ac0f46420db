"""What all kinds of steps have in common: strictness, and the shapes of the texts in them. Pure."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

Text = Annotated[str, Meta(min_length=1, max_length=300)]
Path = Annotated[str, Meta(pattern=r"^(/|\{\w+\})[A-Za-z0-9._/@:{}-]{0,250}$")]
Unit = Annotated[str, Meta(pattern=r"^[A-Za-z0-9:_.@{}-]{1,200}$")]
Seconds = Annotated[float, Meta(gt=0, le=3600)]
Ratio = Annotated[float, Meta(gt=0, le=1)]
Content = Annotated[str, Meta(max_length=4096)]


class Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all parts of a contract: nothing unknown, nothing mutable."""


class SightStep(Strict, tag_field="see"):
    """A condition the witness looks for."""


class UndoStep(Strict, tag_field="undo"):
    """A step of the revert; each acts only where the fault's own doing still stands."""
