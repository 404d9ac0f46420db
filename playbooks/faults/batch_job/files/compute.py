"""Computes for SECONDS at the lowest priority, then ends. Touches: one core, when nobody else wants it."""

import hashlib
import os
import sys
import time

os.nice(19)
block = bytes(1 << 16)
ends = time.monotonic() + float(sys.argv[1])
while time.monotonic() < ends:
    block = hashlib.sha256(block).digest() * 2048
