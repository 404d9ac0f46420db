"""How links are set up now, as far as it is compared with the record. Asks the kernel through `orderd.sampling.rtnetlink`."""

import ipaddress
import socket
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from orderd.sampling.known_good.links import Queueing
from orderd.sampling.rtnetlink import (
    ADDRESS_HEADER,
    LINK_HEADER,
    NEIGHBOUR_HEADER,
    QUEUE_HEADER,
    ROUTE_HEADER,
    RTM_GETADDR,
    RTM_GETNEIGH,
    RTM_GETQDISC,
    RTM_GETROUTE,
    Netlink,
    TooMuchError,
    attributes,
)

FAMILIES: Final = {"inet": socket.AF_INET, "inet6": socket.AF_INET6}
ANSWER_BYTES_MAX: Final = 1 << 19
"""Some thousand routes; a router with more of them is not compared."""
_IFF_UP: Final = 0x1
_IFLA_MTU, _IFLA_STATS64, _IFLA_CARRIER = 4, 23, 33
_SENT_BYTES: Final = slice(24, 32)
"""Of struct rtnl_link_stats64: tx_bytes."""
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_RT_SCOPE_LINK: Final = 253
_RT_TABLE_MAIN, _RTN_UNICAST, _RTNH_F_DEAD, _RTA_DST = 254, 1, 0x1, 1
_NUD_PERMANENT: Final = 0x80
_NDA_DST, _NDA_LLADDR, _NDA_PROTOCOL = 1, 2, 12
_TC_ROOT, _TC_INGRESS, _TCA_KIND = 0xFFFFFFFF, 0xFFFFFFF1, 1

Destination = tuple[int, bytes, int]
"""Family, address, prefix length."""
Fixed = tuple[bytes, bytes]
"""Address and hardware address of a neighbour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkState:
    """One link.

    Attributes:
        index: the kernel's number of it.
        up: administratively.
        carrier: whether it has one.
        mtu: bytes.
        sent_bytes: since it is there.
    """

    index: int
    up: bool
    carrier: bool
    mtu: int
    sent_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The links that were asked for and what hangs on them.

    Attributes:
        links: by name; those that there are.
        addresses: and the index of the link that has each.
        families: index of a link and family of which it has an address that is more than link-local.
        destinations: of the main table's routes, over any link; None when there are too many.
        queueing: by index.
        fixed: by index, the neighbours that somebody has fixed; not those of a routing daemon.
    """

    links: Mapping[str, LinkState]
    addresses: Mapping[bytes, int]
    families: frozenset[tuple[int, int]]
    destinations: frozenset[Destination] | None
    queueing: Mapping[int, Queueing]
    fixed: Mapping[int, frozenset[Fixed]]


def look(names: Iterable[str]) -> Seen:
    """Return how links are set up now; some tenths of a millisecond.

    Raises:
        OSError: the kernel refused, or did not answer.
    """
    with Netlink() as netlink:
        told = {name: netlink.link(name) for name in names}
        given = netlink.dump(RTM_GETADDR, ADDRESS_HEADER.pack(0, 0, 0, 0, 0), ANSWER_BYTES_MAX)
        return Seen(
            links={name: link_state(message) for name, message in told.items() if message is not None},
            addresses=addresses(given),
            families=families(given),
            queueing=queueing(netlink.dump(RTM_GETQDISC, QUEUE_HEADER.pack(0, 0, 0, 0, 0), ANSWER_BYTES_MAX)),
            fixed=fixed(netlink.dump(RTM_GETNEIGH, NEIGHBOUR_HEADER.pack(0, 0, 0, 0, 0), ANSWER_BYTES_MAX)),
            destinations=_destinations(netlink),  # last: the conversation may be over after it
        )


def destination(family: str, text: str) -> Destination:
    """Return a destination in the record's words as the kernel tells it."""
    if text == "default":
        return FAMILIES[family], b"", 0
    network = ipaddress.ip_network(text, strict=False)
    return FAMILIES[family], network.network_address.packed, network.prefixlen


def neighbour(address: str, lladdr: str) -> Fixed:
    """Return a neighbour in the record's words as the kernel tells it."""
    hardware = bytes.fromhex(lladdr.replace(":", "")) if ":" in lladdr else lladdr.encode()
    return ipaddress.ip_address(address).packed, hardware


