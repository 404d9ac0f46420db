"""Sights of processes and of the units they belong to. Touches: /proc, systemctl show. Reads only."""

from __future__ import annotations

import os
import time

from failures import Refused
from machine import TICKS_PER_S, main_process, show, started_at, stat

from sights.look import nothing

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
CPU_WINDOW_S = 0.4
RESTARTS_POLL_S = 0.1


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
    time.sleep(RESTARTS_POLL_S)  # asking systemd costs a process, so not at every poll
    return int(show(sight["unit"], "NRestarts").get("NRestarts", "0")) >= sight["at_least"]


def _cpu_user(sight: dict, _before: object) -> bool:
    pid, start = main_process(sight["unit"])
    first, at = stat(pid), time.monotonic()
    time.sleep(CPU_WINDOW_S)
    second = stat(pid)
    if not start or not first or not second:
        return False
    cores = (int(second[11]) - int(first[11])) / TICKS_PER_S / (time.monotonic() - at)
    return cores >= sight["at_least_cores"]


def _memory_grown(sight: dict, _before: object) -> bool:
    pid, start = main_process(sight["unit"])
    fields = stat(pid)
    return bool(start and fields) and int(fields[21]) * PAGE_BYTES >= sight["at_least_bytes"]


KINDS = {
    "main_process_gone": (_main_process, _main_process_gone),
    "main_process_stopped": (_main_process, _main_process_stopped),
    "restarts": (nothing, _restarts),
    "cpu_user": (nothing, _cpu_user),
    "memory_grown": (nothing, _memory_grown),
}
