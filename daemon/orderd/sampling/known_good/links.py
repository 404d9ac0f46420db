"""Links: the record of how they were set up. Asks ip(8) and tc(8), which hosts without a network may lack; touches the disk.

Recorded are the links that somebody gave an address. Not those that containers and virtual machines bring and take along, and of
the others not what comes by itself: link-local and temporary addresses, the kernel's own routes and those of routing daemons.
What was leased is recorded and said to be: nobody may give it again but who leased it.
"""

import functools
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import msgspec

from orderd.config.schema import Config
from orderd.domain.faults import Entity, EntityKind
from orderd.sampling.known_good.writing import write_json

LINKS = "links.json"
LINKS_MAX: Final = 32
FAMILIES: Final = {"inet": "-4", "inet6": "-6"}
_TOOLS_PATH: Final = "/usr/sbin:/usr/bin:/sbin:/bin"
_ANSWER_S: Final = 10.0
# No info_kind: a device. The rest is what people set up by hand; tunnels and overlays belong to programs.
_KINDS: Final = frozenset({"", "vlan", "bond", "team", "bridge", "veth", "macvlan"})
_CONTAINERS: Final = ("docker", "br-", "virbr", "veth", "vnet", "cni", "cali", "flannel", "cilium", "lxc", "lxd", "podman")
# A bridge has a carrier while one of its ports has.
_CARRIER_COMES_AND_GOES: Final = frozenset({"bridge"})
# The kernel's own, those of advertisements and those of routing daemons come and go by themselves.
_SET_UP_BY: Final = frozenset({"", "boot", "static", "dhcp"})
# What a record does not hold: such a route could not be put back.
_MORE: Final = frozenset({"type", "encap", "metrics", "nexthops"})


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """One address.

    Attributes:
        family: ``inet`` or ``inet6``.
        address: with its prefix length, ``192.0.2.7/24``.
        peer: the other end with its prefix length, where there is only one.
        broadcast: empty where there is none.
        scope: in ip(8)'s words.
        leased: it ends unless who gave it gives it again.
        nodad: it is used without asking first whether somebody else has it.
    """

    family: str
    address: str
    peer: str = ""
    broadcast: str = ""
    scope: str = "global"
    leased: bool = False
    nodad: bool = False


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One route of the main table; with all but ``family`` and ``destination`` empty where ip(8) does not say.

    Attributes:
        family: ``inet`` or ``inet6``.
        destination: ``192.0.2.0/24``, ``192.0.2.7`` or ``default``.
        gateway: an address, or ``inet6 ADDRESS`` where it is of the other family.
        metric: 0 where there is none.
        source: address to send from.
        protocol: who made it, in ip(8)'s words.
        scope: in ip(8)'s words.
        onlink: the gateway is a neighbour, whatever the addresses say.
    """

    family: str
    destination: str
    gateway: str = ""
    metric: int = 0
    source: str = ""
    protocol: str = ""
    scope: str = ""
    onlink: bool = False


class Queueing(msgspec.Struct, frozen=True, kw_only=True):
    """The kinds of the queueing disciplines.

    Attributes:
        root: at the root.
        own: somebody put it there; else it is the kernel's choice.
        ingress: of what comes in, empty without.
        children: below the root, each kind once.
    """

    root: str = ""
    own: bool = False
    ingress: str = ""
    children: tuple[str, ...] = ()


class Neighbour(msgspec.Struct, frozen=True, kw_only=True):
    """A neighbour whose hardware address somebody has fixed."""

    address: str
    lladdr: str


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """How one link was.

    Attributes:
        up: administratively.
        carrier: it had one, and keeps it while all is well.
        mtu: bytes.
        addresses: in order.
        routes: in order.
        queueing: kinds only.
        neighbours: the fixed ones.
    """

    up: bool
    carrier: bool
    mtu: int
    addresses: tuple[Address, ...] = ()
    routes: tuple[Route, ...] = ()
    queueing: Queueing = Queueing()
    neighbours: tuple[Neighbour, ...] = ()


def capture(config: Config, root: Path, *, keep: bool) -> list[Path]:
    """Write down how every link is set up; a host without ip(8) has none to record."""
    del config  # every link counts, whoever is configured
    target = root / LINKS
    if (keep and target.exists()) or not shutil.which("ip", path=_TOOLS_PATH):
        return []
    return [write_json(msgspec.to_builtins(_links()), target)]


def read(target: Path) -> dict[str, Link]:
    """Return a record, empty without one.

    Raises:
        msgspec.DecodeError: somebody else wrote it.
    """
    try:
        text = target.read_bytes()
    except FileNotFoundError:
        return {}
    return msgspec.json.decode(text, type=dict[str, Link])


def _links() -> dict[str, Link]:
    routes = _routes()
    found = {link["ifname"]: link for link in _told("ip", "-details", "address", "show") if "ifname" in link}
    wanted = [name for name, link in found.items() if _counts(name, link)][:LINKS_MAX]
    return {name: _link(name, found[name], routes.get(name, ())) for name in wanted}


def _counts(name: str, link: dict[str, Any]) -> bool:
    try:
        Entity(kind=EntityKind.NIC, key=name)
    except ValueError:
        return False
    passes = _kind(link) not in _KINDS or name.startswith(_CONTAINERS)
    return not passes and "LOOPBACK" not in link["flags"] and bool(_addresses(link))


def _kind(link: dict[str, Any]) -> str:
    return link.get("linkinfo", {}).get("info_kind", "")


def _link(name: str, link: dict[str, Any], routes: tuple[Route, ...]) -> Link:
    return Link(
        up="UP" in link["flags"],
        carrier="LOWER_UP" in link["flags"] and _kind(link) not in _CARRIER_COMES_AND_GOES,
        mtu=link["mtu"],
        addresses=_addresses(link),
        routes=routes,
        queueing=queueing(_told("tc", "qdisc", "show", "dev", name)),
        neighbours=_neighbours(name),
    )


def _addresses(link: dict[str, Any]) -> tuple[Address, ...]:
    given = (each for each in link["addr_info"] if each.get("family") in FAMILIES and "local" in each)
    return tuple(_address(each) for each in given if each["scope"] not in {"link", "host"} and not each.get("temporary"))


def _address(each: dict[str, Any]) -> Address:
    length = each["prefixlen"]
    peer = f"{each['address']}/{length}" if "address" in each else ""
    return Address(
        family=each["family"],
        address=each["local"] if peer else f"{each['local']}/{length}",
        peer=peer,
        broadcast=each.get("broadcast", ""),
        scope=each["scope"],
        leased=bool(each.get("dynamic")),
        nodad=bool(each.get("nodad")),
    )


def _routes() -> dict[str, tuple[Route, ...]]:
    """Return by link the routes that somebody set up."""
    found: dict[str, tuple[Route, ...]] = {}
    for family, option in FAMILIES.items():
        for each in _told("ip", option, "route", "show", "table", "main"):
            if each.get("protocol", "") in _SET_UP_BY and _MORE.isdisjoint(each):
                found[each["dev"]] = (*found.get(each["dev"], ()), _route(family, each))
    return found


def _route(family: str, each: dict[str, Any]) -> Route:
    via = each.get("via", {})
    return Route(
        family=family,
        destination=each["dst"],
        gateway=each.get("gateway", "") or " ".join((via["family"], via["host"]) if via else ()),
        metric=each.get("metric", 0),
        source=each.get("prefsrc", ""),
        protocol=each.get("protocol", ""),
        scope=each.get("scope", ""),
        onlink="onlink" in each.get("flags", ()),
    )


def queueing(told: list[dict[str, Any]]) -> Queueing:
    """Return the kinds in what tc(8) says of one link."""
    roots = [each for each in told if each.get("root")]
    ingress = [each["kind"] for each in told if each.get("parent") == "ffff:fff1"]
    children = {each["kind"] for each in told if not each.get("root") and each.get("parent") != "ffff:fff1"}
    return Queueing(
        root=roots[0]["kind"] if roots else "",
        own=bool(roots) and roots[0]["handle"] != "0:",
        ingress=ingress[0] if ingress else "",
        children=tuple(sorted(children)),
    )


def _neighbours(name: str) -> tuple[Neighbour, ...]:
    told = _told("ip", "neighbour", "show", "dev", name, "nud", "permanent")
    return tuple(Neighbour(address=each["dst"], lladdr=each["lladdr"]) for each in told if "lladdr" in each)


def _told(tool: str, *words: str) -> list[dict[str, Any]]:
    done = subprocess.run([_path(tool), "-json", *words], check=True, capture_output=True, text=True, timeout=_ANSWER_S)
    return json.loads(done.stdout or "[]")


@functools.cache
def _path(tool: str) -> str:
    path = shutil.which(tool, path=_TOOLS_PATH)
    if path is None:
        raise FileNotFoundError(f"{tool} is missing: install the Debian package iproute2")
    return path
