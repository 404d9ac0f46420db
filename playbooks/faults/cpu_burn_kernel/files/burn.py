"""Lets the kernel clear memory on THREADS threads, over and over. Touches: the processor, and a megabyte for each thread."""

import sys
import threading

BLOCK_BYTES = 1 << 20


def ask() -> None:
    """Read zeros for ever."""
    block = bytearray(BLOCK_BYTES)
    with open("/dev/zero", "rb", buffering=0) as zeros:
        while True:
            zeros.readinto(block)


for _ in range(int(sys.argv[1]) - 1):
    threading.Thread(target=ask, daemon=True).start()
ask()
