"""The host as a whole: its clock, its settings. Pure."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from ordertrainer.chaos.steps.base import Seconds, SightStep, UndoStep


class ClockOff(SightStep, tag="clock_off"):
    """The wall clock has moved against the clock that counts since boot."""

    at_least_s: Seconds


class UndoClock(UndoStep, tag="clock"):
    """Step the clock back, while it still is off by what the fault stepped."""

    step_s: float | Annotated[str, Meta(pattern=r"^\{\w+\}$")]
    tolerance_s: Seconds


SIGHTS = ClockOff
UNDOS = UndoClock
