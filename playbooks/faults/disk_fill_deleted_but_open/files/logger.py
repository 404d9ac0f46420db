"""Makes FILE, deletes it, and appends log lines to it at RATE megabytes a second; on a full disk it tries again now and then.

Touches: FILE, and all space of its file system.
"""

import os
import sys
import time

STEP_S = 0.05
RETRY_S = 1.0
LINE = b"2026-01-01T00:00:00Z INFO rotate: this log was rotated away, and nobody told its writer (attempt 1 of many)\n"

file = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
os.unlink(sys.argv[1])
step = LINE * max(1, int(float(sys.argv[2]) * 1e6 * STEP_S / len(LINE)))
while True:
    try:
        os.write(file, step)
        time.sleep(STEP_S)
    except OSError:
        step = LINE * 40
        time.sleep(RETRY_S)
