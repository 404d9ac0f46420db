"""Units and their processes. Pure."""

from __future__ import annotations

from ordertrainer.chaos.steps.base import Path, UndoStep, Unit


class UndoUnit(UndoStep, tag="unit"):
    """Start a unit that was active, unless somebody has started it since."""

    unit: Unit


class UndoResume(UndoStep, tag="resume"):
    """Let the stopped processes of a unit run on."""

    unit: Unit


class UndoTransient(UndoStep, tag="transient"):
    """Stop a unit of the fault's own making."""

    unit: Unit


class UndoHold(UndoStep, tag="hold"):
    """Take back an announcement to orderd."""

    unit: Unit
    orderctl: Path = "/opt/orderd/bin/orderctl"


UNDOS = UndoUnit | UndoResume | UndoTransient | UndoHold
