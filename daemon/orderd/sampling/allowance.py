"""What the control groups of a process let it take: CPU and memory. Reads /proc/PID/cgroup and /sys/fs/cgroup.

Only groups that are the unit's own count: those below what the process has in common with PID 1, but for slices, which many units
share. So what somebody put below the unit's group is seen too; and in a container whose controllers systemd cannot write, where
every process is in the group of PID 1, a group that somebody has put a service into.
"""

import math
import os
from pathlib import Path
from typing import Final, NamedTuple

_UNIFIED_MOUNTS: Final = ("", "unified")
_V1_UNLIMITED_BYTES: Final = 1 << 60
"""Where a legacy group has no limit, the kernel writes the largest multiple of a page."""
_KEPT_MAX: Final = 256
_BYTES_MAX: Final = 4096


class Allowance(NamedTuple):
    """What is granted; infinite where nothing limits it."""

    cpu_cores: float
    memory_max_bytes: float
    memory_high_bytes: float


class Place(NamedTuple):
    """Where a controller shares out to a process.

    Attributes:
        hierarchy: its directory below /sys/fs/cgroup, empty where it is all there is.
        shared: the group down to which the process is where PID 1 is.
        own: the group below that, empty where the two are in one group.
    """

    hierarchy: str
    shared: str
    own: str

    def groups(self) -> list[str]:
        """Return the directories of the groups that are the unit's own, below /sys/fs/cgroup."""
        parts = self.own.split("/")
        paths = ("/".join(parts[: i + 1]) for i, part in enumerate(parts) if part and not part.endswith(".slice"))
        return ["/".join(filter(None, (self.hierarchy, self.shared, path))) for path in paths]


class Allowances:
    """Reads what processes are granted, again and again."""

    def __init__(self, mount: Path = Path("/sys/fs/cgroup"), proc: Path = Path("/proc")) -> None:
        """Look under ``mount``; nothing is read yet."""
        self._mount = mount
        self._proc = proc
        self._init = ""
        self._groups: dict[str, tuple[list[str], list[str]]] = {}

    def of(self, pid: int) -> Allowance | None:
        """Return what a process is granted by groups of its unit's own, None when it is gone or hidden."""
        text = _read(f"{self._proc}/{pid}/cgroup")
        if not text or not self._knows_init():
            return None
        if text not in self._groups:
            if len(self._groups) >= _KEPT_MAX:
                self._groups.clear()
            cpu, memory = ([f"{self._mount}/{group}" for group in place.groups()] for place in self._places(text))
            self._groups[text] = cpu, memory
        cpu, memory = self._groups[text]
        return Allowance(
            cpu_cores=min(map(_cpu_cores, cpu), default=math.inf),
            memory_max_bytes=min(map(_memory_max_bytes, memory), default=math.inf),
            memory_high_bytes=min(map(_memory_high_bytes, memory), default=math.inf),
        )

    def places(self, pid: int) -> tuple[Place, Place] | None:
        """Return where CPU and memory are shared out to a process, None when it is gone or hidden."""
        text = _read(f"{self._proc}/{pid}/cgroup")
        return self._places(text) if text and self._knows_init() else None

    def _knows_init(self) -> bool:
        self._init = self._init or _read(f"{self._proc}/1/cgroup")
        return bool(self._init)

    def _places(self, text: str) -> tuple[Place, Place]:
        unified = next((name for name in _UNIFIED_MOUNTS if (self._mount / name / "cgroup.controllers").exists()), "")
        here, of_init = _groups(text), _groups(self._init)

        def place(controller: str) -> Place:
            # The unified hierarchy has a controller where no legacy one has it.
            hierarchy, key = (controller, controller) if controller in here else (unified, "")
            shared, own = _apart(here.get(key, "/"), of_init.get(key, "/"))
            return Place(hierarchy=hierarchy, shared=shared, own=own)

        return place("cpu"), place("memory")


def _groups(text: str) -> dict[str, str]:
    """Return controller -> path from /proc/PID/cgroup; the unified hierarchy is called nothing."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        found |= dict.fromkeys(controllers.split(","), path)
    return found


def _apart(path: str, of_init: str) -> tuple[str, str]:
    """Return what two groups have in common, and what of the first is below that."""
    parts, others = path.strip("/").split("/"), of_init.strip("/").split("/")
    common = next((i for i, part in enumerate(parts) if i >= len(others) or part != others[i]), len(parts))
    return "/".join(parts[:common]), "/".join(parts[common:])


def _read(path: str) -> str:
    """Return the text of a small file; by hand, which takes a third of the time, some dozens of times every few seconds."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:  # gone, or the group does not have the controller
        return ""
    try:
        return os.read(file, _BYTES_MAX).decode(errors="replace")
    except OSError:
        return ""
    finally:
        os.close(file)


def _cpu_cores(group: str) -> float:
    if words := _read(f"{group}/cpu.max").split():
        return math.inf if words[0] == "max" else int(words[0]) / int(words[1])
    quota_us = int(_read(f"{group}/cpu.cfs_quota_us") or -1)
    return quota_us / int(_read(f"{group}/cpu.cfs_period_us") or 1) if quota_us > 0 else math.inf


def _memory_max_bytes(group: str) -> float:
    return _bytes(_read(f"{group}/memory.max") or _read(f"{group}/memory.limit_in_bytes"))


def _memory_high_bytes(group: str) -> float:
    return _bytes(_read(f"{group}/memory.high"))


def _bytes(text: str) -> float:
    limit = text.strip()
    return float(limit) if limit not in {"", "max"} and int(limit) < _V1_UNLIMITED_BYTES else math.inf
