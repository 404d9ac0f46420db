"""Asks the cache long questions over CLIENTS connections until it hangs up. Touches: the loopback port of the cache."""

import contextlib
import socket
import sys
import threading

ADDRESS = ("127.0.0.1", 6379)
QUESTION = b"EVAL 'for i = 1, 6000000 do end return 1' 0\r\n"


def ask():
    """Ask again and again, as long as there is an answer."""
    with contextlib.suppress(OSError), socket.create_connection(ADDRESS) as line:
        while True:
            line.sendall(QUESTION)
            if not line.recv(100):
                return


clients = [threading.Thread(target=ask) for _ in range(int(float(sys.argv[1])))]
for client in clients:
    client.start()
for client in clients:
    client.join()
