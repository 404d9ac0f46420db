"""Sights of units as systemd and their callers see them: what systemd says, what is answered, who listens.

Touches: systemctl show, /proc, one question over loopback. Reads only.
"""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress
from pathlib import Path

from machine import processes_of, show

from sights.look import nothing

POLL_S = 0.1  # asking systemd costs a process, and a question costs the service something: not at every poll
LOOPBACK = "127.0.0.1"
ANSWER_TIMEOUT_S = 3.0
ANSWER_BYTES_MAX = 512
QUESTIONS = 3  # one answer alone may be an accident
LISTENING = "0A"


def _unit_property(sight: dict, _before: object) -> bool:
    time.sleep(POLL_S)
    return show(sight["unit"], sight["property"]).get(sight["property"]) in sight["values"]


def _answer(sight: dict, _before: object) -> bool:
    time.sleep(POLL_S)
    return all(_as_expected(sight) for _ in range(QUESTIONS))


def _as_expected(sight: dict) -> bool:
    """Ask once; who does not answer does not answer as expected."""
    asked = time.monotonic()
    try:
        with socket.create_connection((LOOPBACK, sight["port"]), timeout=ANSWER_TIMEOUT_S) as line:
            line.sendall(sight["send"].encode())
            answer = line.recv(ANSWER_BYTES_MAX)
    except OSError:
        return False
    return answer.startswith(sight["starts"].encode()) and time.monotonic() - asked >= sight["at_least_s"]


def _refused(sight: dict, _before: object) -> bool:
    with socket.socket() as line:
        line.settimeout(ANSWER_TIMEOUT_S)
        try:
            line.connect((LOOPBACK, sight["port"]))
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
    return False


def _listens(sight: dict, _before: object) -> bool:
    time.sleep(POLL_S)
    wanted = {f"socket:[{inode}]" for inode in _listeners(sight["port"])}
    return bool(wanted) and any(wanted & _open(pid) for pid in processes_of(sight["unit"]))


def _listeners(port: int) -> set[str]:
    """Return the inodes of the sockets that listen on a TCP port."""
    lines = (line.split() for name in ("tcp", "tcp6") for line in _table(Path("/proc/net", name)))
    return {fields[9] for fields in lines if fields[3] == LISTENING and int(fields[1].rpartition(":")[2], 16) == port}


def _table(file: Path) -> list[str]:
    with suppress(FileNotFoundError):  # a kernel without IPv6
        return file.read_text(encoding="ascii").splitlines()[1:]
    return []


def _open(pid: int) -> set[str]:
    """Return what the descriptors of a process lead to; nothing when it has ended."""
    found = set()
    with suppress(OSError):
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                found.add(os.readlink(entry))
    return found


KINDS = {
    "unit_property": (nothing, _unit_property),
    "answer": (nothing, _answer),
    "refused": (nothing, _refused),
    "listens": (nothing, _listens),
}
