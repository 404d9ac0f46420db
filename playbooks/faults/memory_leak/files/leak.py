"""Takes RATE MiB of memory a second, up to 60 % of the host's, and holds it. Touches: memory, for real: every page is written."""

import sys
import time
from pathlib import Path

STEP_S = 0.1
SHARE_MAX = 0.6  # enough to be felt, not enough for the kernel to kill somebody else over it
MIB = 1 << 20

total = int(Path("/proc/meminfo").read_text(encoding="ascii").split()[1]) * 1024
step = int(float(sys.argv[1]) * MIB * STEP_S)
held = []
while len(held) * step < total * SHARE_MAX:
    held.append(bytearray(b"\xa5") * step)
    time.sleep(STEP_S)
while True:
    time.sleep(60)
