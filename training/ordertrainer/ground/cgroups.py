"""The control groups of a clone: one in every hierarchy, with limits, entered before its first process starts.

Touches: `/sys/fs/cgroup`, and systemd where it is PID 1 of a machine with the unified hierarchy alone.

Two layouts are in use and both are handled. With legacy hierarchies mounted beside the unified one, a clone gets a
directory in each: clones that share one see each other's processes. With the unified hierarchy alone and systemd outside,
the groups belong to systemd, which strips controllers from directories it does not know; there a clone lives in a
delegated scope. Without systemd the directory is made directly.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ordertrainer.ground.errors import GroundError
from ordertrainer.ground.shell import joined, run

PARENT = "orderd-drill"
PERIOD_US = 100_000
TASKS_MAX = 4096
# All clones together weigh as much as eight processes of the machine. With the default they would weigh as one, and on a busy
# machine a runaway in a clone could not be told from an idle process.
CPU_WEIGHT_FACTOR = 8
KILL_TIMEOUT_S = 10.0
UNIFIED_CONTROLLERS = ("cpuset", "cpu", "io", "memory", "pids")
NODES = ("c *:* m", "b *:* m")
# null, zero, full, random, urandom, tty, console, ptmx, terminals, FUSE
OPENABLE = ("1:3", "1:5", "1:7", "1:8", "1:9", "5:0", "5:1", "5:2", "136:*", "10:229")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hierarchy:
    """One mounted cgroup hierarchy; `controllers` is empty for the unified one."""

    mount: Path
    controllers: tuple[str, ...]
    unified: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a clone may use."""

    memory_bytes: int
    cpu_ratio: float


def hierarchies(mounts: str | None = None) -> list[Hierarchy]:
    """Return every mounted hierarchy, once each.

    Args:
        mounts: the text of `/proc/self/mounts`; read when None.
    """
    text = mounts if mounts is not None else Path("/proc/self/mounts").read_text(encoding="utf-8")
    found: dict[tuple[str, ...], Hierarchy] = {}
    for line in text.splitlines():
        _, where, kind, options, *_ = line.split()
        if kind not in ("cgroup", "cgroup2") or not where.startswith("/sys/fs/cgroup"):
            continue
        names = tuple(o for o in options.split(",") if o not in ("rw", "ro", "relatime", "nosuid", "nodev", "noexec"))
        controllers = names if kind == "cgroup" else ()
        found.setdefault(controllers, Hierarchy(mount=Path(where), controllers=controllers, unified=kind == "cgroup2"))
    return list(found.values())


def is_unified_only(found: Sequence[Hierarchy]) -> bool:
    """Return True on a machine without legacy hierarchies."""
    return all(hierarchy.unified for hierarchy in found)


