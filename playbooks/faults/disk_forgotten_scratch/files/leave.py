"""Makes DIRECTORY with files of days ago until SHARE of the file system is used. Touches: DIRECTORY, which it makes."""

import itertools
import os
import sys
import time

SIZE = 4 << 20
DAYS_S = 5 * 86400

directory, share = sys.argv[1], float(sys.argv[2])
os.mkdir(directory)
for number in itertools.count():
    volume = os.statvfs(directory)
    left = int(share * volume.f_blocks - (volume.f_blocks - volume.f_bavail)) * volume.f_frsize
    if left <= 0:
        break
    path = f"{directory}/export-{number:05}"
    with open(path, "xb") as file:
        file.write(bytes(min(SIZE, left)))
    os.utime(path, (time.time() - DAYS_S,) * 2)
