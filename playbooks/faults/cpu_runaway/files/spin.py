"""Spins in user mode on THREADS threads. Touches: nothing but the processor."""

import hashlib
import sys
import threading

BLOCK = bytes(1 << 20)  # hashing this much at once lets go of the interpreter lock, so that threads really run side by side


def spin() -> None:
    """Hash for ever."""
    while True:
        hashlib.sha256(BLOCK).digest()


for _ in range(int(float(sys.argv[1])) - 1):
    threading.Thread(target=spin, daemon=True).start()
spin()
