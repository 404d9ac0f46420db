"""Watches, while an experiment runs on somebody's real host, what must never be cut: SSH, orderd's socket, the gateway, DNS.

Touches: one connection or question a check; systemd, to start the armed revert.

Only what worked when the experiment was armed is watched, and not what the fault is meant to break. What fails three times in a
row, at a pace of one and a half seconds, has the revert run at once; the reason is the unit's last word in the journal. A check
that cannot be made counts as failed: a host that cannot even ask is no healthy one. Runs as a transient unit of its own, like
the witness.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import records
import revert

PERIOD_S = 1.5
TIMEOUT_S = 1.0
FAILURES_MAX = 3
SSH_PORT = 22
ORDERD = "/run/orderd/orderd.sock"
RESOLV_CONF = Path("/etc/resolv.conf")
ROUTES = Path("/proc/net/route")
DEFAULT_ROUTE = "00000000"
GATEWAY_FLAG = 2
HTTP2_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
HTTP2_SETTINGS = 4
FRAME_BYTES = 9
DNS_QUESTION = bytes.fromhex("4f44 0100 0001 0000 0000 0000 00 0002 0001")  # NS of the root: any server answers something
ECHO_REQUEST, ECHO_REPLY = 8, 0
IP_HEADER_MASK = 0x0F


def capture(breaks: list[str]) -> dict:
    """Return what is to be watched: what works now, but for what the fault breaks on purpose.

    Args:
        breaks: names of checks.
    """
    places = {"ssh": _ssh_place(), "peer": _peer_place(), "grpc": ORDERD, "gateway": _gateway(), "dns": _name_server()}
    if "ssh" in breaks:
        breaks = [*breaks, "peer"]
    return {name: place for name, place in places.items() if place and name not in breaks and _works(name, place)}


def guard() -> dict:
    """Watch until told to stop; have the fault reverted when something stops working."""
    watched = records.load(records.BASELINE)["guard"]
    failed = dict.fromkeys(watched, 0)
    while True:
        began = time.monotonic()
        for name, place in watched.items():
            failed[name] = 0 if _works(name, place) else failed[name] + 1
            if failed[name] >= FAILURES_MAX:
                return _take_back(f"{name} ({_words(place)}) stopped working")
        time.sleep(max(0.0, PERIOD_S - (time.monotonic() - began)))


def _take_back(why: str) -> dict:
    """Start the revert in the unit that was armed for it; where even systemd does not answer, do it here."""
    sys.stdout.write(f"guard: {why}\n")
    sys.stdout.flush()
    start = ["systemctl", "start", "--no-block", f"{records.UNIT}.service"]
    with suppress(OSError, subprocess.TimeoutExpired):
        if subprocess.run(start, stdin=subprocess.DEVNULL, capture_output=True, timeout=5, check=False).returncode == 0:
            return {"guard": why}
    return {"guard": why, **revert.revert()}


def _works(name: str, place: object) -> bool:
    try:
        return CHECKS[name](place)
    except (OSError, ValueError, struct.error):
        return False


def _words(place: object) -> str:
    return ":".join(map(str, place)) if isinstance(place, (list, tuple)) else str(place)


def _ssh_place() -> list:
    """Return where this very session came in, else where sshd usually listens."""
    words = os.environ.get("SSH_CONNECTION", "").split()
    return [words[2], int(words[3])] if len(words) == 4 else ["127.0.0.1", SSH_PORT]  # noqa: PLR2004  as sshd writes it


def _peer_place() -> str:
    """Return who is at the other end of this session, empty when nobody or not over IPv4."""
    words = os.environ.get("SSH_CONNECTION", "").split()
    return words[0] if words and ":" not in words[0] else ""


def _ssh(place: list) -> bool:
    with socket.create_connection((place[0], place[1]), TIMEOUT_S) as caller:
        return caller.recv(4) == b"SSH-"


def _grpc(place: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
        caller.settimeout(TIMEOUT_S)
        caller.connect(place)
        caller.sendall(HTTP2_HELLO)
        frame = b""
        while len(frame) < FRAME_BYTES and (more := caller.recv(FRAME_BYTES - len(frame))):
            frame += more
        return len(frame) == FRAME_BYTES and frame[3] == HTTP2_SETTINGS


def _gateway() -> str:
    """Return the gateway of the default route, empty when there is none."""
    for line in ROUTES.read_text(encoding="ascii").splitlines()[1:]:
        fields = line.split()
        if fields[1] == DEFAULT_ROUTE and int(fields[3], 16) & GATEWAY_FLAG:
            return socket.inet_ntoa(struct.pack("<L", int(fields[2], 16)))
    return ""


def _echo(place: str) -> bool:
    """Ask for an ICMP echo."""
    number = os.getpid() & 0xFFFF
    body = struct.pack("!BBHHH", ECHO_REQUEST, 0, 0, number, 1)
    body = struct.pack("!BBHHH", ECHO_REQUEST, 0, _checksum(body), number, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as caller:
        caller.connect((place, 0))
        caller.send(body)
        deadline = time.monotonic() + TIMEOUT_S
        while (left := deadline - time.monotonic()) > 0:
            if not select.select([caller], [], [], left)[0]:
                return False
            answer = caller.recv(1024)
            kind, _, _, whose, _ = struct.unpack_from("!BBHHH", answer, (answer[0] & IP_HEADER_MASK) * 4)
            if kind == ECHO_REPLY and whose == number:
                return True
    return False


def _checksum(data: bytes) -> int:
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    return ~(total + (total >> 16)) & 0xFFFF


def _name_server() -> str:
    try:
        lines = RESOLV_CONF.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.split()[1] for line in lines if line.startswith("nameserver ") and len(line.split()) > 1), "")


def _dns(_place: str) -> bool:
    """Ask the server that is configured now: a repair may name another one."""
    server = _name_server()
    with socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET, socket.SOCK_DGRAM) as question:
        question.settimeout(TIMEOUT_S)
        question.connect((server, 53))
        question.send(DNS_QUESTION)
        return bool(question.recv(512))


CHECKS = {"ssh": _ssh, "peer": _echo, "grpc": _grpc, "gateway": _echo, "dns": _dns}
