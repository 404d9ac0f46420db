"""Keeps one child that takes RATE MiB of memory a second until the kernel kills it. Touches: memory, all that can be had.

Parent and child have the highest OOM score there is, and the child has the memory: the kernel chooses the child.
"""

import os
import sys
import time
from pathlib import Path

STEP_S = 0.05
PAUSE_S = 3.0
MIB = 1 << 20


def leak() -> None:
    """Take memory for ever."""
    held = []
    while True:
        held.append(bytearray(b"\xa5") * int(float(sys.argv[1]) * MIB * STEP_S))
        time.sleep(STEP_S)


if Path("/proc/self/oom_score_adj").read_text(encoding="ascii").strip() != "1000":
    sys.exit("somebody else could be killed instead")
while True:
    child = os.fork()
    if child == 0:
        leak()
    os.waitpid(child, 0)
    time.sleep(PAUSE_S)