def link_state(message: bytes) -> LinkState:
    """Return what an ``ifinfomsg`` says."""
    _family, _type, index, flags, _change = LINK_HEADER.unpack_from(message)
    found = attributes(message, LINK_HEADER.size)
    return LinkState(
        index=index,
        up=bool(flags & _IFF_UP),
        carrier=found.get(_IFLA_CARRIER, b"\1") != b"\0",
        mtu=int.from_bytes(found.get(_IFLA_MTU, b""), sys.byteorder),
        sent_bytes=int.from_bytes(found.get(_IFLA_STATS64, b"")[_SENT_BYTES], sys.byteorder),
    )


def addresses(told: Iterable[bytes]) -> dict[bytes, int]:
    """Return every address and the link that has it."""
    found: dict[bytes, int] = {}
    for message in told:
        _family, _length, _flags, _scope, index = ADDRESS_HEADER.unpack_from(message)
        said = attributes(message, ADDRESS_HEADER.size)
        found[said.get(_IFA_LOCAL) or said.get(_IFA_ADDRESS, b"")] = index
    return found


def families(told: Iterable[bytes]) -> frozenset[tuple[int, int]]:
    """Return link and family of every address whose scope is wider than its link."""
    headers = (ADDRESS_HEADER.unpack_from(message) for message in told)
    return frozenset((index, family) for family, _length, _flags, scope, index in headers if scope < _RT_SCOPE_LINK)


def queueing(told: Iterable[bytes]) -> dict[int, Queueing]:
    """Return the kinds of queues by link."""
    kinds: dict[int, dict[int, str]] = defaultdict(dict)
    children: dict[int, set[str]] = defaultdict(set)
    for message in told:
        _family, index, _handle, parent, _info = QUEUE_HEADER.unpack_from(message)
        kind = attributes(message, QUEUE_HEADER.size).get(_TCA_KIND, b"").rstrip(b"\0").decode(errors="replace")
        if parent in (_TC_ROOT, _TC_INGRESS):
            kinds[index][parent] = kind
        else:
            children[index].add(kind)
    return {
        index: Queueing(
            root=kinds[index].get(_TC_ROOT, ""),
            ingress=kinds[index].get(_TC_INGRESS, ""),
            children=tuple(sorted(children[index])),
        )
        for index in {*kinds, *children}
    }


def fixed(told: Iterable[bytes]) -> dict[int, frozenset[Fixed]]:
    """Return the fixed neighbours by link."""
    found: dict[int, set[Fixed]] = defaultdict(set)
    for message in told:
        _family, index, state, _flags, _type = NEIGHBOUR_HEADER.unpack_from(message)
        if state & _NUD_PERMANENT:
            said = attributes(message, NEIGHBOUR_HEADER.size)
            if not any(said.get(_NDA_PROTOCOL, b"")):
                found[index].add((said.get(_NDA_DST, b""), said.get(_NDA_LLADDR, b"")))
    return {index: frozenset(neighbours) for index, neighbours in found.items()}


def _destinations(netlink: Netlink) -> frozenset[Destination] | None:
    found: set[Destination] = set()
    try:
        for family in FAMILIES.values():
            asked = ROUTE_HEADER.pack(family, 0, 0, 0, _RT_TABLE_MAIN, 0, 0, 0, 0)
            found |= destinations(netlink.dump(RTM_GETROUTE, asked, ANSWER_BYTES_MAX))
    except TooMuchError:
        return None
    return frozenset(found)


def destinations(told: Iterable[bytes]) -> set[Destination]:
    """Return where the routes of the main table lead; not those that are dead or lead nowhere on purpose."""
    found: set[Destination] = set()
    for message in told:
        family, length, _source, _tos, table, _protocol, _scope, kind, flags = ROUTE_HEADER.unpack_from(message)
        if (table, kind) == (_RT_TABLE_MAIN, _RTN_UNICAST) and not flags & _RTNH_F_DEAD:
            found.add((family, attributes(message, ROUTE_HEADER.size).get(_RTA_DST, b"") if length else b"", length))
    return found
