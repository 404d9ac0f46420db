"""The host as a whole: its clock, its name, its kernel settings, what it starts by itself. Pure."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from ordertrainer.chaos.steps.base import Seconds, SightStep, Text, UndoStep, Unit

# Only what belongs to a network namespace: the rest of /proc/sys is the machine's, also for its disposable hosts.
Setting = Annotated[str, Meta(pattern=r"^net\.(core|ipv4|ipv6)\.[a-z0-9_.]{1,100}$")]
Hostname = Annotated[str, Meta(pattern=r"^[a-z0-9{}][a-z0-9{}-]{0,62}$")]


class ClockOff(SightStep, tag="clock_off"):
    """The wall clock has moved against the clock that counts since boot."""

    at_least_s: Seconds


class Sysctl(SightStep, tag="sysctl"):
    """A kernel setting has this value."""

    key: Setting
    value: Text


class HostnameIs(SightStep, tag="hostname"):
    """The kernel calls the host by this name."""

    name: Hostname


class UndoClock(UndoStep, tag="clock"):
    """Step the clock back, while it still is off by what the fault stepped."""

    step_s: float | Annotated[str, Meta(pattern=r"^\{\w+\}$")]
    tolerance_s: Seconds


class UndoSysctl(UndoStep, tag="sysctl"):
    """Give a kernel setting the value it had, while it still has the fault's."""

    key: Setting
    value: Text


class UndoHostname(UndoStep, tag="hostname"):
    """Give the host the name it had, while the kernel still calls it by the fault's."""

    name: Hostname


class UndoEnabled(UndoStep, tag="enabled"):
    """Put back the links by which systemd starts a unit by itself, where they are gone."""

    unit: Unit


SIGHTS = ClockOff | Sysctl | HostnameIs
UNDOS = UndoClock | UndoSysctl | UndoHostname | UndoEnabled
