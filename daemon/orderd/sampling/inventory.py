"""What the host consists of, taken before and after a repair only. Asks systemd, reads /proc, /run and a few folders of /etc.

Units come from one question to systemd and from the links it keeps in /run/systemd/units, which name each unit's invocation:
whatever starts a unit anew gives it another one. Files, mounts and listeners are read in a thread, so that the loop goes on.
"""

import asyncio
import hashlib
import logging
import os
import stat
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from dbus_fast.errors import DBusError

from orderd.config.schema import Config
from orderd.domain.clock import Clock
from orderd.domain.inventory import Inventory
from orderd.sampling.systemd import unit_path

_log = logging.getLogger(__name__)

THINGS_MAX: Final = 8000
FILE_BYTES_MAX: Final = 64 << 10
"""Files up to this size are compared by what they hold, larger ones by inode, size and time."""
RESTARTS_ASKED_MAX: Final = 32
_UNITS: Final = ("*.service", "*.socket", "*.timer", "*.mount", "*.path")
_FILES: Final = ("/etc/resolv.conf", "/etc/hosts", "/etc/fstab", "/etc/sysctl.conf", "/etc/nsswitch.conf")
_FOLDERS: Final = ("/etc/systemd/system", "/run/systemd/system", "/etc/sysctl.d", "/etc/systemd/resolved.conf.d")
_WANTING: Final = ("/etc/systemd/system", "/run/systemd/generator", "/run/systemd/generator.late")
_INVOCATIONS: Final = "run/systemd/units"
_LISTENING: Final = "0A"  # TCP_LISTEN, include/net/tcp_states.h
_IFF_UP: Final = 0x1  # include/uapi/linux/if.h
_TABLE_BYTES_MAX: Final = 1 << 20
_CHUNK_BYTES: Final = 64 << 10
# Mounts that come and go with logins, containers and packages, and what the kernel shows of itself.
_PASSING: Final = ("/run/", "/proc/", "/sys/", "/dev/", "/snap/", "/var/lib/docker/", "/var/lib/containers/", "/var/lib/kubelet/")
_MANAGER: Final = ("/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager")


