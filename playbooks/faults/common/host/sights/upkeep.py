"""Sights of what keeps a host usable and is looked after: certificates, configurations of access, packages, logs.

Touches: one TLS handshake, the programs' own checks of their configuration, locks, log files. Reads only.
"""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
import time
from pathlib import Path

from failures import Refused
from machine import main_process, show
from served import certificate

CHECKS = {"sshd": ["/usr/sbin/sshd", "-t"], "sudo": ["/usr/sbin/visudo", "-c", "-q"]}
CHECK_TIMEOUT_S = 5.0
POLL_S = 0.2  # each look costs a process or a handshake
LOCK = "hhqqi4x"  # struct flock: type, whence, start, length, process


# certificate_expired


def _expired(sight: dict) -> bool:
    """Ask who is served what, and openssl until when that is good."""
    served = certificate(sight["address"])
    argv = ["openssl", "x509", "-noout", "-checkend", "0"]
    done = subprocess.run(argv, input=served, capture_output=True, text=True, timeout=CHECK_TIMEOUT_S, check=False)
    if "will" not in done.stdout:  # both answers have it; anything else is no answer
        raise OSError(f"openssl: {(done.stderr or done.stdout).strip()[-200:]}")
    return done.returncode == 1


def _capture_expired(sight: dict) -> object:
    try:
        expired = _expired(sight)
    except (OSError, ValueError) as error:
        raise Refused(f"{sight['address']}: no certificate is served there ({error})") from error
    if expired:
        raise Refused(f"{sight['address']}: what is served there has expired already")
    return None


def _certificate_expired(sight: dict, _before: object) -> bool:
    time.sleep(POLL_S)
    return _expired(sight)


# check_fails: a program's own check of its configuration


def _fails(sight: dict) -> bool:
    argv = CHECKS[sight["of"]]
    return (
        subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=CHECK_TIMEOUT_S, check=False).returncode != 0
    )


def _capture_check(sight: dict) -> object:
    if _fails(sight):
        raise Refused(f"`{' '.join(CHECKS[sight['of']])}` fails already: no steady state to start from")
    return None


def _check_fails(sight: dict, _before: object) -> bool:
    time.sleep(POLL_S)
    return _fails(sight)


# lock_held


def _free(sight: dict) -> object:
    if _held(sight["path"]):
        raise Refused(f"{sight['path']}: is held already")
    return None


def _held(path: str) -> bool:
    """Ask who holds a lock, without taking it."""
    with Path(path).open("rb") as file:
        answer = fcntl.fcntl(file, fcntl.F_GETLK, struct.pack(LOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
    return struct.unpack(LOCK, answer)[0] != fcntl.F_UNLCK


def _lock_held(sight: dict, _before: object) -> bool:
    return _held(sight["path"])


# rotated: a log is another file than before, and its writer writes to that


def _inode(sight: dict) -> object:
    return Path(sight["path"]).stat().st_ino


def _rotated(sight: dict, before: int) -> bool:
    time.sleep(POLL_S)
    path = Path(sight["path"])
    pid, _ = main_process(sight["unit"])
    opened = {file.stat().st_ino for file in Path(f"/proc/{pid}/fd").iterdir() if os.readlink(file).startswith(str(path))}
    return path.stat().st_ino != before and path.stat().st_ino in opened and before not in opened


# reloaded


def _change(sight: dict) -> object:
    now = show(sight["unit"], "MainPID", "StateChangeTimestampMonotonic")
    return [now["MainPID"], now["StateChangeTimestampMonotonic"]]


def _reloaded(sight: dict, before: list) -> bool:
    """Tell whether the unit went through a change of its state with the main process it had."""
    time.sleep(POLL_S)
    pid, changed = _change(sight)
    return pid == before[0] and changed != before[1] and show(sight["unit"], "ActiveState")["ActiveState"] == "active"


KINDS = {
    "certificate_expired": (_capture_expired, _certificate_expired),
    "check_fails": (_capture_check, _check_fails),
    "lock_held": (_free, _lock_held),
    "rotated": (_inode, _rotated),
    "reloaded": (_change, _reloaded),
}
