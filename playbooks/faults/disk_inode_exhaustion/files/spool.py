"""Leaves empty files in DIRECTORY until SHARE of the file system's inodes is used, and again whenever it is less.

Touches: DIRECTORY, which it makes, and all inodes of its file system.
"""

import itertools
import os
import sys
import time

BURST = 1000
PAUSE_S = 0.02
RETRY_S = 1.0

directory, share = sys.argv[1], float(sys.argv[2])
os.mkdir(directory)
numbers = itertools.count()
while True:
    volume = os.statvfs(directory)
    wanted = int(share * volume.f_files) - (volume.f_files - volume.f_ffree)
    try:
        for number in itertools.islice(numbers, max(0, min(wanted, BURST))):
            os.close(os.open(f"{directory}/message-{number:08}", os.O_WRONLY | os.O_CREAT, 0o644))
        time.sleep(PAUSE_S if wanted > 0 else RETRY_S)
    except OSError:
        time.sleep(RETRY_S)