def systemd_outside() -> bool:
    """Return True where systemd is PID 1 of the machine and owns the unified hierarchy."""
    return Path("/run/systemd/system").is_dir() and Path("/proc/1/comm").read_text(encoding="utf-8") == "systemd\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class CloneGroups:
    """The groups of the clone called `name`; says where they are, makes, fills, empties and removes them."""

    name: str

    @property
    def scope(self) -> str | None:
        """Return the name of the systemd scope that holds the clone, where that is how it is held."""
        return f"{PARENT}-{self.name}.scope" if is_unified_only(hierarchies()) and systemd_outside() else None

    @property
    def directories(self) -> list[Path]:
        """Return the clone's directory in every hierarchy."""
        if self.scope:
            return [Path("/sys/fs/cgroup/system.slice") / self.scope]
        return [h.mount / PARENT / self.name for h in hierarchies()]

    def directory(self, controller: str) -> Path:
        """Return the directory in which `controller` accounts for the clone; the unified one where no legacy one does."""
        for hierarchy in hierarchies():
            if controller in hierarchy.controllers:
                return hierarchy.mount / PARENT / self.name
        return self.unified_directory

    @property
    def unified_directory(self) -> Path:
        """Return the clone's directory in the unified hierarchy.

        Raises:
            GroundError: the machine has no unified hierarchy.
        """
        if self.scope:
            return self.directories[0]
        for hierarchy in hierarchies():
            if hierarchy.unified:
                return hierarchy.mount / PARENT / self.name
        raise GroundError("no cgroup2 hierarchy is mounted under /sys/fs/cgroup")

    def create(self, limits: Limits) -> None:
        """Make the groups and set their limits; a scope is made by systemd when the clone starts."""
        if self.scope:
            return
        for hierarchy in hierarchies():
            directory = hierarchy.mount / PARENT / self.name
            if hierarchy.unified and is_unified_only(hierarchies()):
                _enable_controllers(hierarchy.mount)
                _enable_controllers(hierarchy.mount / PARENT)
            directory.mkdir(parents=True, exist_ok=True)
            _write(directory.parent, {"cpu.shares": 1024 * CPU_WEIGHT_FACTOR, "cpu.weight": 100 * CPU_WEIGHT_FACTOR})
            _fill_cpuset(hierarchy)
            _fill_cpuset(hierarchy, PARENT)
            _fill_cpuset(hierarchy, PARENT, self.name)
            _limit(directory, limits)

    def permit_devices(self, disks: Sequence[str]) -> None:
        """Let the clone open what every host has, and some disks of its own; all else of the machine is refused, node or not.

        Where there is no legacy hierarchy for devices, what keeps a clone from the machine's disks is that it cannot make nodes.

        Args:
            disks: MAJOR:MINOR of each.
        """
        for directory in (h.mount / PARENT / self.name for h in hierarchies() if "devices" in h.controllers):
            (directory / "devices.deny").write_text("a", encoding="ascii")
            for rule in (*NODES, *(f"c {each} rw" for each in OPENABLE), *(f"b {each} rw" for each in disks)):
                (directory / "devices.allow").write_text(rule, encoding="ascii")

    def limit_payload(self, limits: Limits) -> None:
        """Repeat the limits on the subgroup nspawn makes: lxcfs reads the CPU quota there and nowhere above."""
        for directory in self.directories:
            if (directory / "payload").is_dir():
                _limit(directory / "payload", limits)

    def command(self, limits: Limits, argv: Sequence[str]) -> list[str]:
        """Return the command that starts `argv` as the clone's first process, inside its groups."""
        if not self.scope:
            return joined(self.directories, argv)
        properties = (
            "Delegate=yes",
            f"MemoryMax={limits.memory_bytes}",
            f"CPUQuota={limits.cpu_ratio * 100:.0f}%",
            f"CPUWeight={100 * CPU_WEIGHT_FACTOR}",
            f"TasksMax={TASKS_MAX}",
            "CollectMode=inactive-or-failed",
        )
        flags = [flag for value in properties for flag in ("-p", value)]
        return ["systemd-run", "--scope", "--quiet", f"--unit={self.scope}", *flags, "--", *argv]

    def guest_command(self, argv: Sequence[str]) -> list[str]:
        """Return the command that runs `argv` accounted to the clone, beside what already runs there."""
        if not is_unified_only(hierarchies()):
            return joined(self.directories, argv)
        # A unified group that hands controllers on may hold no process itself.
        guest = self.directories[0] / "guest"
        guest.mkdir(exist_ok=True)
        return joined([guest], argv)

    def processes(self) -> set[int]:
        """Return the pids in the clone's groups; those of namespaces we cannot see into read 0 and are left out."""
        return {pid for directory in self.directories for pid in _processes(directory)}

    def kill(self) -> None:
        """Kill every process of the clone and wait until they are gone.

        Raises:
            GroundError: some are still there after `KILL_TIMEOUT_S`.
        """
        deadline = time.monotonic() + KILL_TIMEOUT_S
        while pids := self.processes():
            for pid in pids:
                _kill(pid)
            if time.monotonic() > deadline:
                raise GroundError(f"host {self.name}: processes {sorted(pids)} survive SIGKILL")
            time.sleep(0.02)

    def remove(self) -> None:
        """Remove the groups, and the common parent when this was the last clone."""
        if self.scope:
            run(["systemctl", "stop", self.scope], check=False)
            run(["systemctl", "reset-failed", self.scope], check=False)
            return
        for directory in self.directories:
            for group, _, _ in os.walk(directory, topdown=False):
                _remove(Path(group))
            if directory.parent.is_dir() and not any(p.is_dir() for p in directory.parent.iterdir()):
                _remove(directory.parent)


def _processes(directory: Path) -> Iterable[int]:
    # Path.rglob gives up where a group ends while it looks; os.walk passes it over.
    for group, _, _ in os.walk(directory):
        try:
            pids = Path(group, "cgroup.procs").read_text(encoding="ascii").split()
        except OSError:  # the group went away, or is threaded
            continue
        yield from (int(pid) for pid in pids if int(pid) > 1)


def _kill(pid: int) -> None:
    if pid <= 1 or pid == os.getpid():
        return
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _remove(group: Path) -> None:
    for _ in range(50):
        try:
            group.rmdir()
        except FileNotFoundError:
            return
        except OSError:  # a dying process still counts for a moment
            time.sleep(0.02)
        else:
            return


def _fill_cpuset(hierarchy: Hierarchy, *below: str) -> None:
    """Give a legacy cpuset what its parent has: an empty one admits no process and makes lxcfs show the whole machine."""
    if "cpuset" not in hierarchy.controllers or not below:
        return
    directory = hierarchy.mount.joinpath(*below)
    for key in ("cpuset.cpus", "cpuset.mems"):
        (directory / key).write_text((directory.parent / key).read_text(encoding="ascii"), encoding="ascii")


def _enable_controllers(directory: Path) -> None:
    directory.mkdir(exist_ok=True)
    available = (directory / "cgroup.controllers").read_text(encoding="ascii").split()
    for controller in UNIFIED_CONTROLLERS:
        if controller in available:
            (directory / "cgroup.subtree_control").write_text(f"+{controller}", encoding="ascii")


def _limit(directory: Path, limits: Limits) -> None:
    quota_us = round(limits.cpu_ratio * PERIOD_US)
    values = {
        "memory.limit_in_bytes": limits.memory_bytes,
        "memory.max": limits.memory_bytes,
        "cpu.cfs_quota_us": quota_us,
        "cpu.max": f"{quota_us} {PERIOD_US}",
        "pids.max": TASKS_MAX,
    }
    _write(directory, values)


def _write(directory: Path, values: Mapping[str, int | str]) -> None:
    """Write the control files that this directory has; the others belong to the other layout."""
    for key, value in values.items():
        if (directory / key).exists():
            (directory / key).write_text(str(value), encoding="ascii")
