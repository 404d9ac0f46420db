"""The one cable of a clone: a veth to this machine, one address on each end, and no way further.

Touches: ip(8), the clone's network namespace.

The machine's end is not called `ve-*`: systemd-networkd and NetworkManager would take such a name for a container's and
hand out addresses and routes.
"""

from __future__ import annotations

from ordertrainer.ground.errors import GroundError
from ordertrainer.ground.shell import run

RANGE = "10.99.0.0/16"
INDEX_MAX = 250
INSIDE = "host0"


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
    """Check that the clone can reach its own cable and nothing beyond it.

    Raises:
        GroundError: it has a default route or one through a gateway.
    """
    for family in ("-4", "-6"):
        routes = run(["nsenter", "-t", str(init_pid), "-n", "ip", family, "route", "show", "table", "main"]).stdout
        for route in routes.splitlines():
            if route.startswith("default") or " via " in route:
                raise GroundError(f"the clone has a route out ({route.strip()}): it must not reach anything but its drill")


def has_blackhole() -> bool:
    """Return True when the machine drops what is meant for the drill range and has no cable."""
    return bool(run(["ip", "route", "show", "type", "blackhole", "exact", RANGE]).stdout.strip())


def add_blackhole() -> None:
    """Make sure that a clone that is down is never looked for beyond this machine."""
    run(["ip", "route", "replace", "blackhole", RANGE])


def remove_blackhole() -> None:
    """Remove the route again."""
    run(["ip", "route", "delete", "blackhole", RANGE], check=False)
