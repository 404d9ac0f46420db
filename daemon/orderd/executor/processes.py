"""Who a process is: start time, kernel thread or not, whose control group. Reads /proc.

A pid alone names nobody: it is used again. Pid and start time together name one process until the next boot.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PF_KTHREAD: Final = 0x00200000
_PROC: Final = Path("/proc")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessIdentity:
    """What is known about one process.

    Attributes:
        pid: its id in our namespace.
        start_ticks: when it started, clock ticks since boot.
        kernel_thread: it is a part of the kernel.
        units: names of the systemd units whose control groups it lies in, outermost first.
    """

    pid: int
    start_ticks: int
    kernel_thread: bool
    units: tuple[str, ...]


def identify(pid: int, proc: Path = _PROC) -> ProcessIdentity | None:
    """Read who a process is.

    Returns:
        Its identity, None when there is no such process.
    """
    try:
        stat = (proc / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
        groups = (proc / str(pid) / "cgroup").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return parse_identity(pid, stat, groups)


def parse_identity(pid: int, stat: str, groups: str) -> ProcessIdentity:
    """Turn the text of /proc/PID/stat and /proc/PID/cgroup into an identity. Pure."""
    fields = stat[stat.rindex(")") + 2 :].split()  # the name before it may hold anything, also brackets and spaces
    parts = [part for line in groups.splitlines() for part in line.split(":", 2)[2].split("/")]
    units = dict.fromkeys(part for part in parts if part.endswith((".service", ".slice", ".scope", ".socket")))
    return ProcessIdentity(
        pid=pid,
        start_ticks=int(fields[19]),
        kernel_thread=bool(int(fields[6]) & _PF_KTHREAD),
        units=tuple(units),
    )
