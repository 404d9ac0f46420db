"""Processes, the units they belong to, and what they take: descriptors, threads, CPU, memory. Pure."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from ordertrainer.chaos.steps.base import Ratio, Seconds, SightStep, UndoStep, Unit

Placeholder = Annotated[str, Meta(pattern=r"^\{\w+\}$")]
"""Stands for a number that is drawn."""
Count = Annotated[int, Meta(ge=1, le=100_000)]
Cores = Annotated[float, Meta(gt=0, le=64)]
Bytes = Annotated[int, Meta(ge=1 << 20)]
Nice = Annotated[int, Meta(ge=-20, le=19)]
Group = Annotated[str, Meta(pattern=r"^[A-Za-z0-9.{}-]{1,60}$")]


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
    at_least_cores: Cores


class CpuSystem(SightStep, tag="cpu_system"):
    """The unit's main process uses that many cores in the kernel."""

    unit: Unit
    at_least_cores: Cores


class Runnable(SightStep, tag="runnable"):
    """That many threads of the unit's main process want each of the host's cores, at the same moment."""

    unit: Unit
    at_least_per_core: Cores


class MemoryGrown(SightStep, tag="memory_grown"):
    """The unit's main process holds that much memory."""

    unit: Unit
    at_least_bytes: Bytes


class Swapped(SightStep, tag="swapped"):
    """That much of the unit's main process lies in swap."""

    unit: Unit
    at_least_bytes: Bytes


class DescriptorsUsed(SightStep, tag="descriptors_used"):
    """The unit's main process has used up that share of the descriptors it may have."""

    unit: Unit
    at_least_ratio: Ratio


class Threads(SightStep, tag="threads"):
    """The unit's main process has that many threads."""

    unit: Unit
    at_least: Count


class Children(SightStep, tag="children"):
    """The unit's main process has that many children in one of these states: letters of proc(5), `Z` for zombies."""

    unit: Unit
    states: Annotated[str, Meta(pattern=r"^[RSDZTtI]{1,7}$")]
    at_least: Count


class Niced(SightStep, tag="nice"):
    """Every thread of the unit is at least that nice."""

    unit: Unit
    at_least: Nice | Placeholder


class CpuQuota(SightStep, tag="cpu_quota"):
    """The kernel grants the unit's main process at most that many cores."""

    unit: Unit
    at_most_cores: Cores


class LoadRisen(SightStep, tag="load_risen"):
    """The load average over a minute is higher by that much than when the fault was armed."""

    by_at_least: Annotated[float, Meta(gt=0, le=10_000)]


class MemoryAvailable(SightStep, tag="memory_available"):
    """That little of the host's memory can still be had."""

    at_most_ratio: Ratio


class Stalled(SightStep, tag="stalled"):
    """Since the fault was armed, processes have waited that long in all for CPU, memory or a disk, by the kernel's account."""

    of: Literal["cpu", "memory", "io"]
    at_least_s: Seconds


class OomKilled(SightStep, tag="oom_killed"):
    """Since the fault was armed, the kernel has killed that many processes of this host for want of memory."""

    at_least: Count


class UndoNice(UndoStep, tag="nice"):
    """Give the threads of a unit back the nice value they had, where they still have the one that the fault gave them."""

    unit: Unit
    nice: Nice | Placeholder


class UndoCpuGroup(UndoStep, tag="cpu_group"):
    """Let the processes that the fault put into a group of its own out again, and remove the group."""

    unit: Unit
    group: Group


SIGHTS = (
    MainProcessGone
    | MainProcessStopped
    | Restarts
    | CpuUser
    | CpuSystem
    | Runnable
    | MemoryGrown
    | Swapped
    | DescriptorsUsed
    | Threads
    | Children
    | Niced
    | CpuQuota
    | LoadRisen
    | MemoryAvailable
    | Stalled
    | OomKilled
)
UNDOS = UndoNice | UndoCpuGroup
