"""Undo what a fault did to the host as a whole: its clock, its name, its kernel settings, what it starts by itself.

Touches: what the step names; /proc/sys, links in /etc/systemd/system.
"""

from __future__ import annotations

import socket
import stat
import time
from pathlib import Path

import settings
from failures import Refused
from machine import boot_id, run

LOCAL_UNITS = Path("/etc/systemd/system")

# clock: the wall clock


def _capture_clock(_step: dict) -> object:
    return _offset_s()


def _offset_s() -> float:
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)


def _revert_clock(step: dict, before: float, boot: str) -> str:
    moved_s = _offset_s() - before
    if boot_id() != boot or abs(moved_s - step["step_s"]) > step["tolerance_s"]:
        return f"clock: left alone, it is {moved_s:.1f} s from where it was"
    time.clock_settime(time.CLOCK_REALTIME, time.time() - step["step_s"])
    return f"clock: stepped back by {step['step_s']} s"


# sysctl: a kernel setting of the host's own namespaces


def _capture_sysctl(step: dict) -> object:
    try:
        before = settings.read(step["key"])
    except OSError as error:
        raise Refused(f"{step['key']}: cannot be read ({error.strerror})") from error
    if before == settings.words(step["value"]):
        raise Refused(f"{step['key']}: is {step['value']} already")
    return before


def _revert_sysctl(step: dict, before: list, _boot: str) -> str:
    key, now = step["key"], settings.read(step["key"])
    if now != settings.words(step["value"]):
        return f"{key}: left alone, it is {' '.join(now)}"
    settings.write(key, before)
    return f"{key}: is {' '.join(before)} again"


# hostname: the kernel's; the file that a boot takes it from is a `path`


def _capture_hostname(step: dict) -> object:
    if socket.gethostname() == step["name"]:
        raise Refused(f"hostname: is {step['name']} already")
    return socket.gethostname()


def _revert_hostname(step: dict, before: str, _boot: str) -> str:
    if socket.gethostname() != step["name"]:
        return f"hostname: left alone, it is {socket.gethostname()}"
    socket.sethostname(before)
    return f"hostname: is {before} again"


# enabled: the links by which systemd starts a unit by itself


def _links(unit: str) -> list[Path]:
    directories = (d for kind in ("wants", "requires") for d in LOCAL_UNITS.glob(f"*.{kind}"))
    return sorted(link for directory in directories if (link := directory / unit).is_symlink())


def _capture_enabled(step: dict) -> object:
    links = _links(step["unit"])
    if not links:
        raise Refused(f"{step['unit']}: is not enabled: no steady state to start from")
    return [[str(link), str(link.readlink()), stat.S_IMODE(link.parent.stat().st_mode)] for link in links]


def _revert_enabled(step: dict, before: list, _boot: str) -> str:
    unit = step["unit"]
    missing = [entry for entry in before if not Path(entry[0]).is_symlink()]
    if not missing:
        return f"{unit}: left alone, it is enabled"
    for link, to, mode in missing:
        directory = Path(link).parent
        if not directory.exists():
            directory.mkdir()
            directory.chmod(mode)
        Path(link).symlink_to(to)
    run("systemctl", "daemon-reload")
    return f"{unit}: enabled again"


KINDS = {
    "clock": (_capture_clock, _revert_clock),
    "sysctl": (_capture_sysctl, _revert_sysctl),
    "hostname": (_capture_hostname, _revert_hostname),
    "enabled": (_capture_enabled, _revert_enabled),
}
