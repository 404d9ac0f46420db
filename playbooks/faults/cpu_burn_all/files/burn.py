"""Spins in user mode on PER_CORE threads for every core of the host. Touches: nothing but the processor."""

import hashlib
import os
import sys
import threading

BLOCK = bytes(4 << 20)  # hashing this much at once lets go of the interpreter lock, so that threads really run side by side


def spin() -> None:
    """Hash for ever."""
    while True:
        hashlib.sha256(BLOCK).digest()


for _ in range(int(sys.argv[1]) * len(os.sched_getaffinity(0)) - 1):
    threading.Thread(target=spin, daemon=True).start()
spin()
