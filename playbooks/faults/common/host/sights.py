"""What a landed fault looks like to somebody who knows nothing of the injector: conditions on the kernel's and systemd's state.

Touches: /proc, statvfs, systemctl show, one UDP question to the configured name server. Reads only.
"""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

from failures import Refused
from machine import TICKS_PER_S, main_process, show, started_at, stat

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
CPU_WINDOW_S = 0.4
RESTARTS_POLL_S = 0.1
DNS_TIMEOUT_S = 0.3
DNS_QUESTION = bytes.fromhex("4f44 0100 0001 0000 0000 0000 00 0002 0001")  # NS of the root: any server answers something


def capture(sight: dict) -> object:
    """Return what `seen` has to know about the time before the fault.

    Raises:
        Refused: the kind is unknown, or what it looks at is not there.
    """
    if sight.get("see") not in KINDS:
        raise Refused(f"see = {sight.get('see')!r}; allowed: {', '.join(KINDS)}")
    return KINDS[sight["see"]][0](sight)


def seen(sight: dict, before: object) -> bool:
    """Tell whether the condition holds now."""
    return KINDS[sight["see"]][1](sight, before)


def _nothing(_sight: dict) -> object:
    return None


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


def _link(sight: dict, _before: object) -> bool:
    path = Path(sight["path"])
    return path.is_symlink() and str(path.readlink()) == sight["to"]


def _content(sight: dict, _before: object) -> bool:
    try:
        return Path(sight["path"]).read_text(encoding="utf-8", errors="replace") == sight["content"]
    except OSError:
        return False


def _restarts(sight: dict, _before: object) -> bool:
    time.sleep(RESTARTS_POLL_S)  # asking systemd costs a process, so not at every poll
    return int(show(sight["unit"], "NRestarts").get("NRestarts", "0")) >= sight["at_least"]


def _mount_used(sight: dict, _before: object) -> bool:
    volume = os.statvfs(sight["path"])
    used = volume.f_blocks - volume.f_bfree
    return used / (used + volume.f_bavail) >= sight["at_least_ratio"]


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


def _file_at_least(sight: dict, _before: object) -> bool:
    try:
        return Path(sight["path"]).stat().st_size >= sight["at_least_bytes"]
    except OSError:
        return False


def _name_server_silent(sight: dict, _before: object) -> bool:
    lines = Path(sight["path"]).read_text(encoding="utf-8", errors="replace").splitlines()
    servers = [line.split()[1] for line in lines if line.startswith("nameserver ")]
    return bool(servers) and not any(_answers(server) for server in servers)


def _answers(server: str) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET, socket.SOCK_DGRAM) as question:
        question.settimeout(DNS_TIMEOUT_S)
        try:
            question.connect((server, 53))
            question.send(DNS_QUESTION)
            return bool(question.recv(512))
        except OSError:
            return False


def _offset_s(_sight: dict) -> object:
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)


def _clock_off(sight: dict, before: float) -> bool:
    return abs(_offset_s(sight) - before) >= sight["at_least_s"]


KINDS = {
    "main_process_gone": (_main_process, _main_process_gone),
    "main_process_stopped": (_main_process, _main_process_stopped),
    "link": (_nothing, _link),
    "content": (_nothing, _content),
    "restarts": (_nothing, _restarts),
    "mount_used": (_nothing, _mount_used),
    "cpu_user": (_nothing, _cpu_user),
    "memory_grown": (_nothing, _memory_grown),
    "file_at_least": (_nothing, _file_at_least),
    "name_server_silent": (_nothing, _name_server_silent),
    "clock_off": (_offset_s, _clock_off),
}
