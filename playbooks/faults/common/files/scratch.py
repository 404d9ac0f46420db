"""Leaves files of 400 KB in DIRECTORY at RATE megabytes a second, and tries again now and then when there is no room.

Touches: DIRECTORY, which it makes, and all space of its file system.
"""

import itertools
import os
import sys
import time

FILE_BYTES = 400_000
RETRY_S = 1.0

directory, rate = sys.argv[1], float(sys.argv[2]) * 1e6
content = os.urandom(FILE_BYTES)
os.mkdir(directory)
for number in itertools.count():
    try:
        with open(f"{directory}/part-{number:06}", "wb", buffering=0) as file:
            file.write(content)
        time.sleep(FILE_BYTES / rate)
    except OSError:
        time.sleep(RETRY_S)
