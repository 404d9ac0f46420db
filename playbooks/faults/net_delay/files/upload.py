"""Sends datagrams to ADDRESS PORT at RATE bytes a second, whatever becomes of them. Touches: the network."""

import socket
import sys
import time

SIZE = 1400
STEP_S = 0.01
HEAD_START_S = 1.0  # so that the queue is full at once
LINES = 8  # one socket may not fill a deep queue: the kernel lets it have about 130 KB under way

address, rate = (sys.argv[1], int(sys.argv[2])), float(sys.argv[3])
lines = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(LINES)]
for line in lines:
    line.settimeout(0)
sent, began = 0, time.monotonic() - HEAD_START_S
while True:
    while sent * SIZE < (time.monotonic() - began) * rate:
        sent += 1
        try:
            lines[sent % LINES].sendto(bytes(SIZE), address)
        except OSError:  # the queue is full: what does not fit is lost
            continue
    time.sleep(STEP_S)
