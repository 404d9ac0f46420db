"""Undo what a fault did to how the kernel treats the processes of a unit: their nice values, their share of the CPU.

Touches: scheduling of the processes of the unit that the step names; the legacy cpu hierarchy, where the step's group is.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from failures import Refused
from machine import cpu_group, main_process, run, started_at, threads_of

MOVES_MAX = 50

# nice: how far behind everybody else the threads of a unit stand


def _capture_nice(step: dict) -> object:
    """Return every thread's nice value, and the main process's for those that will be born."""
    pid, _ = main_process(step["unit"])
    nices = dict(_nices(step["unit"]))
    if not nices:
        raise Refused(f"{step['unit']}: has no processes")
    if step["nice"] in nices.values():
        raise Refused(f"{step['unit']}: has threads at nice {step['nice']} already")
    return {"threads": {str(thread): [started_at(thread), nice] for thread, nice in nices.items()}, "others": nices.get(pid, 0)}


def _nices(unit: str) -> Iterator[tuple[int, int]]:
    for thread in threads_of(unit):
        with suppress(ProcessLookupError):
            yield thread, os.getpriority(os.PRIO_PROCESS, thread)


def _revert_nice(step: dict, before: dict, _boot: str) -> str:
    found = [thread for thread, nice in _nices(step["unit"]) if nice == step["nice"]]
    for thread in found:
        start, nice = before["threads"].get(str(thread), [0, 0])
        with suppress(ProcessLookupError):
            os.setpriority(os.PRIO_PROCESS, thread, nice if start == started_at(thread) else before["others"])
    return f"{step['unit']}: {len(found)} threads given their nice value back"


# cpu_group: a control group with a small quota, of the fault's own making


@contextmanager
def cpu_hierarchy() -> Iterator[Path]:
    """Mount the legacy cpu hierarchy for a moment: a container has its own part of it, but sees it read-only."""
    with tempfile.TemporaryDirectory(prefix="orderd-chaos-", dir="/run") as directory:
        run("mount", "-t", "cgroup", "-o", "cpu", "cgroup", directory)
        try:
            yield Path(directory)
        finally:
            run("umount", directory)


def _capture_cpu_group(step: dict) -> object:
    """Return the group, relative to the hierarchy, that the processes of the unit are in."""
    pid, start = main_process(step["unit"])
    if not start:
        raise Refused(f"{step['unit']}: has no main process")
    group = cpu_group(pid)
    if (group.parent / step["group"]).exists() or (group / step["group"]).exists():
        raise Refused(f"{group}: has a group {step['group']} already")
    return str(group)


def _revert_cpu_group(step: dict, before: str, _boot: str) -> str:
    seen = Path(before, step["group"])
    if not seen.is_dir():
        return f"{seen}: gone already"
    with cpu_hierarchy() as hierarchy:
        ours = hierarchy / seen.relative_to("/sys/fs/cgroup/cpu")
        moved = _let_out(ours)
        ours.rmdir()
    return f"{seen}: {moved} processes let out, group removed"


def _let_out(group: Path) -> int:
    """Move every process of a group to the one above, those too that are forked meanwhile."""
    moved = 0
    for _ in range(MOVES_MAX):
        pids = [pid for pid in (group / "cgroup.procs").read_text(encoding="ascii").split() if pid != "0"]
        if not pids:
            break
        for pid in pids:
            with suppress(ProcessLookupError):
                (group.parent / "cgroup.procs").write_text(pid, encoding="ascii")
                moved += 1
    return moved


KINDS = {
    "nice": (_capture_nice, _revert_nice),
    "cpu_group": (_capture_cpu_group, _revert_cpu_group),
}
