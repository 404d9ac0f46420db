"""Takes SHARE of the available memory, holds it for a moment, gives it back, over and over. Touches: memory, every page of it."""

import sys
import time
from pathlib import Path

HOLD_S = 1.0
PAUSE_S = 4.0
STEP_BYTES = 16 << 20


def available() -> int:
    """Return how much memory can still be had."""
    words = (line.split() for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines())
    kib = {name: int(number) for name, number, *_ in words}
    # A container's MemAvailable counts what lies in its tmpfs as room, too; what is free and the pages of files are all there is.
    return min(kib["MemAvailable:"], kib["MemFree:"] + kib["Active(file):"] + kib["Inactive(file):"]) * 1024


while True:
    held = [bytearray(b"\xa5") * STEP_BYTES for _ in range(int(available() * float(sys.argv[1]) / STEP_BYTES))]
    time.sleep(HOLD_S)
    held.clear()
    time.sleep(PAUSE_S)
