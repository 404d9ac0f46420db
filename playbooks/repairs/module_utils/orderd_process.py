"""Who a process is, whether it may be stopped, and how to stop it for certain. Touches /proc and processes.

Shared by the modules of repairs. Standard library only: it runs inside Ansible modules.
"""

import os
import select
import signal

PF_KTHREAD = 0x00200000
OWN_PREFIX = "orderd"
UNIT_SUFFIXES = (".service", ".slice", ".scope", ".socket")
KILLED_WITHIN_S = 2.0


class ProcessRefusedError(Exception):
    """The process may not be stopped; the message says why."""


def start_ticks(pid):
    """Return when a process started, clock ticks since boot; None when there is none."""
    fields = stat_fields(pid)
    return None if fields is None else int(fields[19])


def stat_fields(pid):
    """Return the fields of /proc/PID/stat from the state on; None when there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", errors="replace") as stream:
            text = stream.read()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text[text.rindex(")") + 2 :].split()


def units_of(pid):
    """Return the names of the systemd units in whose control groups a process lies."""
    try:
        with open(f"/proc/{pid}/cgroup") as stream:
            lines = stream.read().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return []
    parts = [part for line in lines for part in line.split(":", 2)[2].split("/")]
    return sorted({part for part in parts if part.endswith(UNIT_SUFFIXES)})


def check_may_be_stopped(pid, protected_units):
    """Refuse processes whose end would do more harm than good.

    Raises:
        ProcessRefusedError: it is init, ourselves, a kernel thread, or belongs to a protected unit or to orderd.
    """
    fields = stat_fields(pid)
    if pid <= 1 or pid in (os.getpid(), os.getppid()):
        raise ProcessRefusedError(f"process {pid} is init or the repair itself")
    if fields is not None and int(fields[6]) & PF_KTHREAD:
        raise ProcessRefusedError(f"process {pid} is a kernel thread")
    for unit in units_of(pid):
        if unit in protected_units or unit.startswith(OWN_PREFIX):
            raise ProcessRefusedError(f"process {pid} belongs to {unit}")


def stop(pid, expected_start_ticks, protected_units, grace_s, *, dry_run=False):
    """Stop one process: TERM, then KILL.

    The descriptor is opened first and the identity is read after it, so that the process that was checked is the process that is
    signalled, whatever happens to its number.

    Args:
        pid: its id.
        expected_start_ticks: its start time; another one means that the number was used again.
        protected_units: units whose processes may not be stopped.
        grace_s: how long it may take to leave by itself.
        dry_run: only say what would happen.

    Returns:
        How it went: ``gone`` (was not there any more), ``terminated``, ``killed``, or ``would stop``.

    Raises:
        ProcessRefusedError: it may not be stopped, or survived.
    """
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return "gone"
    try:
        if start_ticks(pid) != expected_start_ticks:
            return "gone"
        check_may_be_stopped(pid, protected_units)
        return "would stop" if dry_run else _terminate(descriptor, pid, grace_s)
    finally:
        os.close(descriptor)


def _terminate(descriptor, pid, grace_s):
    for number, within_s, outcome in ((signal.SIGTERM, grace_s, "terminated"), (signal.SIGKILL, KILLED_WITHIN_S, "killed")):
        try:
            signal.pidfd_send_signal(descriptor, number)
        except ProcessLookupError:
            return outcome
        if select.select([descriptor], [], [], within_s)[0]:
            return outcome
    raise ProcessRefusedError(f"process {pid} survives SIGKILL (uninterruptible sleep)")
