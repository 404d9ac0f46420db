"""Units: what systemd says of them, how they answer, and how they are put right. Pure."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from ordertrainer.chaos.steps.base import Path, SightStep, Text, UndoStep, Unit

Port = Annotated[int, Meta(ge=1, le=65535)] | Annotated[str, Meta(pattern=r"^\{\w+\}$")]
Property = Annotated[str, Meta(pattern=r"^[A-Z][A-Za-z0-9]{1,60}$")]


class UnitProperty(SightStep, tag="unit_property"):
    """systemd gives one of these values to a property of the unit, as `systemctl show` prints it."""

    unit: Unit
    property: Property
    values: Annotated[tuple[Text, ...], Meta(min_length=1)]


class Answer(SightStep, tag="answer"):
    """Whoever listens on a TCP port of the host begins each answer to a question like this, and takes that long for it."""

    port: Port
    send: Text
    starts: Text
    at_least_s: Annotated[float, Meta(ge=0, le=2)] = 0


class PortRefused(SightStep, tag="refused"):
    """Nobody listens on a TCP port of the host."""

    port: Port


class Listens(SightStep, tag="listens"):
    """A process of the unit listens on a TCP port."""

    unit: Unit
    port: Port


class UndoUnit(UndoStep, tag="unit"):
    """Start a unit that was active, unless it runs, or somebody has started it since and it ended well."""

    unit: Unit


class UndoResume(UndoStep, tag="resume"):
    """Let the stopped processes of a unit run on."""

    unit: Unit


class UndoReread(UndoStep, tag="reread"):
    """Have a running unit read a file again that is newer than what the unit has read."""

    unit: Unit
    path: Path
    by: Annotated[str, Meta(pattern=r"^(reload|restart|\{\w+\})$")]


class UndoMadeUnit(UndoStep, tag="made_unit"):
    """Stop a unit whose file the fault has made, and have systemd forget how it ended; the file is another step's."""

    unit: Unit


class UndoTransient(UndoStep, tag="transient"):
    """Stop a unit of the fault's own making."""

    unit: Unit


class UndoHold(UndoStep, tag="hold"):
    """Take back an announcement to orderd."""

    unit: Unit
    orderctl: Path = "/opt/orderd/bin/orderctl"


SIGHTS = UnitProperty | Answer | PortRefused | Listens
UNDOS = UndoUnit | UndoResume | UndoReread | UndoMadeUnit | UndoTransient | UndoHold
