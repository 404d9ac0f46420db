"""Asks the cache long questions over CLIENTS connections until it hangs up. Touches: the loopback port of the cache."""

import contextlib
import socket
import sys
import threading

ADDRESS = ("127.0.0.1", 6379)
QUESTION_US = 20_000
"""How long an answer takes, by the clock of the cache: as long on a fast machine as on a slow one. Who asks anything waits for
a round of most clients, on a busy machine for two and more."""
ROUNDS_MAX = 10_000_000
"""Where the clock of scripts stands still (newer caches), a question ends all the same."""
SCRIPT = f"""
local function now() local told = redis.call('TIME') return told[1] * 1000000 + told[2] end
local begun, rounds = now(), 0
while now() - begun < {QUESTION_US} and rounds < {ROUNDS_MAX} do rounds = rounds + 1 end
return rounds
"""
QUESTION = f"*3\r\n$4\r\nEVAL\r\n${len(SCRIPT)}\r\n{SCRIPT}\r\n$1\r\n0\r\n".encode()


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
