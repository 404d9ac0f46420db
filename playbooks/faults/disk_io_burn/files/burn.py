"""Writes FILE over and over at RATE megabytes a second, each block past the caches to the disk. Touches: FILE, 32 MiB of it."""

import mmap
import os
import sys
import time

BLOCK_BYTES = 1 << 20
BLOCKS = 32

block = mmap.mmap(-1, BLOCK_BYTES)  # begins at a page, as direct writing asks for
block.write(os.urandom(BLOCK_BYTES))
file = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_DIRECT | os.O_DSYNC, 0o600)
pause_s = BLOCK_BYTES / (float(sys.argv[2]) * 1e6)
due, number = time.monotonic(), 0
while True:
    os.pwrite(file, block, number % BLOCKS * BLOCK_BYTES)
    number += 1
    due = max(due + pause_s, time.monotonic() - 1.0)
    time.sleep(max(0.0, due - time.monotonic()))