class Caller(Protocol):
    """What asks systemd; `orderd.sampling.systemd.Systemd`."""

    async def call(self, path: str, interface: str, member: str, signature: str = "", body: Sequence[Any] = ()) -> Sequence[Any]:
        """Ask, and return the body of the answer."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _OnDisk:
    """What was read in the thread."""

    things: dict[str, str]
    invocations: dict[str, str]
    wanted: frozenset[str]


class InventoryTaker:
    """Takes inventories."""

    def __init__(self, config: Config, clock: Clock, systemd: Caller, *, root: Path = Path("/")) -> None:
        """Remember whom to ask; nothing is read yet.

        Args:
            config: declared units are wanted, whatever else says so.
            clock: where time comes from.
            systemd: ``Sampler.systemd``.
            root: replaced in tests.
        """
        self._declared = frozenset(service.unit for service in config.services)
        self._clock = clock
        self._systemd = systemd
        self._root = root
        self._restarts: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._known: frozenset[str] = frozenset()

    async def take(self) -> Inventory:
        """Return what is there now; what cannot be told is left out, so that nothing is claimed of it.

        Cheap: 15 ms for 200 units, most of it in a thread.
        """
        at = self._clock.now()
        on_disk, units = await asyncio.gather(asyncio.to_thread(read_disk, self._root), self._list_units())
        things = await self._unit_states(units, on_disk)
        return Inventory(at=at, things=things | on_disk.things)

    async def _list_units(self) -> Sequence[Sequence[Any]]:
        try:
            return (await self._systemd.call(*_MANAGER, "ListUnitsByPatterns", "asas", [[], list(_UNITS)]))[0]
        except (DBusError, TimeoutError, OSError) as error:
            _log.warning("units are missing from the inventory: %s", error)
            return ()

    async def _unit_states(self, units: Sequence[Sequence[Any]], on_disk: _OnDisk) -> dict[str, str]:
        """Return the units' states; of those that were started anew since the last time, systemd is asked who did that."""
        fresh = [
            (unit[0], invocation)
            for unit in units
            if (invocation := on_disk.invocations.get(unit[0])) and invocation not in self._known and unit[0].endswith(".service")
        ]
        if self._known:
            await asyncio.gather(*(self._ask_restarts(*each) for each in fresh[:RESTARTS_ASKED_MAX]))
        self._known = frozenset(on_disk.invocations.values())
        return {f"unit {unit[0]}": self._state(unit, on_disk) for unit in units[: THINGS_MAX // 2]}

    def _state(self, unit: Sequence[Any], on_disk: _OnDisk) -> str:
        name, _description, load, active, sub = unit[:5]
        invocation = on_disk.invocations.get(name, "")
        wanted = "yes" if name in self._declared or name in on_disk.wanted else "no"
        restarts = self._restarts.get((name, invocation), "?")
        return f"active={active} sub={sub} load={load} wanted={wanted} invocation={invocation} restarts={restarts}"

    async def _ask_restarts(self, unit: str, invocation: str) -> None:
        service = "org.freedesktop.systemd1.Service"
        try:
            answer = await self._systemd.call(
                unit_path(unit), "org.freedesktop.DBus.Properties", "Get", "ss", [service, "NRestarts"]
            )
        except (DBusError, TimeoutError, OSError):  # gone again
            return
        self._restarts[unit, invocation] = str(answer[0].value)
        while len(self._restarts) > THINGS_MAX:
            self._restarts.popitem(last=False)


def read_disk(root: Path) -> _OnDisk:
    """Read everything that systemd need not be asked for; runs in a thread."""
    things: dict[str, str] = {}
    found = {"file": _files(root), "mount": _mounts(root), "link": _links(root), "listener": _listeners(root)}
    for kind, those in found.items():
        for name, state in those:
            if len(things) < THINGS_MAX // 2:
                things[f"{kind} {name}"] = state
    return _OnDisk(things=things, invocations=dict(_invocations(root)), wanted=frozenset(_wanted(root)))


def _files(root: Path) -> Iterator[tuple[str, str]]:
    folders = [file for folder in _FOLDERS for file in _below(f"{root}/{folder.lstrip('/')}")]
    for path in (*(f"{root}/{file.lstrip('/')}" for file in _FILES), *folders):
        if state := _file_state(path):
            yield "/" + os.path.relpath(path, root), state


def _below(folder: str, depth: int = 2) -> Iterator[str]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:  # not there, or not for us
        return
    for entry in entries:
        if not entry.is_dir(follow_symlinks=False):
            yield entry.path
        elif depth > 1:
            yield from _below(entry.path, depth - 1)


def _file_state(path: str) -> str:
    try:
        if os.path.islink(path):  # noqa: PTH114  hundreds of paths
            return f"link={os.readlink(path)}"  # noqa: PTH115
        there = os.lstat(path)
        stamp = f"inode={there.st_ino} size={there.st_size} mtime_ns={there.st_mtime_ns}"
        if not stat.S_ISREG(there.st_mode) or there.st_size > FILE_BYTES_MAX:
            return stamp
        return _content(path) or stamp
    except OSError:
        return ""


def _content(path: str) -> str:
    """Return what a file holds, in short; whoever rewrites a file with the same content (dhclient does) has changed nothing."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except PermissionError:
        return ""
    try:
        return f"sha256={hashlib.sha256(os.read(file, FILE_BYTES_MAX)).hexdigest()[:32]}"
    finally:
        os.close(file)


def _mounts(root: Path) -> Iterator[tuple[str, str]]:
    text = _read(f"{root}/proc/1/mountinfo") or _read(f"{root}/proc/self/mountinfo")
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        fields, source = before.split(" "), after.split(" ")
        if len(fields) < 6 or len(source) < 3:  # noqa: PLR2004  proc(5), mountinfo
            continue
        point = fields[4].replace("\\040", " ")
        if not f"{point}/".startswith(_PASSING):
            access = "ro" if "ro" in fields[5].split(",") or "ro" in source[2].split(",") else "rw"
            yield point, f"type={source[0]} access={access}"


def _links(root: Path) -> Iterator[tuple[str, str]]:
    folder = f"{root}/sys/class/net"
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208  hundreds of containers
    except OSError:
        return
    for name in names:
        flags, mtu = _read(f"{folder}/{name}/flags"), _read(f"{folder}/{name}/mtu")
        if flags and mtu:
            yield name, f"up={'yes' if int(flags, 16) & _IFF_UP else 'no'} mtu={mtu.strip()}"


def _listeners(root: Path) -> Iterator[tuple[str, str]]:
    for table in ("tcp", "tcp6", "udp", "udp6"):
        protocol = table[:3]
        for fields in _table(f"{root}/proc/1/net/{table}", until_others=protocol == "tcp"):
            if protocol == "tcp" or fields[2].rpartition(":")[0].strip("0") == "":
                yield f"{protocol} {_address(fields[1])}", f"uid={fields[7]}"


def _table(path: str, *, until_others: bool) -> Iterator[list[str]]:
    """Yield a socket table's lines; the kernel tells of those that listen first, so the rest need not be read."""
    fallback = path.replace("/proc/1/net/", "/proc/self/net/")
    text = _lines(path, until_others=until_others) or _lines(fallback, until_others=until_others)
    for line in text[1:]:
        fields = line.split()
        if len(fields) > 7 and (not until_others or fields[3] == _LISTENING):  # noqa: PLR2004  proc_net_tcp
            yield fields


def _lines(path: str, *, until_others: bool) -> list[str]:
    text = b""
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123  read in pieces
            while (piece := file.read(_CHUNK_BYTES)) and len(text) < _TABLE_BYTES_MAX:
                text += piece
                last = text.rstrip(b"\n").rpartition(b"\n")[2].split()
                if until_others and len(last) > 3 and last[3] != _LISTENING.encode():  # noqa: PLR2004
                    break
    except OSError:
        return []
    return text.decode(errors="replace").splitlines()


def _address(text: str) -> str:
    """Return ``0.0.0.0:80`` for ``00000000:0050``; the kernel writes each word of an address in the machine's order."""
    host, _, port = text.partition(":")
    words = [bytes.fromhex(host[at : at + 8])[::-1] for at in range(0, len(host), 8)]
    if len(words) == 1:
        return f"{'.'.join(str(byte) for byte in words[0])}:{int(port, 16)}"
    return f"{':'.join(word.hex()[at : at + 4] for word in words for at in (0, 4))}:{int(port, 16)}"


def _invocations(root: Path) -> Iterator[tuple[str, str]]:
    folder = root / _INVOCATIONS
    try:
        names = os.listdir(folder)  # noqa: PTH208  hundreds of links
    except OSError:
        return
    for name in names:
        if name.startswith("invocation:"):
            try:
                yield name.removeprefix("invocation:"), os.readlink(f"{folder}/{name}")  # noqa: PTH115
            except OSError:  # stopped in the meantime
                continue


def _wanted(root: Path) -> Iterator[str]:
    for folder in _WANTING:
        for path in _below(f"{root}/{folder.lstrip('/')}"):
            parent, _, name = path.rpartition("/")
            if parent.endswith((".wants", ".requires")):
                yield name


def _read(path: str) -> str:
    try:
        with open(path, "rb") as file:  # noqa: PTH123  read in a thread, bounded
            return file.read(_TABLE_BYTES_MAX).decode(errors="surrogateescape")
    except OSError:
        return ""
