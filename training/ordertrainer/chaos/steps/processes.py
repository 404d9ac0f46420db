"""Processes and the units they belong to. Pure."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from ordertrainer.chaos.steps.base import SightStep, Unit


class MainProcessGone(SightStep, tag="main_process_gone"):
    """The main process the unit had before is gone."""

    unit: Unit


class MainProcessStopped(SightStep, tag="main_process_stopped"):
    """The main process the unit had before is stopped by a signal."""

    unit: Unit


class Restarts(SightStep, tag="restarts"):
    """systemd has restarted the unit by itself."""

    unit: Unit
    at_least: Annotated[int, Meta(ge=1, le=100)]


class CpuUser(SightStep, tag="cpu_user"):
    """The unit's main process uses that many cores in user mode."""

    unit: Unit
    at_least_cores: Annotated[float, Meta(gt=0, le=64)]


class MemoryGrown(SightStep, tag="memory_grown"):
    """The unit's main process holds that much memory."""

    unit: Unit
    at_least_bytes: Annotated[int, Meta(ge=1 << 20)]


SIGHTS = MainProcessGone | MainProcessStopped | Restarts | CpuUser | MemoryGrown
