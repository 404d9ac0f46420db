"""The far end of the drill's second network: echoes, takes what it is sent, answers HTTP, tells the time.

Touches: TCP ports 7 (echo), 9 (discard) and 80 (HTTP), UDP ports 7, 9 and 123 (SNTP) of the namespace it is started in.
Standard library only: it runs on the clone's own Python. One thread, which sleeps until somebody asks.
"""

from __future__ import annotations

import selectors
import socket
import struct
import time
from collections.abc import Callable

ECHO, DISCARD, HTTP, SNTP = 7, 9, 80, 123
READ_BYTES = 1 << 18
DATAGRAM_BYTES_MAX = 65535
NTP_EPOCH_S = 2_208_988_800  # from 1900 to 1970, RFC 5905
NTP_LENGTH = 48
NTP_CLIENT = 3  # mode

Answer = Callable[[bytes], bytes]


def echoed(data: bytes) -> bytes:
    """Return what came."""
    return data


def discarded(_data: bytes) -> bytes:
    """Return nothing, whatever came."""
    return b""


def web_page(_request: bytes) -> bytes:
    """Answer every request alike; one that does not come in a single piece is answered once a piece."""
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nok\n"


def time_of_day(question: bytes) -> bytes:
    """Return the SNTP answer of a server with a reference clock, nothing for what is no question."""
    if len(question) < NTP_LENGTH or question[0] & 7 != NTP_CLIENT:
        return b""
    now = timestamp(time.time())
    head = struct.pack(">BBBbII4s", 0x24, 1, question[2], -20, 0, 1, b"DRIL")
    return head + now + question[40:48] + now + timestamp(time.time())


def timestamp(unix_s: float) -> bytes:
    """Return a time of day as NTP writes it."""
    whole = int(unix_s)
    return struct.pack(">II", (whole + NTP_EPOCH_S) & 0xFFFFFFFF, int((unix_s - whole) * (1 << 32)))


STREAMS: dict[int, Answer] = {ECHO: echoed, DISCARD: discarded, HTTP: web_page}
DATAGRAMS: dict[int, Answer] = {ECHO: echoed, DISCARD: discarded, SNTP: time_of_day}


def serve(streams: dict[int, Answer], datagrams: dict[int, Answer], address: str = "0.0.0.0") -> None:  # noqa: S104 - see above
    """Answer everybody, for ever."""
    selector = selectors.DefaultSelector()
    for port, answer in streams.items():
        door = socket.create_server((address, port), backlog=64)
        door.settimeout(0)
        selector.register(door, selectors.EVENT_READ, (welcome, answer))
    for port, answer in datagrams.items():
        box = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        box.bind((address, port))
        box.settimeout(0)
        selector.register(box, selectors.EVENT_READ, (reply_to_datagram, answer))
    while True:
        for key, _ in selector.select():
            handle, answer = key.data
            handle(selector, key.fileobj, answer)


def welcome(selector: selectors.BaseSelector, door: socket.socket, answer: Answer) -> None:
    """Take a caller in."""
    try:
        caller, _ = door.accept()
    except OSError:  # gone before it was taken in
        return
    caller.settimeout(0)
    selector.register(caller, selectors.EVENT_READ, (reply, answer))


def reply(selector: selectors.BaseSelector, caller: socket.socket, answer: Answer) -> None:
    """Answer what a caller sent; hang up at its end, and on one that does not take its answer."""
    try:
        data = caller.recv(READ_BYTES)
        if data:
            caller.sendall(answer(data))
            return
    except OSError:  # the caller has broken off, or does not read
        pass
    selector.unregister(caller)
    caller.close()


def reply_to_datagram(_selector: selectors.BaseSelector, box: socket.socket, answer: Answer) -> None:
    """Answer one datagram, or do not, as a network may."""
    try:
        data, caller = box.recvfrom(DATAGRAM_BYTES_MAX)
        if said := answer(data):
            box.sendto(said, caller)
    except OSError:
        return


if __name__ == "__main__":
    serve(STREAMS, DATAGRAMS)
