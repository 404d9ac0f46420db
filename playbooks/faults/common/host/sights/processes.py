"""Sights of processes, of the units they belong to, and of what they take: descriptors, threads, CPU, memory.

Touches: /proc, /sys/fs/cgroup, systemctl show. Reads only. What is seen is the kernel's own count.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from failures import Refused
from machine import TICKS_PER_S, cpu_group, main_process, show, started_at, stat, threads_of

from sights.look import nothing

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
CPU_WINDOW_S = 0.4
POLL_S = 0.1  # asking systemd costs a process, reading all of /proc some milliseconds: not at every poll
USER, SYSTEM = 11, 12  # fields of /proc/PID/stat, counted from the state on
THREADS, RESIDENT = 17, 21
CONTAINER = Path("/run/systemd/container")
MEMORY_EVENTS = Path("/sys/fs/cgroup/memory.events")  # of the unified hierarchy
MEMORY_OOM_CONTROL = Path("/sys/fs/cgroup/memory/memory.oom_control")  # of a legacy one
VMSTAT = Path("/proc/vmstat")


def _main_process(sight: dict) -> object:
    pid, start = main_process(sight["unit"])
    if not start:
        raise Refused(f"{sight['unit']}: has no main process")
    return [pid, start]


def _main_process_gone(_sight: dict, before: list) -> bool:
    return started_at(before[0]) != before[1]


def _main_process_stopped(_sight: dict, before: list) -> bool:
    fields = stat(before[0])
    return bool(fields) and int(fields[19]) == before[1] and fields[0] == "T"


def _restarts(sight: dict, _before: object) -> bool:
    time.sleep(POLL_S)
    return int(show(sight["unit"], "NRestarts").get("NRestarts", "0")) >= sight["at_least"]


# what the main process of a unit takes


def _cpu(field: int) -> Callable[[dict, object], bool]:
    def seen(sight: dict, _before: object) -> bool:
        pid, start = main_process(sight["unit"])
        first, at = stat(pid), time.monotonic()
        time.sleep(CPU_WINDOW_S)
        second = stat(pid)
        if not start or not first or not second:
            return False
        cores = (int(second[field]) - int(first[field])) / TICKS_PER_S / (time.monotonic() - at)
        return cores >= sight["at_least_cores"]

    return seen


def _runnable(sight: dict, _before: object) -> bool:
    time.sleep(POLL_S)
    pid, start = main_process(sight["unit"])
    if not start:
        return False
    runnable = sum(state == "R" for _, state in _stats(Path(f"/proc/{pid}/task")))
    return runnable >= sight["at_least_per_core"] * len(os.sched_getaffinity(0))


def _memory_grown(sight: dict, _before: object) -> bool:
    pid, start = main_process(sight["unit"])
    fields = stat(pid)
    return bool(start and fields) and int(fields[RESIDENT]) * PAGE_BYTES >= sight["at_least_bytes"]


def _swapped(sight: dict, _before: object) -> bool:
    time.sleep(POLL_S)
    pid, start = main_process(sight["unit"])
    return bool(start) and _named(Path(f"/proc/{pid}/status"), "VmSwap:") * 1024 >= sight["at_least_bytes"]


def _descriptors_used(sight: dict, _before: object) -> bool:
    time.sleep(POLL_S)
    pid, start = main_process(sight["unit"])
    if not start:
        return False
    limits = Path(f"/proc/{pid}/limits").read_text(encoding="ascii").splitlines()
    soft = next(line.split()[3] for line in limits if line.startswith("Max open files"))
    return soft.isdecimal() and len(os.listdir(f"/proc/{pid}/fd")) >= sight["at_least_ratio"] * int(soft)


def _threads(sight: dict, _before: object) -> bool:
    time.sleep(POLL_S)
    fields = stat(main_process(sight["unit"])[0])
    return bool(fields) and int(fields[THREADS]) >= sight["at_least"]


def _children(sight: dict, _before: object) -> bool:
    time.sleep(POLL_S)
    pid, start = main_process(sight["unit"])
    found = (state for parent, state in _stats(Path("/proc")) if parent == pid)
    return bool(start) and sum(state in sight["states"] for state in found) >= sight["at_least"]


def _stats(directory: Path) -> Iterator[tuple[int, str]]:
    """Yield parent and state of every process or thread in a directory of them, the dead that nobody has waited for too."""
    for entry in directory.iterdir():
        if entry.name.isdecimal():
            try:
                text = (entry / "stat").read_text(encoding="utf-8", errors="replace")
            except OSError:  # it has ended
                continue
            state, parent = text[text.rfind(")") + 2 :].split()[:2]
            yield int(parent), state


# how the kernel treats the processes of a unit


def _nice(sight: dict, _before: object) -> bool:
    time.sleep(POLL_S)
    nices = [os.getpriority(os.PRIO_PROCESS, thread) for thread in threads_of(sight["unit"])]
    return bool(nices) and min(nices) >= sight["at_least"]


def _cpu_quota(sight: dict, _before: object) -> bool:
    time.sleep(POLL_S)
    pid, start = main_process(sight["unit"])
    return bool(start) and _quota_cores(cpu_group(pid)) <= sight["at_most_cores"]


def _quota_cores(group: Path) -> float:
    """Return how many cores the kernel grants a control group, infinite when it does not limit it."""
    if (group / "cpu.max").exists():
        quota, period = (group / "cpu.max").read_text(encoding="ascii").split()
    elif (group / "cpu.cfs_quota_us").exists():
        quota, period = ((group / f"cpu.cfs_{what}_us").read_text(encoding="ascii").strip() for what in ("quota", "period"))
    else:
        return float("inf")
    return float("inf") if quota in ("max", "-1") else int(quota) / int(period)


# what the whole host feels of it


def _load(_sight: dict) -> object:
    return float(Path("/proc/loadavg").read_text(encoding="ascii").split()[0])


def _load_risen(sight: dict, before: float) -> bool:
    time.sleep(POLL_S)
    return _load(sight) - before >= sight["by_at_least"]


def _memory_available(sight: dict, _before: object) -> bool:
    time.sleep(POLL_S)
    meminfo = Path("/proc/meminfo")
    # A container's MemAvailable counts what lies in its tmpfs as room, too; what is free and the pages of files are all there is.
    had = sum(_named(meminfo, name) for name in ("MemFree:", "Active(file):", "Inactive(file):"))
    return min(had, _named(meminfo, "MemAvailable:")) <= sight["at_most_ratio"] * _named(meminfo, "MemTotal:")


def _stalled_us(sight: dict) -> object:
    try:
        return _pressure_us(sight["of"])
    except OSError as error:
        raise Refused(f"/proc/pressure/{sight['of']}: {error.strerror}: this kernel keeps no account of pressure") from error


def _pressure_us(of: str) -> int:
    """Return for how long in all somebody has waited: the end of the first line of /proc/pressure/X."""
    return int(Path(f"/proc/pressure/{of}").read_text(encoding="ascii").split()[4].removeprefix("total="))


def _stalled(sight: dict, before: int) -> bool:
    time.sleep(POLL_S)
    return _pressure_us(sight["of"]) - before >= sight["at_least_s"] * 1e6


def _oom_kills(_sight: dict) -> object:
    """Return how many processes the kernel has killed for want of memory; in a container, in its own group only."""
    files = (MEMORY_EVENTS, MEMORY_OOM_CONTROL) if CONTAINER.exists() else (VMSTAT,)
    for file in files:
        if file.exists():
            return _named(file, "oom_kill")
    raise Refused(f"{', '.join(map(str, files))}: none is there: nobody counts what is killed for want of memory")


def _oom_killed(sight: dict, before: int) -> bool:
    time.sleep(POLL_S)
    return _oom_kills(sight) >= before + sight["at_least"]


def _named(file: Path, name: str) -> int:
    """Return the number that follows a name in one of the kernel's lists, 0 when the name is not there."""
    lines = (line.split() for line in file.read_text(encoding="ascii", errors="replace").splitlines())
    return next((int(words[1]) for words in lines if words and words[0] == name), 0)


KINDS = {
    "main_process_gone": (_main_process, _main_process_gone),
    "main_process_stopped": (_main_process, _main_process_stopped),
    "restarts": (nothing, _restarts),
    "cpu_user": (nothing, _cpu(USER)),
    "cpu_system": (nothing, _cpu(SYSTEM)),
    "runnable": (nothing, _runnable),
    "memory_grown": (nothing, _memory_grown),
    "swapped": (nothing, _swapped),
    "descriptors_used": (nothing, _descriptors_used),
    "threads": (nothing, _threads),
    "children": (nothing, _children),
    "nice": (nothing, _nice),
    "cpu_quota": (nothing, _cpu_quota),
    "load_risen": (_load, _load_risen),
    "memory_available": (nothing, _memory_available),
    "stalled": (_stalled_us, _stalled),
    "oom_killed": (_oom_kills, _oom_killed),
}
