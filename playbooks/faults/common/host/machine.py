"""What the rest of the program asks of systemd and of /proc.

Touches: systemctl, /proc, /sys/fs/cgroup.

Process ids at or below zero are never signalled and never looked up: a process of another namespace shows as 0, and
`kill(0)` is the caller's own group.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

CGROUP_ROOTS = ("/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd")
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
COMMAND_TIMEOUT_S = 30.0


def run(*argv: str) -> str:
    """Run a program and return what it wrote.

    Raises:
        OSError: it failed; carries its words.
    """
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=COMMAND_TIMEOUT_S, check=False)
    if done.returncode != 0:
        raise OSError(f"`{' '.join(argv)}` returned {done.returncode}: {(done.stderr or done.stdout).strip()[-500:]}")
    return done.stdout


def show(unit: str, *properties: str) -> dict[str, str]:
    """Return some of a unit's properties."""
    lines = run("systemctl", "show", f"--property={','.join(properties)}", "--", unit).splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def main_process(unit: str) -> tuple[int, int]:
    """Return the id and the start time (ticks since boot) of a unit's main process, zeros when it has none."""
    pid = int(show(unit, "MainPID").get("MainPID", "0"))
    return (pid, started_at(pid)) if pid > 0 else (0, 0)


def stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the state on, empty when the process is gone or a zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace") if pid > 0 else ""
    except OSError:
        return []
    fields = text[text.rfind(")") + 2 :].split()
    return [] if not fields or fields[0] in "ZX" else fields


def started_at(pid: int) -> int:
    """Return when a process started, in ticks since boot, 0 when it is gone."""
    fields = stat(pid)
    return int(fields[19]) if fields else 0


def processes_of(unit: str) -> list[int]:
    """Return the ids of all processes of a unit."""
    group = show(unit, "ControlGroup").get("ControlGroup", "").lstrip("/")
    found: set[int] = set()
    for root in CGROUP_ROOTS if group else ():
        for file in Path(root, group).glob("**/cgroup.procs"):
            found.update(int(line) for line in file.read_text(encoding="ascii").split())
    return sorted(pid for pid in found if pid > 0)


def threads_of(unit: str) -> list[int]:
    """Return the ids of all threads of all processes of a unit; what ends meanwhile is left out."""
    tasks = (Path(f"/proc/{pid}/task") for pid in processes_of(unit))
    return sorted(int(thread.name) for task in tasks if task.is_dir() for thread in task.iterdir())


def cpu_group(pid: int) -> Path:
    """Return the directory of the control group in which the kernel shares out CPU to a process."""
    for line in Path(f"/proc/{pid}/cgroup").read_text(encoding="ascii").splitlines():
        _, controllers, group = line.split(":", 2)
        if "cpu" in controllers.split(","):
            return Path("/sys/fs/cgroup/cpu", group.lstrip("/"))
        if not controllers:  # the unified hierarchy is listed last: it has the CPU where no legacy one has
            return Path("/sys/fs/cgroup", group.lstrip("/"))
    raise OSError(f"process {pid}: no control group shares out its CPU")


def memory_bytes() -> int:
    """Return the host's memory."""
    first = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()[0]
    return int(first.split()[1]) * 1024


def boot_id() -> str:
    """Return the id of this boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
