"""Listens on the port of a service instead of the service, and answers nobody.

Touches: a TCP port; stops the unit that has it, and has systemd try to start it again. It waits for the port while the unit
stops, so that nobody who starts the unit is faster.
"""

import socket
import subprocess
import sys
import time

WITHIN_S = 15.0
POLL_S = 0.002
unit, port = sys.argv[1], int(sys.argv[2])

dual = socket.has_dualstack_ipv6()
listener = socket.socket(socket.AF_INET6 if dual else socket.AF_INET)
if dual:
    listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)

deadline = time.monotonic() + WITHIN_S
with subprocess.Popen(["systemctl", "stop", unit]):
    while True:
        try:
            listener.bind(("::" if dual else "0.0.0.0", port))  # noqa: S104  a service that listens on one address must not find it free
            listener.listen()
            break
        except OSError:  # the service has it yet
            if time.monotonic() >= deadline:
                raise
            time.sleep(POLL_S)
subprocess.run(["systemctl", "start", "--no-block", unit], check=False)
while True:
    caller, _ = listener.accept()
    caller.close()
