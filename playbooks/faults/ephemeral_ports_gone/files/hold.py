"""Holds the TCP port PORT and does nothing with it. Touches: that port."""

import signal
import socket
import sys

port = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a connection that has ended may still stand in the way
port.bind(("0.0.0.0", int(sys.argv[1])))  # noqa: S104 - whatever address a program would call from
while True:
    signal.pause()
