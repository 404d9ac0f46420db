"""Writes log lines to FILE at RATE megabytes a second, and begins it anew at 128 MiB. Touches: FILE."""

import os
import sys
import time

STEP_S = 0.05
LOG_BYTES_MAX = 128 << 20  # a flood is no full disk
LINE = b"2026-01-01T00:00:00Z DEBUG loop: nothing to do, asking again (this message will be repeated for every question)\n"

file = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
step = LINE * max(1, int(float(sys.argv[2]) * 1e6 * STEP_S / len(LINE)))
written = 0
while True:
    if written >= LOG_BYTES_MAX:
        os.truncate(file, 0)
        written = 0
    written += os.write(file, step)
    time.sleep(STEP_S)
