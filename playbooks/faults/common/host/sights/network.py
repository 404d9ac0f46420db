"""Sights of the network and of name resolution: what a program of this host gets when it uses them.

Touches: ip(8), /proc/net/dev; asks name servers, connects and sends to the addresses in the sight. Changes
nothing.

A sight that is there before the fault refuses the host: what was lost, slow or closed already proves nothing.
"""

from __future__ import annotations

import errno
import json
import socket
import time
from collections.abc import Callable
from pathlib import Path

from failures import Refused
from machine import run

from sights.look import nothing

DNS_TIMEOUT_S = 0.3
DNS_PATIENCE_S = 5.0
DNS_QUESTION = bytes.fromhex("4f44 0100 0001 0000 0000 0000 00 0002 0001")  # NS of the root: any server answers something
CONNECT_TIMEOUT_S = 0.4
ECHO_TIMEOUT_S = 0.5
DATAGRAMS = 40
RATE_WINDOW_S = 0.3
LATE_S = 2.0

Seen = Callable[[dict, object], bool]


def _not_yet(seen: Seen) -> Callable[[dict], object]:
    """Return a capture that refuses a host on which the sight is there before the fault."""

    def capture(sight: dict) -> object:
        if seen(sight, None):
            raise Refused(f"{sight}: is so already")

    return capture


# name resolution


def _servers(sight: dict) -> list[str]:
    lines = Path(sight["path"]).read_text(encoding="utf-8", errors="replace").splitlines()
    return [line.split()[1] for line in lines if line.startswith("nameserver ")]


def _name_server_silent(sight: dict, _before: object) -> bool:
    servers = _servers(sight)
    return bool(servers) and not any(_answer_s(server, DNS_TIMEOUT_S) for server in servers)


def _name_server_slow(sight: dict, _before: object) -> bool:
    """Tell whether the first server answers, and takes that long; one that never answers is not slow."""
    return _answer_s(_servers(sight)[0], DNS_PATIENCE_S) >= sight["at_least_s"]


def _answer_s(server: str, timeout_s: float) -> float:
    """Return how long a name server took to answer, 0 when it did not."""
    with socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET, socket.SOCK_DGRAM) as question:
        question.settimeout(timeout_s)
        began = time.monotonic()
        try:
            question.connect((server, 53))
            question.send(DNS_QUESTION)
            return time.monotonic() - began if question.recv(512) else 0.0
        except OSError:
            return 0.0


def _resolves_to(sight: dict, _before: object) -> bool:
    try:
        found = socket.getaddrinfo(sight["name"], None, family=socket.AF_INET, type=socket.SOCK_STREAM)
    except OSError:
        return False
    return {each[4][0] for each in found} == {sight["address"]}


# what a program gets that connects

OUTCOMES = {
    errno.ECONNREFUSED: "refused",
    errno.ENETUNREACH: "unreachable",
    errno.EHOSTUNREACH: "unreachable",
    errno.EADDRNOTAVAIL: "no_port",
    errno.EAGAIN: "timeout",
    errno.ETIMEDOUT: "timeout",
}


def _connect(sight: dict, _before: object) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as line:
        line.settimeout(CONNECT_TIMEOUT_S)
        try:
            line.connect((sight["address"], sight["port"]))
        except TimeoutError:
            return sight["result"] == "timeout"
        except OSError as error:
            return OUTCOMES.get(error.errno) == sight["result"]
    return sight["result"] == "open"


def _capture_connect(sight: dict) -> object:
    """Take note of nothing; a host where connecting fails before the fault is refused."""
    if not _connect({**sight, "result": "open"}, None):
        raise Refused(f"{sight['address']} port {sight['port']}: cannot be reached, and should be before the fault")


# what comes back from an echo


