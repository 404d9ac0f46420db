"""Opens RATE descriptors a second and closes none; at its limit it keeps trying. Touches: its own descriptors."""

import os
import sys
import time

STEP_S = 0.1
RETRY_S = 1.0

step = max(1, round(float(sys.argv[1]) * STEP_S))
while True:
    try:
        for _ in range(step):
            os.open("/dev/null", os.O_RDONLY)
        time.sleep(STEP_S)
    except OSError:
        time.sleep(RETRY_S)
