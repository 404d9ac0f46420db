"""Takes all memory but ROOM MiB, then reads FILE, which does not fit into the room, from end to end for ever.

Touches: FILE; memory, for real.
"""

import os
import sys
import time
from pathlib import Path

MIB = 1 << 20
STEP_BYTES = 4 * MIB
BITE_BYTES = 32 * MIB
PAUSE_S = 0.01
FILE_TO_ROOM = 1.4  # whoever reads more than fits, from end to end, finds nothing of it again

room = int(sys.argv[1]) * MIB
file = os.open(sys.argv[2], os.O_RDWR | os.O_CREAT, 0o644)
for _ in range(int(FILE_TO_ROOM * room / STEP_BYTES)):
    os.write(file, os.urandom(STEP_BYTES))
os.fsync(file)


def available() -> int:
    """Return how much memory can still be had."""
    words = (line.split() for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines())
    kib = {name: int(number) for name, number, *_ in words}
    # A container's MemAvailable counts what lies in its tmpfs as room, too; what is free and the pages of files are all there is.
    return min(kib["MemAvailable:"], kib["MemFree:"] + kib["Active(file):"] + kib["Inactive(file):"]) * 1024


held = []
while (left := available() - room) > 0:
    held.append(bytearray(b"\xa5") * min(left, BITE_BYTES))
block = bytearray(STEP_BYTES)
while True:
    os.lseek(file, 0, os.SEEK_SET)
    while os.readv(file, [block]):
        time.sleep(PAUSE_S)
