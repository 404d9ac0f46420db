"""The network and name resolution. Pure."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from ordertrainer.chaos.steps.base import Content, Path, Ratio, Seconds, SightStep, Text, UndoStep

Drawn = Annotated[str, Meta(pattern=r"^\{\w+\}$")]
Link = Annotated[str, Meta(pattern=r"^([A-Za-z0-9][A-Za-z0-9._-]{0,14}|\{target\})$")]
Address = Annotated[str, Meta(pattern=r"^[0-9.{}a-z]{2,40}$")]
HardwareAddress = Annotated[str, Meta(pattern=r"^([0-9a-f]{2}:){5}([0-9a-f]{2}|\{\w+\})$")]
Port = Annotated[int, Meta(ge=1, le=65535)]
Bytes = Annotated[int, Meta(ge=1, le=1 << 24)]
DatagramBytes = Annotated[int, Meta(ge=1, le=65507)]
Mtu = Annotated[int, Meta(ge=68, le=65535)] | Drawn
Table = Annotated[str, Meta(pattern=r"^([a-z][a-z0-9_]{0,30}|\{\w+\})$")]
NetKey = Annotated[str, Meta(pattern=r"^net\.[a-z0-9_]+(\.[A-Za-z0-9_-]+){1,4}$")]


class NameServerSilent(SightStep, tag="name_server_silent"):
    """No server named in a resolver configuration answers."""

    path: Path


class NameServerSlow(SightStep, tag="name_server_slow"):
    """The first server named in a resolver configuration answers, late."""

    path: Path
    at_least_s: Seconds


class ResolvesTo(SightStep, tag="resolves_to"):
    """Programs of the host take a name for this address and no other."""

    name: Text
    address: Address


class Connect(SightStep, tag="connect"):
    """Connecting over TCP has this result; before the fault it has to be open."""

    address: Address
    port: Port
    result: Literal["open", "refused", "timeout", "unreachable", "no_port"]


class Lost(SightStep, tag="lost"):
    """That share of datagrams of that size does not come back from an echo."""

    address: Address
    port: Port
    bytes: DatagramBytes
    at_least_ratio: Ratio


class RoundTrip(SightStep, tag="round_trip"):
    """An echo comes back that late."""

    address: Address
    port: Port
    at_least_s: Seconds


class SlowTransfer(SightStep, tag="slow_transfer"):
    """Sending so many bytes goes through, but not faster than this."""

    address: Address
    port: Port
    bytes: Bytes
    at_most_bytes_per_s: Bytes


class LinkSends(SightStep, tag="link_sends"):
    """A link sends that much."""

    link: Link
    at_least_bytes_per_s: Bytes


class LinkDown(SightStep, tag="link_down"):
    """A link is set down."""

    link: Link


class LinkMtu(SightStep, tag="link_mtu"):
    """A link has this MTU."""

    link: Link
    mtu: Mtu


class AddressGone(SightStep, tag="address_gone"):
    """A link has not this address."""

    link: Link
    address: Address


class Neighbour(SightStep, tag="neighbour"):
    """A neighbour is believed to have this hardware address."""

    link: Link
    address: Address
    lladdr: HardwareAddress


class UndoNft(UndoStep, tag="nft"):
    """Remove a table of the family inet: every rule and chain that still is what the fault wrote, the table when it is empty."""

    table: Table
    rules: Content


class UndoQdisc(UndoStep, tag="qdisc"):
    """Remove the queue at the root of a link, while it is what the fault put there; the link had the kernel's own."""

    link: Link
    words: Text


class UndoLink(UndoStep, tag="link"):
    """Set a link up, while it is down."""

    link: Link


class UndoMtu(UndoStep, tag="mtu"):
    """Put back the MTU of a link, while it is the fault's."""

    link: Link
    mtu: Mtu


class UndoAddresses(UndoStep, tag="addresses"):
    """Put back the addresses that a link has lost."""

    link: Link


class UndoRoutes(UndoStep, tag="routes"):
    """Put back the routes that a link has lost, unless somebody has made other ones to the same destinations."""

    link: Link


class UndoNeighbour(UndoStep, tag="neighbour"):
    """Forget the fixed hardware address of a neighbour, while it is the fault's."""

    link: Link
    address: Address
    lladdr: HardwareAddress


class UndoNetSetting(UndoStep, tag="net_setting"):
    """Put back a kernel setting of the host's network namespace, while it is the fault's."""

    key: NetKey
    value: Text


class UndoHostsLine(UndoStep, tag="hosts_line"):
    """Remove a line from a file of host names, wherever in it it is."""

    path: Path
    line: Text


SIGHTS = (
    NameServerSilent
    | NameServerSlow
    | ResolvesTo
    | Connect
    | Lost
    | RoundTrip
    | SlowTransfer
    | LinkSends
    | LinkDown
    | LinkMtu
    | AddressGone
    | Neighbour
)
UNDOS = UndoNft | UndoQdisc | UndoLink | UndoMtu | UndoAddresses | UndoRoutes | UndoNeighbour | UndoNetSetting | UndoHostsLine
