"""Sends to ADDRESS PORT over STREAMS connections at once, as much as goes through. Touches: the network."""

import selectors
import socket
import sys
import time

BLOCK = bytes(1 << 16)
RETRY_S = 0.2

address, streams = (sys.argv[1], int(sys.argv[2])), int(float(sys.argv[3]))
selector = selectors.DefaultSelector()


def connect() -> None:
    """Open one more connection, if somebody is there."""
    try:
        line = socket.create_connection(address, timeout=2)
    except OSError:
        time.sleep(RETRY_S)
        return
    line.settimeout(0)
    selector.register(line, selectors.EVENT_WRITE)


while True:
    if len(selector.get_map()) < streams:
        connect()
    for key, _ in selector.select(RETRY_S):
        try:
            key.fileobj.send(BLOCK)
        except OSError:
            selector.unregister(key.fileobj)
            key.fileobj.close()
