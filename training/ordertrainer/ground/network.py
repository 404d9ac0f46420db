"""The one cable of a clone: a veth to this machine, one address on each end, and no way further.

Touches: ip(8), the clone's network namespace and the one inside it that the clone's second cable ends in.

The machine's end is not called `ve-*`: systemd-networkd and NetworkManager would take such a name for a container's and
hand out addresses and routes.
"""

from __future__ import annotations

import json
import re
from typing import Any

from ordertrainer.ground.errors import GroundError
from ordertrainer.ground.shell import run

RANGE = "10.99.0.0/16"
INDEX_MAX = 250
INSIDE = "host0"
SECOND = "svc0"
"""The clone's cable to a peer of its own, laid by itself at boot; its drill's faults act on it."""
FAR_END = "peer0"
FAR_NAMESPACE = "run/netns/peer"
FAR_LINKS = frozenset({"lo", FAR_END, "line"})
OVER_SECOND = re.compile(rf"[0-9./]+ via [0-9.]+ dev {SECOND}( .*)?")


def outside_name(index: int) -> str:
    """Return the name of the machine's end of the cable of clone `index`."""
    return f"drill{index}"


def outside_address(index: int) -> str:
    """Return the machine's address on the cable of clone `index`."""
    return f"10.99.{index}.1"


def inside_address(index: int) -> str:
    """Return the clone's address."""
    return f"10.99.{index}.2"


def connect(index: int, init_pid: int) -> None:
    """Lay the cable between this machine and the clone whose init is `init_pid`."""
    outside = outside_name(index)
    run(["ip", "link", "add", outside, "type", "veth", "peer", "name", INSIDE, "netns", str(init_pid)])
    run(["ip", "address", "add", f"{outside_address(index)}/24", "dev", outside])
    run(["ip", "link", "set", outside, "up"])
    within = ["nsenter", "-t", str(init_pid), "-n", "ip"]
    run([*within, "address", "add", f"{inside_address(index)}/24", "dev", INSIDE])
    run([*within, "link", "set", INSIDE, "up"])
    assert_no_way_out(init_pid)


def disconnect(outside: str) -> None:
    """Remove the cable; it may be gone already, with the namespace of its other end."""
    run(["ip", "link", "delete", outside], check=False)


def assert_no_way_out(init_pid: int) -> None:
    """Check that the clone can reach its own two cables and nothing beyond them.

    Raises:
        GroundError: it has a default route, or one through a gateway that is not at the closed end of the second cable.
    """
    enter = ["nsenter", "-t", str(init_pid), "-n", "ip"]
    over_second = False
    for route in _routes(enter):
        over_second = over_second or OVER_SECOND.fullmatch(route) is not None
        if leads_out(route):
            raise GroundError(f"the clone has a route out ({route}): it must not reach anything but its drill")
    if over_second:
        beyond = ["nsenter", f"--net=/proc/{init_pid}/root/{FAR_NAMESPACE}", "ip"]
        if why := far_end_is_open(_links(enter), _links(beyond), _routes(beyond)):
            raise GroundError(f"the clone has a route over {SECOND}, but {why}: it must not reach anything but its drill")


def leads_out(route: str) -> bool:
    """Tell whether a route, in the words of ip(8), leads beyond the clone's own cables."""
    return route.startswith("default") or (" via " in f" {route}" and OVER_SECOND.fullmatch(route) is None)


def far_end_is_open(near: list[dict[str, Any]], far: list[dict[str, Any]], routes: list[str]) -> str:
    """Say why something that went out over the second cable could get further than its other end; empty when it cannot.

    Args:
        near: links of the clone, as `ip -json -details link` has them.
        far: links of the namespace that the cable has to end in.
        routes: of that namespace.
    """
    ours = next((link for link in near if link["ifname"] == SECOND), {})
    theirs = next((link for link in far if link["ifname"] == FAR_END), {})
    ends = [(ours.get("link_index"), ours.get("ifindex")), (theirs.get("ifindex"), theirs.get("link_index"))]
    if ours.get("linkinfo", {}).get("info_kind") != "veth" or ends[0] != ends[1] or "link_netnsid" not in ours:
        return f"its other end is not {FAR_END} in a namespace of the clone's own"
    if further := sorted({link["ifname"] for link in far} - FAR_LINKS):
        return f"there are more links at its other end: {', '.join(further)}"
    return next((f"its other end has a route on ({route})" for route in routes if " via " in route or "default" in route), "")


def _routes(ip: list[str]) -> list[str]:
    """Return the main routes of both families."""
    both = [run([*ip, family, "route", "show", "table", "main"]).stdout for family in ("-4", "-6")]
    return [route.strip() for routes in both for route in routes.splitlines()]


def _links(ip: list[str]) -> list[dict[str, Any]]:
    return json.loads(run([*ip, "-json", "-details", "link", "show"]).stdout)


def has_blackhole() -> bool:
    """Return True when the machine drops what is meant for the drill range and has no cable."""
    return bool(run(["ip", "route", "show", "type", "blackhole", "exact", RANGE]).stdout.strip())


def add_blackhole() -> None:
    """Make sure that a clone that is down is never looked for beyond this machine."""
    run(["ip", "route", "replace", "blackhole", RANGE])


def remove_blackhole() -> None:
    """Remove the route again."""
    run(["ip", "route", "delete", "blackhole", RANGE], check=False)
