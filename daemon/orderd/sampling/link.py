"""Links that are no longer as recorded, or crowded: down, without addresses or routes, with other sizes, queues or neighbours.

Asks the kernel (rtnetlink) and reads the known-good record. What is merely different and works is no failure: an address that
changed, a route over another gateway. Looked at every few seconds, and at once when the kernel tells of a change.
"""

import asyncio
import contextlib
import logging
import socket
import sys
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Final

from orderd.domain.clock import Instant
from orderd.domain.faults import Entity, EntityKind
from orderd.sampling.collector import Reading
from orderd.sampling.crowd import Crowding
from orderd.sampling.known_good.links import LINKS, Link, Queueing, read
from orderd.sampling.linkstate import FAMILIES, Seen, destination, look, neighbour
from orderd.sampling.rtnetlink import (
    IFLA_IFNAME,
    LINK_HEADER,
    ROUTE_HEADER,
    RTM_DELLINK,
    RTM_DELROUTE,
    RTM_NEWLINK,
    RTM_NEWROUTE,
    attributes,
    listener,
    messages,
)

_log = logging.getLogger(__name__)

EVERY_S: Final = 5.0
"""Neighbours are not told of, and are not worth more."""
BUSY_EVERY_S: Final = 1.0
"""While a link may be crowded: who crowds it is told by what was sent since the last look."""
CHANGES_EVERY_S: Final = 0.25
"""A link that flaps must not turn the daemon into a busy loop."""
_RTA_OIF: Final = 4
_INDEX: Final = slice(4, 8)
_CHUNK_BYTES: Final = 1 << 15


class LinkCollector:
    """One row per recorded link; one that is gone is down, and nothing else can be said of it."""

    name = "link"
    signals = frozenset(
        {
            "nic_down_ratio",
            "nic_addresses_missing_ratio",
            "nic_routes_missing_ratio",
            "nic_mtu_changed_ratio",
            "nic_queueing_changed_ratio",
            "nic_neighbours_fixed_ratio",
            "nic_crowded_ratio",
        }
    )
    kinds = frozenset({EntityKind.NIC})

    def __init__(self, known_good: Path) -> None:
        """Compare with the record in the known-good directory.

        Args:
            known_good: the directory.
        """
        self.every_s = EVERY_S
        self._record = known_good / LINKS
        self._stamp: tuple[int, int, int] | None = None
        self._links: dict[str, Link] = {}
        self._indexes: frozenset[int] = frozenset()
        self._crowding = Crowding()

    async def collect(self, at: Instant) -> Reading:
        """Look at every recorded link."""
        self.every_s = EVERY_S
        self._read_record()
        if not self._links:
            return Reading()
        seen = look(self._links)
        self._indexes = frozenset(link.index for link in seen.links.values())
        rows = {Entity(kind=EntityKind.NIC, key=name): compare(name, link, seen) for name, link in self._links.items()}
        for name, share in self._crowding.look(at, seen).items():
            rows[Entity(kind=EntityKind.NIC, key=name)]["nic_crowded_ratio"] = share
        if self._crowding.busy:
            self.every_s = BUSY_EVERY_S
        return Reading(entities=rows)

    async def watch(self, on_change: Callable[[], None]) -> None:
        """Have the next sample look anew, and ask for it, whenever the kernel tells of a change to a recorded link."""
        try:
            heard = listener()
        except OSError as error:
            _log.warning("changes to links are seen %g s late: %s", EVERY_S, error)
            await asyncio.Future[None]()
            return
        with contextlib.closing(heard):
            while True:
                if await self._hear(heard):
                    self.every_s = 0.0
                    on_change()
                    await asyncio.sleep(CHANGES_EVERY_S)

    async def _hear(self, heard: socket.socket) -> bool:
        try:
            chunk = await asyncio.get_running_loop().sock_recv(heard, _CHUNK_BYTES)
        except OSError:  # more was told than the socket holds
            return bool(self._links)
        return any(concerns(kind, message, self._indexes, self._links) for kind, _flags, message in messages(chunk))

    def _read_record(self) -> None:
        stamp = _stamp(self._record)
        if stamp != self._stamp:
            self._links = read(self._record)
            self._stamp = stamp


def compare(name: str, recorded: Link, seen: Seen) -> dict[str, float]:
    """Return a link's signals.

    Args:
        name: the link's.
        recorded: how it was.
        seen: how it is.
    """
    link = seen.links.get(name)
    if link is None:
        return {"nic_down_ratio": 1.0}
    families = {FAMILIES[address.family] for address in recorded.addresses}
    known = {neighbour(each.address, each.lladdr) for each in recorded.neighbours}
    row = {
        "nic_down_ratio": float((recorded.up and not link.up) or (recorded.carrier and not link.carrier)),
        "nic_addresses_missing_ratio": _missing({(link.index, family) for family in families}, seen.families),
        "nic_mtu_changed_ratio": float(link.mtu != recorded.mtu),
        "nic_queueing_changed_ratio": float(_kinds(seen.queueing.get(link.index, Queueing())) != _kinds(recorded.queueing)),
        "nic_neighbours_fixed_ratio": float(not seen.fixed.get(link.index, frozenset()) <= known),
    }
    if seen.destinations is not None:
        wanted = {destination(route.family, route.destination) for route in recorded.routes}
        row["nic_routes_missing_ratio"] = _missing(wanted, seen.destinations)
    return row


def concerns(kind: int, message: bytes, indexes: Collection[int], names: Collection[str]) -> bool:
    """Tell whether a message of the kernel's is about one of these links."""
    if kind in (RTM_NEWROUTE, RTM_DELROUTE):
        told = attributes(message, ROUTE_HEADER.size).get(_RTA_OIF)
        return told is not None and int.from_bytes(told, sys.byteorder) in indexes
    if int.from_bytes(message[_INDEX], sys.byteorder) in indexes:
        return True
    if kind not in (RTM_NEWLINK, RTM_DELLINK):
        return False
    return attributes(message, LINK_HEADER.size).get(IFLA_IFNAME, b"").rstrip(b"\0").decode(errors="replace") in names


def _missing(wanted: Collection[object], there: Collection[object]) -> float:
    return sum(each not in there for each in wanted) / len(wanted) if wanted else 0.0


def _kinds(queueing: Queueing) -> tuple[str, str, tuple[str, ...]]:
    return queueing.root, queueing.ingress, queueing.children


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
