"""Appends log lines to FILE at RATE megabytes a second; on a full disk it keeps the file open and tries a few lines now and then.

Touches: FILE. Appends, so that the space comes back when somebody truncates the file.
"""

import os
import sys
import time

STEP_S = 0.05
RETRY_S = 1.0
LINE = b"2026-01-01T00:00:00Z WARN queue: 1 item could not be handed over, will be tried again (attempt 1 of many)\n"

file = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
step = LINE * max(1, int(float(sys.argv[2]) * 1e6 * STEP_S / len(LINE)))
while True:
    try:
        os.write(file, step)
        time.sleep(STEP_S)
    except OSError:
        step = LINE * 40
        time.sleep(RETRY_S)
