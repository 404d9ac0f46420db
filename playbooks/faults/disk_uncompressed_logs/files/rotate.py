"""Makes DIRECTORY with logs called NAME.1, NAME.2 and so on, one a day, until SHARE of the file system is used.

Touches: DIRECTORY, which it makes.
"""

import itertools
import os
import sys
import time

SIZE = 4 << 20
DAY_S = 86400
LINE = "2026-01-01T{:02}:{:02}:{:02}.{:03}Z INFO request {:08x} handled in {} ms\n"

directory, name, share = sys.argv[1], sys.argv[2], float(sys.argv[3])
numbers = (number * 2654435761 % (1 << 30) for number in range(SIZE // 60))  # looks drawn, and is always the same
lines = (LINE.format(n % 24, n % 60, n % 59, n % 1000, n, n % 977) for n in numbers)
content = "".join(lines).encode()[:SIZE]
os.mkdir(directory)
for number in itertools.count(1):
    volume = os.statvfs(directory)
    left = int(share * volume.f_blocks - (volume.f_blocks - volume.f_bavail)) * volume.f_frsize
    if left <= 0:
        break
    path = f"{directory}/{name}.{number}"
    with open(path, "xb") as file:
        file.write(content[:left])
    os.utime(path, (time.time() - number * DAY_S,) * 2)
