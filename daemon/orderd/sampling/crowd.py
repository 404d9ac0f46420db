"""Links that one sender crowds: many connections of one user to one address that all wait. Asks over NETLINK_SOCK_DIAG.

A line is full somewhere behind the link as often as at it, and then the link's own queue holds nothing: what tells is that round
trips take longer than they need to. One connection that waits is a copy or a backup, and whoever answers others waits for their
lines; a crowd that this host opened takes the line from everybody else. The kernel is asked only while a link sends much.

References:
    Linux 6.12, include/uapi/linux/{sock_diag,inet_diag,tcp,if_link}.h, for the numbers and the layouts.
"""

import contextlib
import socket
import struct
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from orderd.domain.clock import Instant
from orderd.sampling.collector import RATES_MIN_S
from orderd.sampling.linkstate import ANSWER_BYTES_MAX, FAMILIES, Seen
from orderd.sampling.rtnetlink import Netlink, TooMuchError, attributes

BUSY_BYTES_PER_S: Final = 1e6
"""Below it nothing is asked: lines that are full at 8 Mbit/s are rare, and a link that is idle costs nothing."""
CROWD: Final = 7
"""Connections to one address; a browser opens six."""
QUEUED_S: Final = 0.005
"""Round trips this much longer than the shortest one to the same address: a queue stands between."""
_NETLINK_SOCK_DIAG: Final = 4
_SOCK_DIAG_BY_FAMILY: Final = 20
_TCP_ESTABLISHED, _TCP_LISTEN = 1, 10
_INET_DIAG_INFO: Final = 2
_REQUEST: Final = struct.Struct("=BBBxI48x")
"""struct inet_diag_req_v2: family, protocol, extensions, states, an address that is not asked for."""
_MESSAGE: Final = struct.Struct("=BBxx2s2s16s16s4x8sIIIII")
"""struct inet_diag_msg: family, state, ports, addresses, cookie, expires, receive queue, send queue, user, inode."""
_RTT, _RTT_MIN, _BYTES_SENT = 68, 148, 200
"""Where they stand in struct tcp_info."""
_MAPPED: Final = bytes(10) + b"\xff\xff"


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """One TCP connection that this host opened and that has more to send than goes through.

    Attributes:
        cookie: tells it from all others, also later.
        source: its address here.
        destination: the address of the other end.
        user: whose it is.
        rtt_s: the smoothed round trip; ``rtt_min_s`` the shortest of the last minutes.
        rtt_min_s: see there.
        sent_bytes: since it was opened.
    """

    cookie: bytes
    source: bytes
    destination: bytes
    user: int
    rtt_s: float
    rtt_min_s: float
    sent_bytes: int


class Crowding:
    """Remembers what links and connections had sent when it last looked.

    Attributes:
        busy: enough connections waited then for a crowd.
    """

    def __init__(self) -> None:
        """Start without a past."""
        self._at: Instant | None = None
        self._links: dict[int, int] = {}
        self._connections: dict[bytes, int] | None = None
        self.busy = False
        self._shares: dict[str, float] = {}

    def look(self, at: Instant, seen: Seen) -> Mapping[str, float]:
        """Return, by link, the share of what it sent that its largest crowd sent; nothing of what cannot be told yet.

        Args:
            at: now.
            seen: the links.
        """
        elapsed_s = at.seconds_since(self._at) if self._at else 0.0
        if self._at and elapsed_s < RATES_MIN_S:
            return self._shares
        before, self._links = self._links, {link.index: link.sent_bytes for link in seen.links.values()}
        sent = {name: link.sent_bytes - before[link.index] for name, link in seen.links.items() if link.index in before}
        self._at, self._shares = at, {name: 0.0 for name, count in sent.items() if 0 <= count < BUSY_BYTES_PER_S * elapsed_s}
        busy = {name: count for name, count in sent.items() if count >= BUSY_BYTES_PER_S * elapsed_s}
        if not busy:
            self._connections, self.busy = None, False
            return self._shares
        found = _connections()
        known, self._connections = self._connections, {each.cookie: each.sent_bytes for each in found or ()}
        self.busy = len(found or ()) >= CROWD
        if known is not None and found is not None:
            for name, count in busy.items():
                here = [each for each in found if seen.addresses.get(each.source) == seen.links[name].index]
                self._shares[name] = share(here, known, count)
        return self._shares


def share(connections: Iterable[Connection], before: Mapping[bytes, int], sent_bytes: int) -> float:
    """Return the share of what a link sent that its largest crowd sent.

    Args:
        connections: those over the link.
        before: by cookie, what they had sent; one that did not wait then does not count yet.
        sent_bytes: by the link.
    """
    groups: dict[tuple[int, bytes], list[Connection]] = defaultdict(list)
    for each in connections:
        groups[each.user, each.destination].append(each)
    sums = [0]
    for group in groups.values():
        shortest_s = min(each.rtt_min_s for each in group)
        crowd = [each for each in group if each.rtt_s - shortest_s >= QUEUED_S]
        if len(crowd) >= CROWD:
            sums.append(sum(each.sent_bytes - before.get(each.cookie, each.sent_bytes) for each in crowd))
    return min(1.0, max(sums) / max(1, sent_bytes))


def connections(told: Iterable[bytes]) -> list[Connection]:
    """Return what messages of the kernel say of connections that wait, but for those at ports where this host is asked.

    They may be many: of one that does not wait nothing more is read.
    """
    waiting: list[tuple[bytes, Connection]] = []
    listening: set[bytes] = set()
    for message in told:
        family, state, port, _peer, source, destination, cookie, _expires, _receives, sends, user, _inode = _MESSAGE.unpack_from(
            message
        )
        if state == _TCP_LISTEN:
            listening.add(port)
            continue
        info = attributes(message, _MESSAGE.size).get(_INET_DIAG_INFO, b"") if sends else b""
        if len(info) < _BYTES_SENT + 8:  # or Linux before 4.19
            continue
        one = Connection(
            cookie=cookie,
            source=_address(family, source),
            destination=_address(family, destination),
            user=user,
            rtt_s=_number(info, _RTT, 4) / 1e6,
            rtt_min_s=_number(info, _RTT_MIN, 4) / 1e6,
            sent_bytes=_number(info, _BYTES_SENT, 8),
        )
        waiting.append((port, one))
    return [each for port, each in waiting if port not in listening]


def _number(info: bytes, start: int, size: int) -> int:
    return int.from_bytes(info[start : start + size], sys.byteorder)


def _address(family: int, text: bytes) -> bytes:
    if family == socket.AF_INET:
        return text[:4]
    return text[12:] if text.startswith(_MAPPED) else text


def _connections() -> list[Connection] | None:
    """Ask for every connection; None where the kernel does not tell, or there are too many to be told every second."""
    states, extensions = 1 << _TCP_ESTABLISHED | 1 << _TCP_LISTEN, 1 << (_INET_DIAG_INFO - 1)
    with contextlib.suppress(OSError, TooMuchError), Netlink(_NETLINK_SOCK_DIAG) as netlink:
        asked = [_REQUEST.pack(family, socket.IPPROTO_TCP, extensions, states) for family in FAMILIES.values()]
        return connections(told for body in asked for told in netlink.dump(_SOCK_DIAG_BY_FAMILY, body, ANSWER_BYTES_MAX))
    return None
