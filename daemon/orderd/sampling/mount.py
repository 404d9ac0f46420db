"""Space and access of watched mounts. Reads /proc/1/mountinfo and the record; statvfs and stat run in helper processes.

A statvfs on a hung mount never returns and its thread cannot be killed, so it is never called in this process. One small helper
answers for all mounts (3.6 MiB, 0.1 ms a question; starting a process for each question costs 1 ms). A mount that does not answer
in time keeps the helper it hangs in, and the others go on with a new one: one question outstanding per mount, at most one helper
per stuck mount and one more.
"""

import asyncio
import contextlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from orderd.domain.clock import Instant
from orderd.domain.faults import Entity, EntityKind
from orderd.sampling.collector import NAN, RATES_MIN_S, Reading
from orderd.sampling.known_good import MountAccess
from orderd.sampling.statvfs import Helper, Space

ANSWER_S = 0.005
"""A sample waits this long for the answers of mounts that are not late already."""
STUCK_S = 1.0
"""A question older than this has lost its helper; the mount's old values are no longer shown."""

_CANNOT_BE_WRITTEN = frozenset({"ro", "emergency_ro", "shutdown"})
# PID 1's view: the service's own mount namespace shows / read-only because of ProtectSystem.
_MOUNTINFO = (Path("/proc/1/mountinfo"), Path("/proc/self/mountinfo"))


@dataclass(slots=True)
class _Mount:
    """What is known of one mount."""

    entity: Entity
    meant_read_only: bool = False
    space: Space | None = None
    fill_ratio_per_s: float = NAN
    measured_ns: int = 0
    asked_ns: int | None = None

    def answered(self, space: Space | None) -> None:
        asked_ns, self.asked_ns = self.asked_ns or 0, None
        elapsed_s = (asked_ns - self.measured_ns) / 1e9
        if self.space and space and elapsed_s > 0:
            self.fill_ratio_per_s = (space.used_ratio - self.space.used_ratio) / elapsed_s
        else:
            self.fill_ratio_per_s = NAN
        self.space, self.measured_ns = space, asked_ns

    def stuck_s(self, at: Instant) -> float:
        return 0.0 if self.asked_ns is None else (at.mono_ns - self.asked_ns) / 1e9

    def row(self, at: Instant, *, read_only: bool) -> dict[str, float]:
        stuck_s = self.stuck_s(at)
        row = {"mount_read_only_ratio": NAN if self.meant_read_only else float(read_only), "mount_stuck_s": stuck_s}
        if self.space and stuck_s < STUCK_S:
            row["mount_used_ratio"] = self.space.used_ratio
            row["mount_inodes_used_ratio"] = self.space.inodes_used_ratio
            row["mount_fill_ratio_per_s"] = self.fill_ratio_per_s
        return row


class MountCollector:
    """One row per watched mount; a path where nothing is mounted has no signals rather than those of the directory above."""

    name = "mount"
    signals = frozenset(
        {
            "mount_used_ratio",
            "mount_inodes_used_ratio",
            "mount_fill_ratio_per_s",
            "mount_read_only_ratio",
            "mount_stuck_s",
            "mount_access_changed_ratio",
        }
    )
    kinds = frozenset({EntityKind.MOUNT})
    every_s = RATES_MIN_S

    def __init__(
        self,
        paths: Sequence[str],
        helper: Callable[[Callable[[Helper, str, Space | None], None]], Helper] = Helper,
        mountinfo: Sequence[Path] = _MOUNTINFO,
        meant_read_only: Collection[str] = (),
        access: MountAccess | None = None,
    ) -> None:
        """Watch mounts.

        Args:
            paths: where they are mounted.
            helper: starts a helper process; replaced in tests.
            mountinfo: files to read the mount table from, the first readable one counts.
            meant_read_only: those that nobody shall write to: whether they can be written is no signal of theirs.
            access: compares who may enter them with the record; None where there is no record.
        """
        self._mounts = {path: _Mount(Entity(kind=EntityKind.MOUNT, key=path), path in meant_read_only) for path in paths}
        self._access = access
        self._start_helper = helper
        self._mountinfo = mountinfo
        self._table: dict[str, bool] = {}
        self._mountinfo_text = ""
        self._helper: Helper | None = None
        self._hung: list[Helper] = []
        self._answered = asyncio.Event()

    async def collect(self, at: Instant) -> Reading:
        """Ask every mount that has no question outstanding, give the answers a moment, and return what is known."""
        text = self._read_mountinfo()
        if text != self._mountinfo_text:
            self._table, self._mountinfo_text = read_only_mounts(text), text
        self._ask(at)
        await self._answers()
        return Reading(entities={mount.entity: self._row(path, mount, at) for path, mount in self._mounts.items()})

    def close(self) -> None:
        """End every helper."""
        for helper in (*self._hung, *([self._helper] if self._helper else [])):
            helper.kill()

    def _row(self, path: str, mount: _Mount, at: Instant) -> dict[str, float]:
        read_only = self._table.get(path)
        if read_only is None:
            return {}
        row = mount.row(at, read_only=read_only)
        if self._access and mount.space and "mount_used_ratio" in row:
            row["mount_access_changed_ratio"] = self._access.changed(path, mount.space.access, at)
        return row

    def _ask(self, at: Instant) -> None:
        self._replace_helper(at)
        for path, mount in self._mounts.items():
            if mount.asked_ns is None and path in self._table:
                mount.asked_ns = at.mono_ns
                self._current().ask(path)

    async def _answers(self) -> None:
        if self._helper is None or not self._helper.pending:
            return
        self._answered.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_S):
                await self._answered.wait()

    def _current(self) -> Helper:
        if self._helper is None:
            self._helper = self._start_helper(self._on_answer)
        return self._helper

    def _replace_helper(self, at: Instant) -> None:
        """Give up a helper that died or hangs; the question it hangs in stays outstanding, those behind it are free again."""
        helper = self._helper
        if helper is None:
            return
        if not helper.alive:
            self._free(list(helper.pending))
            self._helper = None
        elif helper.pending and self._mounts[helper.pending[0]].stuck_s(at) >= STUCK_S:
            self._hung.append(helper)
            self._free(list(helper.pending)[1:])
            self._helper = None

    def _free(self, paths: Sequence[str]) -> None:
        for path in paths:
            self._mounts[path].asked_ns = None

    def _on_answer(self, helper: Helper, path: str, space: Space | None) -> None:
        self._mounts[path].answered(space)
        if helper in self._hung:
            self._hung.remove(helper)
            helper.kill()
        elif not helper.pending:
            self._answered.set()

    def _read_mountinfo(self) -> str:
        for file in self._mountinfo:
            with contextlib.suppress(PermissionError):
                return file.read_text(encoding="utf-8", errors="surrogateescape")
        return ""


def read_only_mounts(mountinfo: str) -> dict[str, bool]:
    """Return for every mount point whether it cannot be written; of mounts on one point, the topmost counts.

    Both the mount's own options and the file system's count: a disk error makes the latter read-only, or the kernel says that it
    has given it up.

    References:
        proc(5), /proc/PID/mountinfo; Linux 6.15, fs/ext4/super.c, ``emergency_ro`` and ``shutdown``.
    """
    found: dict[str, bool] = {}
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        options, super_options = before.split(" ")[5], after.split(" ")[2]
        point = before.split(" ")[4].replace("\\040", " ")
        found[point] = "ro" in options.split(",") or not _CANNOT_BE_WRITTEN.isdisjoint(super_options.split(","))
    return found