def _lost(sight: dict, _before: object) -> bool:
    """Tell whether that share of datagrams does not come back, of a size of one's choice."""
    back = set()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((sight["address"], sight["port"]))
        for number in range(DATAGRAMS):
            try:
                probe.send(bytes([number]).ljust(sight["bytes"], b"\0"))
            except OSError:  # dropped on the way out
                continue
        ends = time.monotonic() + ECHO_TIMEOUT_S
        while len(back) < DATAGRAMS and (left := ends - time.monotonic()) > 0:
            probe.settimeout(left)
            try:
                back.add(probe.recv(sight["bytes"])[0])
            except OSError:
                continue
    return (DATAGRAMS - len(back)) / DATAGRAMS >= sight["at_least_ratio"]


def _round_trip(sight: dict, _before: object) -> bool:
    """Tell whether an echo takes that long; one that never comes is lost, not late."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.settimeout(LATE_S)
        try:
            probe.connect((sight["address"], sight["port"]))
            began = time.monotonic()
            probe.send(b"late?")
            probe.recv(16)
        except OSError:
            return False
        return time.monotonic() - began >= sight["at_least_s"]


# what goes through


def _slow_transfer(sight: dict, _before: object) -> bool:
    """Tell whether sending that much, until the other end has taken all of it, is slower than so much a second."""
    ends = time.monotonic() + sight["bytes"] / sight["at_most_bytes_per_s"]
    try:
        with socket.create_connection((sight["address"], sight["port"]), timeout=CONNECT_TIMEOUT_S) as line:
            return not _taken(line, sight["bytes"], ends)
    except OSError:  # nothing goes through: that is not slow
        return False


def _taken(line: socket.socket, size: int, ends: float) -> bool:
    """Send, then wait for the other end to hang up, which it does when it has everything; say whether that was in time."""
    try:
        line.settimeout(max(ends - time.monotonic(), 0.001))
        line.sendall(bytes(size))
        line.shutdown(socket.SHUT_WR)
        line.settimeout(max(ends - time.monotonic(), 0.001))
        line.recv(1)
    except TimeoutError:
        return False
    return True


def _link_sends(sight: dict, _before: object) -> bool:
    first, began = _sent_bytes(sight["link"]), time.monotonic()
    time.sleep(RATE_WINDOW_S)
    return (_sent_bytes(sight["link"]) - first) / (time.monotonic() - began) >= sight["at_least_bytes_per_s"]


def _sent_bytes(link: str) -> int:
    """Return what a link has sent: the ninth figure of its line in /proc/net/dev."""
    for line in Path("/proc/net/dev").read_text(encoding="ascii").splitlines():
        name, _, figures = line.partition(":")
        if name.strip() == link:
            return int(figures.split()[8])
    return 0


# what the kernel says of a link


def _link(name: str) -> dict:
    return next(iter(json.loads(run("ip", "-json", "address", "show", "dev", name))), {})


def _link_down(sight: dict, _before: object) -> bool:
    return "UP" not in _link(sight["link"]).get("flags", ["UP"])


def _link_mtu(sight: dict, _before: object) -> bool:
    return _link(sight["link"]).get("mtu") == sight["mtu"]


def _address_gone(sight: dict, _before: object) -> bool:
    return not [each for each in _link(sight["link"]).get("addr_info", []) if each.get("local") == sight["address"]]


def _neighbour(sight: dict, _before: object) -> bool:
    known = json.loads(run("ip", "-json", "neighbour", "show", "to", sight["address"], "dev", sight["link"]) or "[]")
    return any(each.get("lladdr") == sight["lladdr"] for each in known)


KINDS = {
    "name_server_silent": (nothing, _name_server_silent),
    "name_server_slow": (_not_yet(_name_server_slow), _name_server_slow),
    "resolves_to": (_not_yet(_resolves_to), _resolves_to),
    "connect": (_capture_connect, _connect),
    "lost": (_not_yet(_lost), _lost),
    "round_trip": (_not_yet(_round_trip), _round_trip),
    "slow_transfer": (_not_yet(_slow_transfer), _slow_transfer),
    "link_sends": (_not_yet(_link_sends), _link_sends),
    "link_down": (_not_yet(_link_down), _link_down),
    "link_mtu": (_not_yet(_link_mtu), _link_mtu),
    "address_gone": (_not_yet(_address_gone), _address_gone),
    "neighbour": (_not_yet(_neighbour), _neighbour),
}
