"""What all clones of a machine use together: the lock, lxcfs and the blackhole route.

Touches: `/run/orderd-drill/{lock,shared.json}`, lxcfs, the routing table.

The first host acquires them, the last one gives back what was acquired here: an lxcfs or a route that was there before
stays. Every function that changes them is called with the lock held.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from ordertrainer.ground import hosts, network
from ordertrainer.ground.errors import GroundError
from ordertrainer.ground.paths import Ground
from ordertrainer.ground.shell import run
from ordertrainer.ground.undo import mount_points

LXCFS_DIR = Path("/var/lib/lxcfs")
LXCFS_START_S = 5.0
# The pidfile's name in its arguments tells the lxcfs that was started here from any other.
LXCFS_PIDFILE = "lxcfs.pid"


class Shared(msgspec.Struct, kw_only=True):
    """What was acquired here, and is therefore ours to give back."""

    lxcfs: bool = False
    blackhole: bool = False


@contextmanager
def locked(ground: Ground) -> Generator[None, None, None]:
    """Hold the ground's lock."""
    ground.run_dir.mkdir(parents=True, exist_ok=True)
    with ground.lock_path.open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def acquire(ground: Ground) -> None:
    """Start lxcfs and add the route, unless they are there."""
    if not network.has_blackhole():
        _remember(ground, blackhole=True)
        network.add_blackhole()
    if not lxcfs_is_up():
        _remember(ground, lxcfs=True)
        _start_lxcfs(ground)


def release(ground: Ground) -> None:
    """Give back what was acquired here, when no host is left."""
    if hosts.names(ground):
        return
    shared = _read(ground)
    if shared.lxcfs:
        _stop_lxcfs(ground)
    if shared.blackhole:
        network.remove_blackhole()
    _path(ground).unlink(missing_ok=True)


def lxcfs_pids(ground: Ground) -> list[int]:
    """Return the lxcfs processes that were started here."""
    mark = str(ground.run_dir / LXCFS_PIDFILE).encode()
    return [pid for pid, words in processes() if words[0].endswith(b"lxcfs") and mark in words]


def lxcfs_is_up() -> bool:
    """Return True when somebody's lxcfs answers; a mount whose process died does not."""
    try:
        return str(LXCFS_DIR) in mount_points() and bool((LXCFS_DIR / "proc" / "uptime").read_bytes())
    except OSError:
        run(["umount", "-l", str(LXCFS_DIR)], check=False)
        return False


def _path(ground: Ground) -> Path:
    return ground.run_dir / "shared.json"


def _read(ground: Ground) -> Shared:
    try:
        return msgspec.json.decode(_path(ground).read_bytes(), type=Shared)
    except FileNotFoundError:
        return Shared()


def _remember(ground: Ground, *, lxcfs: bool = False, blackhole: bool = False) -> None:
    before = _read(ground)
    after = Shared(lxcfs=before.lxcfs or lxcfs, blackhole=before.blackhole or blackhole)
    fresh = _path(ground).with_suffix(".new")
    fresh.write_bytes(msgspec.json.encode(after))
    fresh.replace(_path(ground))


def _start_lxcfs(ground: Ground) -> None:
    LXCFS_DIR.mkdir(parents=True, exist_ok=True)
    subprocess.run(  # forked off: it outlives us
        ["setsid", "--fork", "lxcfs", "-f", "-l", "-p", str(ground.run_dir / LXCFS_PIDFILE), str(LXCFS_DIR)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    deadline = time.monotonic() + LXCFS_START_S
    while not lxcfs_is_up():
        if time.monotonic() > deadline:
            raise GroundError(f"lxcfs did not mount {LXCFS_DIR} within {LXCFS_START_S:g} s")
        time.sleep(0.02)


def _stop_lxcfs(ground: Ground) -> None:
    deadline = time.monotonic() + LXCFS_START_S
    while pids := lxcfs_pids(ground):
        for pid in pids:
            os.kill(pid, signal.SIGTERM if time.monotonic() < deadline - 1 else signal.SIGKILL)
        if time.monotonic() > deadline:
            raise GroundError(f"lxcfs {pids} does not end")
        time.sleep(0.05)
    if str(LXCFS_DIR) in mount_points():
        run(["umount", "-l", str(LXCFS_DIR)], check=False)
    (ground.run_dir / LXCFS_PIDFILE).unlink(missing_ok=True)


def processes() -> Iterator[tuple[int, list[bytes]]]:
    """Yield pid and arguments of every process that has any."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal() or int(entry.name) <= 1:
            continue
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if words[0]:
            yield int(entry.name), words
