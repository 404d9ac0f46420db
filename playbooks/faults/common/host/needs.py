"""What a host must have for a fault to be possible at all, each as a reason why it is not.

Touches: systemd-detect-virt, /proc/self/status, /proc/mounts.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import scope
from failures import Refused, Void

CONSENT = Path("/etc/orderd/chaos-allowed")
DISPOSABLE = "systemd-nspawn"
CAP_SYS_TIME = 25
SWAP_BYTES_MIN = 256 << 20
FUSE = "/dev/fuse"
TMP = "/tmp"  # noqa: S108  it is looked at, nothing is put there
TMP_BYTES_MAX = 1 << 30  # more takes too long to fill, and where it is memory the host has no more of it
ORDERCTL = Path("/opt/orderd/bin/orderctl")


def container() -> str:
    """Return the kind of container this host is, ``none`` when it is not one."""
    done = subprocess.run(["systemd-detect-virt", "--container"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "none"


def check_consent(about: dict | None = None) -> None:
    """Make sure that this host may be broken, and in this way.

    Args:
        about: the experiment, see `scope`.

    Raises:
        Refused: it is no disposable clone and its owner has not left the marker, or the marker does not allow this.
    """
    if CONSENT.exists():
        scope.check(CONSENT, about or {})
    elif container() != DISPOSABLE:
        raise Refused(f"this is no disposable host: its owner allows faults with `touch {CONSENT}`")


def check(needs: list[str]) -> None:
    """Make sure that the host has what a fault needs.

    Raises:
        Void: it lacks something.
        Refused: a need has no check.
    """
    for need in needs:
        if need not in CHECKS:
            raise Refused(f"needs: {need!r} is unknown; allowed: {', '.join(CHECKS)}")
        if missing := CHECKS[need]():
            raise Void(missing)


def _own_clock() -> str:
    kind = container()
    if kind != "none":
        return f"own_clock: this host is a container ({kind}); its clock is the machine's, and other hosts' too"
    status = Path("/proc/self/status").read_text(encoding="ascii")
    effective = next(line.split()[1] for line in status.splitlines() if line.startswith("CapEff:"))
    return "" if int(effective, 16) >> CAP_SYS_TIME & 1 else "own_clock: CAP_SYS_TIME is missing, the clock cannot be set"


def _own_swap() -> str:
    kind = container()
    if kind != "none":
        return f"own_swap: this host is a container ({kind}); its swap is the machine's, and other hosts' too"
    lines = (line.split() for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines())
    free = next((int(words[1]) * 1024 for words in lines if words[0] == "SwapFree:"), 0)
    return "" if free >= SWAP_BYTES_MIN else f"own_swap: {free >> 20} MiB of swap are free, fewer than {SWAP_BYTES_MIN >> 20}"


def _fuse() -> str:
    try:
        os.close(os.open(FUSE, os.O_RDWR))
    except OSError as error:
        return f"fuse: {FUSE} cannot be opened ({error.strerror})"
    return ""


def _bounded_tmp() -> str:
    if not os.path.ismount(TMP):
        return "bounded_tmp: /tmp is a part of another file system, which would be filled with it"
    volume = os.statvfs(TMP)
    size = volume.f_blocks * volume.f_frsize
    return "" if size <= TMP_BYTES_MAX else f"bounded_tmp: /tmp has {size >> 20} MiB, more than {TMP_BYTES_MAX >> 20}"


def _orderctl() -> str:
    return "" if os.access(ORDERCTL, os.X_OK) else f"orderctl: {ORDERCTL} is missing, nothing can be announced to orderd"


CHECKS = {"own_clock": _own_clock, "own_swap": _own_swap, "orderctl": _orderctl, "fuse": _fuse, "bounded_tmp": _bounded_tmp}
