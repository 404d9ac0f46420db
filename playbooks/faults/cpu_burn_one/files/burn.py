"""Spins in user mode on one core, for SHARE of the time. Touches: nothing but that core."""

import os
import sys
import time

PERIOD_S = 0.1

os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
busy_s = PERIOD_S * float(sys.argv[1])
while True:
    began = time.monotonic()
    while time.monotonic() - began < busy_s:
        sum(range(2000))
    time.sleep(PERIOD_S - busy_s)
